"""Turns a missing optional package into the command that installs it."""

from types import TracebackType

from .errors import ConfigurationError

__all__ = ["needs"]


class needs:  # noqa: N801 - reads as a word: `with needs("flask"):`
    """Around imports that an extra of this distribution brings."""

    def __init__(self, extra: str) -> None:
        self._extra = extra

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, ModuleNotFoundError):
            raise ConfigurationError(
                f"{(error.name or '').partition('.')[0]} is not installed; run: "
                f'pip install "coffrify-webhooks[{self._extra}]"'
            ) from error
