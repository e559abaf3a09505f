"""Checks the addresses of endpoints. Needs no extra, because the command `send` needs none."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from coffrify_webhooks.errors import ConfigurationError

from .errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["allowed_hosts", "check_url"]

_LONGEST_URL = 2_000
_LOCAL = "localhost"
_IN_BRACKETS = re.compile(r"\[[^\[\]]+\](:[0-9]*)?")
"""`urlsplit` leaves out what comes before and after."""
_HOST_NAME = re.compile(r"[a-z0-9._-]+", re.ASCII)


def allowed_hosts(hosts: Iterable[str]) -> frozenset[str]:
    """Return hosts in the form in which they are compared; a string is one host.

    Raises ConfigurationError for what cannot be the host of a URL.
    """
    given = (hosts,) if isinstance(hosts, str) else hosts
    return frozenset(map(_allowed_host, given))


def _allowed_host(host: str) -> str:
    found = host.strip().removeprefix("[").removesuffix("]").lower()
    if found == "*" or _HOST_NAME.fullmatch(found) or _is_address(found):
        return found
    raise ConfigurationError(
        f"{host[:100]!a} is not a host; give a name or an address without scheme and port, such as "
        "example.com, or * for all: --allow-host HOST"
    )


def check_url(url: Any, allowed: Collection[str]) -> str:
    """Return a URL that deliveries may be sent to; raise SandboxError for any other.

    allowed: hosts beside this machine's own; "*" allows all.
    """
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        raise _refusal("give the address as http://host:port/path")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refusal("the URL cannot be read; give it as http://host:port/path") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or len(url) > _LONGEST_URL:
        raise _refusal("give the address as http://host:port/path")
    if parts.username is not None or parts.password is not None or port == 0:
        raise _refusal("omit user and password, and give a port from 1 to 65535")
    host = parts.hostname
    if ("[" in parts.netloc or "]" in parts.netloc) and not _IN_BRACKETS.fullmatch(parts.netloc):
        raise _refusal(
            "after an address in brackets only :port may follow, as in http://[::1]:port/path"
        )
    if "*" not in allowed and host not in allowed and not _is_loopback(host):
        raise _refusal(
            f"the sandbox sends to this machine only; allow others with --allow-host {host}"
        )
    return url


def _is_loopback(host: str) -> bool:
    if host == _LOCAL:
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _refusal(why: str) -> SandboxError:
    return SandboxError(400, "invalid_url", why, "url")
