"""Writes a request as a curl command."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["curl_command"]


def curl_command(url: str, headers: Mapping[str, str], body: bytes) -> str:
    """Return the command that sends a request as it is; raise ValueError for a body of no text.

    It sends to this one address, through no proxy.
    """
    words = [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
    curl = f"curl -i -g --noproxy '*' {shlex.quote(url)}"
    return " \\\n  ".join([curl, *words, f"--data-binary {shlex.quote(body.decode())}"])
