"""Where a new secret goes: to stdout once, to a file of its owner's, or into an env file's line."""

from __future__ import annotations

import re
import stat
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coffrify_webhooks.cli.failure import Failed
from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.signature.secret import SECRET_VARIABLE
from coffrify_webhooks_codegen.atomic_write import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SecretFile", "takes_secret_file"]

_LINE = re.compile(rf"^[ \t]*(?:export[ \t]+)?{SECRET_VARIABLE}[ \t]*=(.*)$", re.MULTILINE)
_FILE = click.Path(dir_okay=False, path_type=Path)


def takes_secret_file(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say where its secret goes, and the file as `secret_file`."""

    @click.option(
        "--secret-file", type=_FILE, metavar="FILE",
        help="Write the secret to this file, which only you can read, and print it nowhere.",
    )  # fmt: skip
    @click.option(
        "--env-file", type=_FILE, metavar="FILE",
        help=f"Write it into the line {SECRET_VARIABLE}=... of this file, and print it nowhere.",
    )  # fmt: skip
    @wraps(command)
    def with_file(
        *args: Any, secret_file: Path | None, env_file: Path | None, **options: Any
    ) -> None:
        if secret_file and env_file:
            raise click.UsageError("give --secret-file or --env-file, not both")
        path = env_file or secret_file
        place = SecretFile(path, is_env=path is env_file) if path else None
        command(*args, secret_file=place, **options)

    return with_file


class SecretFile:
    """A file for a secret. Whether it can be written is tried before the secret is made, since
    that is told only once: raises ConfigurationError.
    """

    def __init__(self, path: Path, *, is_env: bool) -> None:
        self.path: Path = path.resolve()  # a link stays one
        self.is_env: bool = is_env
        trial = self.path.with_name(f".{self.path.name[:40]}-trial")
        try:
            content = self.path.read_bytes() if self.path.exists() else b""
            replace_file(trial, b"", private=True)
            trial.unlink()
        except OSError as error:
            raise ConfigurationError(
                f"{path} cannot be written ({error.strerror}); nothing was asked for"
            ) from None
        self._text = content.decode("utf-8", "surrogateescape")

    @property
    def before(self) -> list[str]:
        """The secrets in the env file's line, or the only text of the other file."""
        found = _LINE.findall(self._text)[-1:] if self.is_env else [self._text]
        texts = "".join(found).strip().strip("'\"").split(",")
        return [each.strip() for each in texts if each.strip()]

    def write(self, *secrets: str) -> None:
        """Write the secrets, the newest first; separated by commas, as the variable takes them.

        Raises Failed if it cannot be written after all.
        """
        text, mode = ",".join(secrets) + "\n", None
        try:
            if self.is_env:
                text = self._with_line(f"{SECRET_VARIABLE}={','.join(secrets)}")
                mode = stat.S_IMODE(self.path.stat().st_mode) if self.path.exists() else None
            replace_file(self.path, text.encode("utf-8", "surrogateescape"), private=True)
            if mode is not None:
                self.path.chmod(mode)
        except OSError as error:
            raise Failed(
                f"{self.path} could not be written ({error.strerror}), so the new secret is lost; "
                "get another: `coffrify-webhooks endpoints rotate`, when a grace is over"
            ) from None
        if mode is not None and mode & (stat.S_IRGRP | stat.S_IROTH):
            click.echo(f"Warning: others can read {self.path}: chmod 600 is better", err=True)

    def _with_line(self, line: str) -> str:
        """Return the file's text with the variable's line replaced, or added at its end."""
        if _LINE.search(self._text):
            return _LINE.sub(lambda _: line, self._text)
        gap = "" if not self._text or self._text.endswith("\n") else "\n"
        return f"{self._text}{gap}{line}\n"
