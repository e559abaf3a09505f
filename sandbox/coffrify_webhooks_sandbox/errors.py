"""The error that the sandbox raises and its API returns."""

from __future__ import annotations

from coffrify_webhooks.errors import WebhookError

__all__ = ["SandboxError"]


class SandboxError(WebhookError):
    """Something that cannot be done as requested; the message says why, and what would work.

    status: the HTTP status. code: a name for programs. param: the field that is wrong, if any.
    """

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
