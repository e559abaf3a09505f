"""Where the endpoint is: one path, with or without a trailing slash, never a redirect.

A 301 or a 302 may make a GET of a POST (RFC 9110, section 15.4), and to Standard Webhooks any 3xx
is a failed delivery.
"""

from coffrify_webhooks.errors import ConfigurationError, is_secretive, shown

__all__ = ["DEFAULT_PATH", "UrlPath"]

DEFAULT_PATH = "/webhooks/coffrify"


_OF_PATTERNS = frozenset("<>{}*?#\\%")
"""What a framework would read as a pattern, and what never stands in a path as servers pass it."""


class UrlPath:
    """A path below the application's root."""

    __slots__ = ("_both", "text")

    def __init__(self, path: str) -> None:
        if not str(path).startswith("/"):
            raise ConfigurationError(
                f"path={shown(path)} must begin with a slash: {DEFAULT_PATH!r}"
            )
        if (
            is_secretive(path.strip("/"))
            or not path.isprintable()
            or not _OF_PATTERNS.isdisjoint(path)
            or " " in path
        ):
            raise ConfigurationError(
                f"path={shown(path)} must be one plain path, such as {DEFAULT_PATH!r}: without a "
                "pattern, a query, an escape or a blank"
            )
        self.text: str = path.rstrip("/")
        self._both = (self.text, self.text + "/")

    def matches(self, path: str, root: str = "") -> bool:
        """Tell whether a request is ours; `root` is where the application itself is mounted."""
        if root and path.startswith(root + "/"):
            path = path[len(root) :]
        return path in self._both
