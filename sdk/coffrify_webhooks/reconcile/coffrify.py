"""Coffrify's own history of deliveries, over its management API.

Known (the vendor's Python SDK 0.2.0): `GET /webhooks`, `GET /webhooks/{id}/deliveries?limit=`,
`POST /webhooks?action=replay {"delivery_id"}`. Our reading, since nothing is published: the names
of a delivery's fields, that the newest come first, and that `next_cursor` of one page is the
`cursor` of the next. What has another form is skipped, or refused by name.
"""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from coffrify_webhooks.management.api import ApiError, ManagementApi
from coffrify_webhooks.management.endpoints import Endpoints
from coffrify_webhooks.text import MaskedText
from coffrify_webhooks_codegen.json_types import is_mapping

from .history import DeliveryRecord, HistoryError

__all__ = ["CoffrifyHistory"]

_PAGE = 200
_AT_ONCE = 10.0
_OVER = frozenset(
    {"success", "succeeded", "delivered", "dead_letter", "dead", "failed", "cancelled"}
)
"""Statuses after which nothing is sent by itself; any other counts as pending."""


class CoffrifyHistory:
    """The deliveries to one endpoint, and replays of them.

    api_key: by default COFFRIFY_API_KEY. base_url: by default COFFRIFY_API_URL, else the vendor's.
    endpoint: its id, URL or name; by default the only one that there is. on_wait: called with the
    reason and the seconds before each pause.

    Raises ConfigurationError if there is no key; and once it is asked, if there is no such endpoint
    or several could be meant.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        endpoint: str | None = None,
        on_wait: Callable[[str, float], None] | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        api_key = None if api_key is None else MaskedText(api_key)
        self._api = ManagementApi(api_key, base_url, on_wait=on_wait, sleep=sleep)
        self._endpoint = endpoint
        self._id: str | None = None

    def __repr__(self) -> str:
        api, endpoint = (getattr(self, each, None) for each in ("_api", "_endpoint"))
        return f"CoffrifyHistory({api!r}, endpoint={endpoint!r})"

    def deliveries(self, since: float) -> Iterator[DeliveryRecord]:
        """See `History.deliveries`."""
        with _translating_errors():
            path = f"/{quote(self._endpoint_id(), safe='')}/deliveries"
            seen, new = set[str](), list[DeliveryRecord]()
            page: Mapping[str, Any] = {}
            for page in self._api.pages(path, _PAGE):
                found = [each for each in map(_record, page["data"]) if each is not None]
                if page["data"] and not found:
                    raise HistoryError(
                        "the API's list of deliveries has an unknown format: no entry has an `id` "
                        "and an `event_id`"
                    )
                new = [each for each in found if each.id not in seen]
                seen.update(each.id for each in new)
                yield from (each for each in new if each.created_at >= since)
                if not new or all(each.created_at < since for each in new):
                    return  # the newest come first; of a page that repeats, nothing is new
            if page.get("has_more") and new[-1].created_at >= since:
                raise HistoryError(
                    f"the API lists only the last {len(seen)} deliveries, and there are more since "
                    "then; choose a later time"
                )

    def redeliver(self, delivery_id: str) -> None:
        """See `History.redeliver`."""
        with _translating_errors():
            self._api.call("POST", "?action=replay", {"delivery_id": delivery_id})

    def find_endpoint(self) -> str:
        """Return the endpoint's id; the API is asked for it once, and has ten seconds.

        Raises ConfigurationError if there is no such endpoint, or if several could be meant, and
        HistoryError if the API does not answer.
        """
        with _translating_errors():
            return self._endpoint_id(within=_AT_ONCE)

    def _endpoint_id(self, *, within: float | None = None) -> str:
        if self._id is None:
            self._id = Endpoints(self._api).choose(self._endpoint, within=within).id
        return self._id


@contextmanager
def _translating_errors() -> Generator[None]:
    """Tell an error of the API as one of the history's."""
    try:
        yield
    except ApiError as error:
        raise HistoryError(str(error)) from None


def _record(entry: object) -> DeliveryRecord | None:
    """Read a delivery; None for what cannot be asked for or compared."""
    if not is_mapping(entry):
        return None
    own, event = entry.get("id"), entry.get("event_id")
    if not (isinstance(own, str) and own and isinstance(event, str) and event):
        return None
    kind, status = entry.get("event_type"), entry.get("status")
    return DeliveryRecord(
        own,
        event,
        kind if isinstance(kind, str) else "",
        is_pending=not (isinstance(status, str) and status.lower() in _OVER),
        created_at=_seconds(entry.get("created_at")),
        is_test=entry.get("test") is True,
    )


def _seconds(moment: object) -> float:
    """Read a time; one that cannot be read counts as now, so that its delivery is compared."""
    if isinstance(moment, (int, float)) and not isinstance(moment, bool):
        return float(moment)
    try:
        read = datetime.fromisoformat(str(moment))
    except ValueError:
        return time.time()
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
