"""Coffrify's own history of deliveries, over its management API.

Known (the vendor's Python SDK 0.2.0): `GET /webhooks`, `GET /webhooks/{id}/deliveries?limit=`,
`POST /webhooks?action=replay {"delivery_id"}`. Our reading, since nothing is published: the names
of a delivery's fields, that the newest come first, and that `next_cursor` of one page is the
`cursor` of the next. What has another form is skipped, or refused by name.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks_codegen.catalog.address import DEFAULT_URL, events_url
from coffrify_webhooks_codegen.catalog.api import Api, api_key_for
from coffrify_webhooks_codegen.errors import CatalogError, RateLimitedError, RefusedError
from coffrify_webhooks_codegen.json_types import is_list, is_mapping

from .history import DeliveryRecord, HistoryError

__all__ = ["CoffrifyHistory"]

_PAGE = 200
_MOST_PAGES = 5000
_OVER = frozenset(
    {"success", "succeeded", "delivered", "dead_letter", "dead", "failed", "cancelled"}
)
"""Statuses after which nothing is sent by itself; any other counts as pending."""
_EVENTS = "/events"
_MOST_BYTES = 1 << 30
_PATIENCE = 600.0
"""Seconds for one call of the API, waits for its rate limit included."""
_LONGEST_WAIT = 120.0


class CoffrifyHistory:
    """The deliveries to one endpoint, and replays of them.

    api_key: by default COFFRIFY_API_KEY. base_url: by default COFFRIFY_API_URL, else the vendor's.
    endpoint: its id; by default the only one that there is. on_wait: called with the reason and the
    seconds before each pause.

    Raises ConfigurationError if there is no key, or if several endpoints could be meant.
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
        given = base_url or os.environ.get("COFFRIFY_API_URL", "").strip() or DEFAULT_URL
        try:
            self._base = events_url(given).removesuffix(_EVENTS)
            self._key = api_key_for(api_key, self._base)
        except CatalogError as error:
            raise ConfigurationError(str(error)) from None
        self._on_wait = on_wait
        self._sleep = sleep
        self._endpoint = endpoint

    def __repr__(self) -> str:
        return f"CoffrifyHistory({self._base!r}, endpoint={self._endpoint!r})"

    def deliveries(self, since: float) -> Iterator[DeliveryRecord]:
        """See `History.deliveries`."""
        path = f"/{quote(self._endpoint_id(), safe='')}/deliveries"
        cursor, seen, new = "", set[str](), list[DeliveryRecord]()
        page: Mapping[str, Any] = {}
        for _ in range(_MOST_PAGES):
            asked = {"limit": str(_PAGE), **({"cursor": cursor} if cursor else {})}
            page = self._call("GET", f"{path}?{urlencode(asked)}")
            entries = page.get("data")
            if not is_list(entries):
                raise HistoryError("the API's list of deliveries has no list `data`")
            found = [each for each in map(_record, entries) if each is not None]
            new = [each for each in found if each.id not in seen]
            seen.update(each.id for each in new)
            yield from (each for each in new if each.created_at >= since)
            following = page.get("next_cursor")
            if not new or all(each.created_at < since for each in new):
                return  # the newest come first; of a page that repeats, nothing is new
            if not isinstance(following, str) or not following:
                break
            cursor = following
        else:
            raise HistoryError(f"the API's list of deliveries has more than {_MOST_PAGES} pages")
        if page.get("has_more") and new[-1].created_at >= since:
            raise HistoryError(
                f"the API lists only the last {len(seen)} deliveries, and there are more since "
                "then; choose a later time"
            )

    def redeliver(self, delivery_id: str) -> None:
        """See `History.redeliver`."""
        self._call("POST", "?action=replay", {"delivery_id": delivery_id})

    def _endpoint_id(self) -> str:
        if self._endpoint is None:
            page = self._call("GET", "")
            entries = page.get("data")
            ids = [
                each["id"]
                for each in (entries if is_list(entries) else ())
                if is_mapping(each) and isinstance(each.get("id"), str)
            ]
            if len(ids) != 1:
                which = f"one of {', '.join(ids[:10])}" if ids else "of which there is none yet"
                raise ConfigurationError(
                    f"which endpoint? Name it ({which}): endpoint=, --endpoint"
                )
            self._endpoint = ids[0]
        return self._endpoint

    def _call(self, method: str, path: str, body: object = None) -> Mapping[str, Any]:
        url, end = self._base + path, time.monotonic() + _PATIENCE
        api = Api(
            key=self._key,
            timeout=15,
            end=end,
            attempts=6,
            left=_MOST_BYTES,
            on_wait=self._on_wait,
            sleep=self._sleep,
            clock=time.monotonic,
        )
        headers, sent = {}, b""
        if body is not None:
            sent = json.dumps(body).encode()
            # A request that is repeated because no answer came is performed once.
            headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid4())}
        try:
            return self._answered(api, url, method, headers, sent)
        except RefusedError as error:
            raise ConfigurationError(api.clean(error)) from None
        except CatalogError as error:
            raise HistoryError(api.clean(error)) from None

    def _answered(
        self, api: Api, url: str, method: str, headers: Mapping[str, str], body: bytes
    ) -> Mapping[str, Any]:
        while True:
            answer = api.answer(url, headers, method, body)
            if answer.status // 100 == 2:  # noqa: PLR2004 - of success (RFC 9110, section 15.3)
                break
            error = api.error_for(url, answer)
            if not isinstance(error, RateLimitedError):
                raise error
            pause = min(max(error.wait or 1.0, 0.1), _LONGEST_WAIT)
            if time.monotonic() + pause > api.end:
                raise error
            if self._on_wait:
                self._on_wait(api.clean(error), pause)
            self._sleep(pause)
        try:
            document = json.loads(answer.body)
        except (ValueError, RecursionError):
            document = None
        if not is_mapping(document):
            raise HistoryError(f"{url.partition('?')[0]}: the answer is not a JSON object")
        return document


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
