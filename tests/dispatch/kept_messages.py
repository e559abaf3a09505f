"""An engine that only keeps what it is given."""

import json

from coffrify_webhooks.dispatch import Message

__all__ = ["Engine"]


class Engine:
    """Keeps messages as JSON, as engines do."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def dispatch(self, message: Message) -> None:
        self.sent.append(json.dumps(message))
