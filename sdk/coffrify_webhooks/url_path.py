"""Where the endpoint is: one path, with or without a trailing slash, never a redirect."""

from .errors import ConfigurationError

__all__ = ["DEFAULT_PATH", "UrlPath"]

DEFAULT_PATH = "/webhooks/coffrify"


class UrlPath:
    """A path below the application's root."""

    __slots__ = ("_both", "text")

    def __init__(self, path: str) -> None:
        if not str(path).startswith("/"):
            raise ConfigurationError(f"path={path!r} must begin with a slash: {DEFAULT_PATH!r}")
        self.text: str = path.rstrip("/")
        self._both = (self.text, self.text + "/")

    def matches(self, path: str, root: str = "") -> bool:
        """Tell whether a request is ours; `root` is where the application itself is mounted."""
        if root and path.startswith(root + "/"):
            path = path[len(root) :]
        return path in self._both
