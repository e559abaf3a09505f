"""Checks of addresses: where the catalog is, and where the API key may be sent."""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

from coffrify_webhooks_codegen.errors import PullError

__all__ = ["DEFAULT_URL", "events_url", "is_file", "is_loopback", "next_url", "place"]

DEFAULT_URL = "https://api.coffrify.com/v1"
_EVENTS = "/webhooks/events"
_PORTS = {"http": 80, "https": 443}
_CLEAN = re.compile(r"[!-~]{1,2000}")


def events_url(api_url: str) -> str:
    """Return the catalog's address for an API's base address.

    A host alone gets `/v1`. An address that ends in `/webhooks/events` or `.json` stays as it is.
    """
    parts = _split(api_url.strip(), "the API's address")
    if is_file(api_url.strip()):
        return urlunsplit(parts)
    if parts.query:
        raise PullError("the API's address should have no query")
    path = parts.path.rstrip("/") or "/v1"
    path = path if path.endswith(_EVENTS) else path + _EVENTS
    return urlunsplit(parts._replace(path=path))


def is_file(url: str) -> bool:
    """Tell whether an address names a file rather than the API."""
    return urlsplit(url).path.endswith(".json")


def next_url(url: str, target: str, what: str) -> str:
    """Resolve the target of a redirect or of a next-page link.

    Raises PullError if it leads to another host, port or protocol, since the key would go there.
    """
    try:
        joined = urljoin(url, target)
    except ValueError:
        joined = ""
    parts = _split(joined, what)
    if place(urlunsplit(parts)) != place(url):
        raise PullError(
            f"{url}: {what} leads to another place, {place(urlunsplit(parts))}; it is not "
            "followed, since the API key would be sent there"
        )
    return urlunsplit(parts)


def place(url: str) -> str:
    """Return the protocol, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or _PORTS[parts.scheme]}"


def is_loopback(url: str) -> bool:
    """Tell whether an address leads to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _split(url: str, what: str) -> SplitResult:
    """Split an address; an error does not repeat it, since it may hold a password."""
    try:
        parts = urlsplit(url)
        usable = bool(_CLEAN.fullmatch(url) and parts.hostname and parts.port != 0)
    except ValueError:
        usable, parts = False, SplitResult("", "", "", "", "")
    if not usable or parts.scheme not in _PORTS:
        raise PullError(f"{what} should be like {DEFAULT_URL}")
    if "@" in parts.netloc:
        raise PullError(f"{what} should contain no user name and no password")
    if parts.scheme == "http" and not is_loopback(url):
        raise PullError(
            f"{what} should begin with https://, not http://, which would show the API key to "
            "everyone on the network (for this machine itself, http:// is allowed)"
        )
    return parts._replace(fragment="")
