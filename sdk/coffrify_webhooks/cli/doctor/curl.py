"""Reads a curl command, as browsers and other tools copy one; nothing of it is run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import quote_plus

from coffrify_webhooks.errors import ConfigurationError

__all__ = ["read_curl"]

_HEADER = ("-H", "--header")
_METHOD = ("-X", "--request")
_DATA = (
    "-d",
    "--data",
    "--data-ascii",
    "--data-binary",
    "--data-raw",
    "--data-urlencode",
    "--json",
)
_LETTERS = ("-H", "-X", "-d")
_ANSI = re.compile(r"\$'((?:[^'\\]|\\.)*)'", re.DOTALL)
_CMD = re.compile(r"curl(\.exe)?\s+\^\"")
_CARET = re.compile(r"\^(.)", re.DOTALL)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|[0-7]{1,3}|.)", re.DOTALL)
_NAMED = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_LARGEST = 16 << 20


def read_curl(text: str) -> tuple[bytes, list[tuple[str, str]], str]:
    """Return body, headers and method; raise ConfigurationError for what cannot be read."""
    try:
        words = _words(text.lstrip("$ "))
    except ValueError:
        raise ConfigurationError("the curl command has an unclosed quote") from None
    headers: list[tuple[str, str]] = []
    data: list[bytes] = []
    method = ""
    waiting = iter(words[1:])
    for word in waiting:
        option, value = _option(word)
        if option not in (*_HEADER, *_METHOD, *_DATA):
            continue
        if value is None:
            value = next(waiting, "")
        if option in _METHOD:
            method = value
        elif option in _HEADER:
            name, _, content = value.partition(":")
            headers.append((name.strip(), content.strip()))
        else:
            data.append(_data(option, value))
    body = (b"" if "--json" in words else b"&").join(data)
    return body, headers, method or ("POST" if data else "GET")


def _words(text: str) -> list[str]:
    """Split as a shell does, with the $'...' of browsers, and what they copy for cmd."""
    if _CMD.match(text):
        text = _CARET.sub(r"\1", re.sub(r"\^\r?\n", " ", text))
    text = _ANSI.sub(lambda found: shlex.quote(_ESCAPE.sub(_unescape, found[1])), text)
    return shlex.split(re.sub(r"\\\r?\n", " ", text))


def _unescape(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] in "xu" and len(code) > 1:
        return chr(int(code[1:], 16))
    return chr(int(code, 8)) if code.isdigit() else _NAMED.get(code, code)


def _option(word: str) -> tuple[str, str | None]:
    if word.startswith("--") and "=" in word:
        name, _, value = word.partition("=")
        return name, value
    if word[:2] in _LETTERS and len(word) > len("-H") and not word.startswith("--"):
        return word[:2], word[2:]
    return word, None


def _data(option: str, value: str) -> bytes:
    """Return what curl would send: `--data` drops the line ends of a file, `@` names one."""
    if option == "--data-urlencode":
        name, equals, content = value.partition("=")
        return f"{name}{equals}{quote_plus(content or name)}".encode()
    if not value.startswith("@") or option == "--data-raw":
        return value.encode("utf-8", "surrogateescape")
    try:
        with Path(value[1:]).open("rb") as file:
            data = file.read(_LARGEST)
    except (OSError, ValueError):
        raise ConfigurationError(
            "the curl command names a file for its body that is not here; run this in its folder"
        ) from None
    if option in ("--data-binary", "--json"):
        return data
    return data.replace(b"\r", b"").replace(b"\n", b"")
