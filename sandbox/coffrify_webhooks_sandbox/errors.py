"""What the sandbox refuses, in the shape in which the API says it."""

from __future__ import annotations

from coffrify_webhooks.errors import WebhookError

__all__ = ["SandboxError"]


class SandboxError(WebhookError):
    """Something that cannot be done as asked; the text says why, and what would work.

    status: the HTTP status. code: a word for programs. param: which field is meant, if one is.
    """

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
