"""The errors of reading and pulling a catalog."""

__all__ = ["CatalogError", "PullError", "RateLimitedError", "RefusedError", "UnavailableError"]


class CatalogError(Exception):
    """A catalog that cannot be used; the message says which event and where in the document."""


class PullError(CatalogError):
    """A catalog that could not be pulled; the message never holds the API key."""

    def __init__(self, message: str, *, status: int | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status; None if there was no response."""
        self.code = code
        """The API's own name for the error, if it gave one."""


class RefusedError(PullError):
    """The API refused the key (401), or its permissions (403)."""


class RateLimitedError(PullError):
    """Too many requests (429)."""

    def __init__(self, message: str, wait: float | None, *, code: str | None = None) -> None:
        super().__init__(message, status=429, code=code)
        self.wait = wait
        """The seconds to wait before the next request; None if the API did not say."""


class UnavailableError(PullError):
    """No complete response or a 5xx, even after retries; it may be temporary."""
