"""The sender's endpoints: what is known of each, and what can be done with them.

Known (the vendor's Python SDK 0.2.0): the calls, their parameters, the fields of an endpoint, and
that `POST /webhooks` answers `{webhook, secret}`. Our reading: that a new secret of a rotation is
in `secret` too, and that a test delivery is told in `delivery`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote, urlsplit

from coffrify_webhooks.errors import ConfigurationError, shown
from coffrify_webhooks_codegen.catalog.redact import one_line
from coffrify_webhooks_codegen.json_types import is_list, is_mapping

from .api import ApiError, ManagementApi

__all__ = ["EndpointRecord", "Endpoints", "TestDelivery"]

_MOST = 10_000
_NAMED = 5
"""How many endpoints an error names."""
_LONGEST = 800
"""Characters of what the API says."""


class EndpointRecord(NamedTuple):
    """An endpoint as the sender knows it; its secret is never a part of it."""

    id: str
    url: str
    name: str
    events: tuple[str, ...]
    """The types that it subscribes to; `*` is all of them."""
    is_active: bool
    successes: int | None
    failures: int | None
    created_at: str

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object, by the names of the API."""
        return {
            "id": self.id,
            "url": self.url,
            "name": self.name,
            "events": list(self.events),
            "is_active": self.is_active,
            "success_count": self.successes,
            "failure_count": self.failures,
            "created_at": self.created_at,
        }


@dataclass(frozen=True)
class TestDelivery:
    """What became of a test delivery so far; None for what the API does not tell."""

    __test__: ClassVar[bool] = False  # it is no test of pytest's

    id: str | None
    status: str | None = None
    response_status: int | None = None
    error: str | None = None

    @property
    def was_tried(self) -> bool:
        """Whether an attempt has ended."""
        return self.response_status is not None or self.error is not None


class Endpoints:
    """The endpoints of a workspace. The methods raise ApiError, and ConfigurationError for a key
    that is refused.
    """

    def __init__(self, api: ManagementApi) -> None:
        self.api: ManagementApi = api

    def list(self, *, within: float | None = None) -> list[EndpointRecord]:
        """Return all endpoints; within: see `ManagementApi.call`."""
        found: dict[str, EndpointRecord] = {}
        for page in self.api.pages("", within=within):
            records = [_record(each) for each in page["data"]]
            new = {each.id: each for each in records if each is not None and each.id not in found}
            if page["data"] and not any(records):
                raise ApiError(
                    "the API's list of endpoints has an unknown format: no entry has an `id`"
                )
            found.update(new)
            if not new or len(found) > _MOST:  # of a page that repeats, nothing is new
                break
        return [*found.values()]

    def choose(self, text: str | None, *, within: float | None = None) -> EndpointRecord:
        """Return the endpoint with that id, URL or name; without one, the only one that there is.

        within: see `ManagementApi.call`.

        Raises ConfigurationError if there is none, or if several could be meant.
        """
        known = self.list(within=within)
        found = known if text is None else [each for each in known if each.id == text]
        if text is not None and not found:
            found = [each for each in known if text in (each.url, each.name)]
        if len(found) == 1:
            return found[0]
        which = _named(found or known)
        if text is None or found:
            raise ConfigurationError(f"which endpoint? Name it ({which}): endpoint=, --endpoint")
        raise ConfigurationError(f"there is no endpoint {shown(text)}; name {which}")

    def find_url(self, url: str) -> EndpointRecord | None:
        """Return an endpoint for a URL, which may be written a little otherwise; else None."""
        found = (each for each in self.list() if _normal(each.url) == _normal(url))
        return next(found, None)

    def create(
        self, url: str, name: str, events: Iterable[str], description: str = ""
    ) -> tuple[EndpointRecord, str]:
        """Create an endpoint; return it with its secret, which is told only here."""
        asked: dict[str, Any] = {"name": name, "url": url, "events": [*events]}
        if description:
            asked["description"] = description
        answer = self.api.call("POST", "", asked, once=True)
        made = _record(answer.get("webhook"))
        if made is None:
            raise ApiError(
                "the endpoint was created, but the answer does not say which one it is; see "
                "`endpoints list`"
            )
        return made, _secret(answer, f"the endpoint {made.id} was created")

    def subscribe(self, endpoint_id: str, events: Iterable[str]) -> None:
        """Change the types that an endpoint subscribes to."""
        self.api.call("PATCH", "", {"id": endpoint_id, "events": [*events]})

    def rotate(self, endpoint_id: str, grace_hours: float) -> str:
        """Give an endpoint a new secret, and return it; the old one stays valid for that long."""
        asked = {"id": endpoint_id, "grace_hours": grace_hours}
        answer = self.api.call("POST", "?action=rotate_secret", asked, once=True)
        return _secret(answer, f"the secret of {endpoint_id} was rotated")

    def delete(self, endpoint_id: str) -> None:
        """Delete an endpoint."""
        self.api.call("DELETE", "", {"id": endpoint_id}, once=True)

    def test(self, endpoint_id: str, event_type: str | None = None) -> TestDelivery:
        """Let the sender send a test delivery, by default a ping."""
        asked = {"id": endpoint_id, **({"event_type": event_type} if event_type else {})}
        answer = self.api.call("POST", "?action=test", asked)
        return _delivery(answer.get("delivery"))

    def delivery(self, endpoint_id: str, delivery_id: str) -> TestDelivery | None:
        """Return one of the newest deliveries to an endpoint; None if it is not among them."""
        path = f"/{quote(endpoint_id, safe='')}/deliveries"
        for page in self.api.pages(path, 50):
            found = map(_delivery, page["data"])
            return next((each for each in found if each.id == delivery_id), None)
        return None


def _named(endpoints: "list[EndpointRecord]") -> str:
    """Name endpoints by their ids and URLs, each as one line."""
    if not endpoints:
        return "one, of which there is none yet: `endpoints create`"
    names = [f"{each.id} ({each.url})" if each.url else each.id for each in endpoints[:_NAMED]]
    more = f" and {len(endpoints) - _NAMED} more" if len(endpoints) > _NAMED else ""
    return f"one of {one_line(', '.join(names))}{more}"


def _normal(url: str) -> tuple[str, ...]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return (url,)
    return parts.scheme, parts.netloc.lower(), parts.path.rstrip("/"), parts.query


def _record(entry: object) -> EndpointRecord | None:
    if not is_mapping(entry):
        return None
    own, url = entry.get("id"), entry.get("url")
    if not (isinstance(own, str) and own):
        return None
    return EndpointRecord(
        own,
        _text(url),
        _text(entry.get("name")),
        tuple(_texts(entry.get("events"))),
        entry.get("is_active") is not False,
        _count(entry.get("success_count")),
        _count(entry.get("failure_count")),
        _text(entry.get("created_at")),
    )


def _delivery(entry: object) -> TestDelivery:
    if not is_mapping(entry):
        return TestDelivery(None)
    own, status, error = entry.get("id"), entry.get("status"), entry.get("error")
    return TestDelivery(
        own if isinstance(own, str) else None,
        status if isinstance(status, str) else None,
        _count(entry.get("response_status")),
        one_line(error)[:_LONGEST] if isinstance(error, str) else None,
    )


def _secret(answer: Mapping[str, Any], done: str) -> str:
    secret = answer.get("secret")
    if not isinstance(secret, str) or not secret.isprintable() or not secret.strip():
        raise ApiError(
            f"{one_line(done)}, but the answer has no secret; see the vendor's dashboard"
        )
    return secret


def _texts(value: object) -> Iterator[str]:
    return (each for each in (value if is_list(value) else ()) if isinstance(each, str))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
