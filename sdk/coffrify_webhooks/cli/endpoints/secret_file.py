"""Where a new secret goes: to stdout once, to a file of its owner's, or into an env file's line."""

from __future__ import annotations

import os
import re
import stat
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coffrify_webhooks.cli.failure import Failed
from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.signature.secret import SECRET_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SecretFile", "takes_secret_file"]

_LINE = re.compile(
    rf"""^([ \t]*(?:export[ \t]+)?){SECRET_VARIABLE}[ \t]*=[ \t]*"""
    r"""(?:"([^"\r\n]*)"|'([^'\r\n]*)'|([^\s#]*))([^\r\n]*)""",
    re.MULTILINE,
)
"""What stands before the name, the value in either kind of quotes or in none, and what follows."""
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
        from secrets import token_hex  # not for a help

        from coffrify_webhooks_codegen.atomic_write import replace_file

        self.path: Path = path.resolve()  # a link stays one
        self.is_env: bool = is_env
        if self.path.exists() and not self.path.is_file():
            raise ConfigurationError(
                f"{path} is not a regular file; a secret is written only to one"
            )
        trial = self.path.with_name(f".{self.path.name[:40]}-{token_hex(4)}")
        try:
            self._text = self._read()
            replace_file(trial, b"", private=True)
            trial.unlink()
        except OSError as error:
            raise ConfigurationError(
                f"{path} cannot be written ({error.strerror}); nothing was requested"
            ) from None

    def _read(self) -> str:
        content = self.path.read_bytes() if self.path.exists() else b""
        return content.decode("utf-8", "surrogateescape")

    @property
    def before(self) -> list[str]:
        """The secrets in the env file's line, or the only text of the other file."""
        texts = self._text.split(",")
        if self.is_env:
            found = [*_LINE.finditer(self._text)][-1:]
            texts = "".join(each[2] or each[3] or each[4] or "" for each in found).split(",")
        return [each.strip() for each in texts if each.strip()]

    def write(self, *secrets: str) -> None:
        """Write the secrets, the newest first; separated by commas, as the variable takes them.

        Raises Failed if it cannot be written after all.
        """
        from coffrify_webhooks_codegen.atomic_write import replace_file

        text, mode = ",".join(secrets) + "\n", None
        try:
            owner = self.path.stat() if self.path.exists() else None
            if self.is_env:
                self._text = self._read()  # it may have changed while a question waited
                text = self._with_line(",".join(secrets))
                mode = None if owner is None else stat.S_IMODE(owner.st_mode)
            replace_file(self.path, text.encode("utf-8", "surrogateescape"), private=True)
            if owner is not None and (owner.st_uid, owner.st_gid) != (os.getuid(), os.getgid()):
                os.chown(self.path, owner.st_uid, owner.st_gid)
            if mode is not None:
                self.path.chmod(mode)
        except OSError as error:
            raise Failed(
                f"{self.path} could not be written ({error.strerror}), so the new secret is lost; "
                "get another with `coffrify-webhooks endpoints rotate` when the grace period is "
                "over"
            ) from None
        if mode is not None and mode & (stat.S_IRGRP | stat.S_IROTH):
            click.echo(
                f"Warning: other users can read {self.path}; prevent that with chmod 600", err=True
            )

    def _with_line(self, value: str) -> str:
        """Return the file's text with the variable's value replaced, or added at its end.

        What stands before and after it on its line stays, such as `export` and a comment.
        """
        if _LINE.search(self._text):
            return _LINE.sub(
                lambda each: f"{each[1]}{SECRET_VARIABLE}={value}{each[5]}", self._text
            )
        gap = "" if not self._text or self._text.endswith("\n") else "\n"
        return f"{self._text}{gap}{SECRET_VARIABLE}={value}\n"
