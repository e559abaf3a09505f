"""Calls of the management API, by the client that pulls the catalog: `/webhooks` and below it.

Known (the vendor's Python SDK 0.2.0): the paths, the actions and the parameters. Our reading, since
nothing is published: that a list is in `data`, that `next_cursor` of a page is the `cursor` of the
next, and that a request which is repeated under its Idempotency-Key is performed once.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from time import sleep as sleep_for
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from coffrify_webhooks.clock import monotonic
from coffrify_webhooks.errors import ConfigurationError, WebhookError
from coffrify_webhooks.text import MaskedText
from coffrify_webhooks_codegen.catalog.address import DEFAULT_URL, events_url
from coffrify_webhooks_codegen.catalog.api import Api, api_key_for
from coffrify_webhooks_codegen.catalog.client import pull
from coffrify_webhooks_codegen.errors import (
    CatalogError,
    PullError,
    RateLimitedError,
    RefusedError,
)
from coffrify_webhooks_codegen.json_types import is_list, is_mapping

__all__ = ["UNSURE", "ApiError", "ManagementApi"]

_EVENTS = "/events"
_MOST_BYTES = 64 * 1024 * 1024
"""Bytes of one response."""
_PATIENCE = 600.0
"""Seconds for one call, waits for the rate limit included."""
_LONGEST_WAIT = 120.0
"""Seconds of one pause, whatever the API asks for."""
_MOST_PAGES = 5000
"""Of one list, whose cursors might form a loop."""
_ATTEMPTS = 6
"""Of one call, the first included."""
UNSURE = "; it is not known whether it was done: see `endpoints list`"


class ApiError(WebhookError):
    """The API did not do what was requested; the message never holds the API key."""

    status = 503
    code = "api_unavailable"


class ManagementApi:
    """The part of the API that is about webhooks, with a key.

    api_key: by default COFFRIFY_API_KEY. base_url: by default COFFRIFY_API_URL, else the vendor's.
    on_wait: called with the reason and the seconds before each pause.

    Raises ConfigurationError if there is no key, or if it may not be sent to that address.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        on_wait: Callable[[str, float], None] | None = None,
        sleep: Callable[[float], object] = sleep_for,
    ) -> None:
        api_key = None if api_key is None else MaskedText(api_key)
        given = base_url or os.environ.get("COFFRIFY_API_URL", "").strip() or DEFAULT_URL
        try:
            self.base: str = events_url(given).removesuffix(_EVENTS)
            self._key = api_key_for(api_key, self.base)
        except CatalogError as error:
            raise ConfigurationError(str(error)) from None
        self._on_wait = on_wait
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"ManagementApi({getattr(self, 'base', None)!r})"  # it may be half made

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        once: bool = False,
        within: float | None = None,
    ) -> Mapping[str, Any]:
        """Send a request, and return the JSON object that answers it.

        once: what must not be done twice is not sent again when no answer came, because whether
        the vendor knows a repetition by its Idempotency-Key is not known. Unless the answer is a
        plain refusal (4xx), the error then says that it may have been done. within: seconds for
        all of it, in which nothing is tried again; by default ten minutes.

        Raises ConfigurationError for a key that is refused, and ApiError.
        """
        url = self.base + path
        end = monotonic() + (_PATIENCE if within is None else within)
        api = Api(
            key=self._key,
            timeout=15,
            end=end,
            attempts=1 if once or within is not None else _ATTEMPTS,
            left=_MOST_BYTES,
            on_wait=self._on_wait,
            sleep=self._sleep,
            clock=monotonic,
        )
        headers, sent = {}, b""
        if body is not None:
            sent = json.dumps(body).encode()
            headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid4())}
        try:
            return self._call_until_answered(api, url, method, headers, sent)
        except RefusedError as error:
            raise ConfigurationError(api.clean(error)) from None
        except CatalogError as error:
            status = getattr(error, "status", None)
            is_refused = status is not None and 400 <= status < 500  # noqa: PLR2004
            unsure = UNSURE if once and method != "GET" and not is_refused else ""
            raise ApiError(api.clean(error) + unsure) from None

    def pages(
        self, path: str, limit: int | None = None, *, within: float | None = None
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the pages of a list; the caller ends it. Raises ApiError, also after 5000 pages."""
        cursor = ""
        for _ in range(_MOST_PAGES):
            asked = {
                **({"limit": str(limit)} if limit else {}),
                **({"cursor": cursor} if cursor else {}),
            }
            page = self.call("GET", f"{path}?{urlencode(asked)}" if asked else path, within=within)
            if not is_list(page.get("data")):
                raise ApiError(f"{self.base}{path}: the answer has no list `data`")
            yield page
            following = page.get("next_cursor")
            if not isinstance(following, str) or not following:
                return
            cursor = following
        raise ApiError(f"{self.base}{path}: the list has more than {_MOST_PAGES} pages")

    def event_types(self) -> list[str]:
        """Return the types of the workspace's catalog, as `catalog pull` gets it.

        Raises ConfigurationError for a key that is refused, and ApiError.
        """
        try:
            catalog = pull(
                self._key,
                self.base + _EVENTS,
                cache=False,
                on_wait=self._on_wait,
                sleep=self._sleep,
            )
        except RefusedError as error:
            raise ConfigurationError(str(error)) from None
        except CatalogError as error:
            raise ApiError(str(error)) from None
        return [event.type for event in catalog.events]

    def _call_until_answered(
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
            if monotonic() + pause >= api.end:
                raise error
            if self._on_wait:
                self._on_wait(api.clean(error), pause)
            self._sleep(pause)
        try:
            document = json.loads(answer.body)
        except (ValueError, RecursionError):
            document = None
        if not is_mapping(document):
            raise PullError(f"{url.partition('?')[0]}: the answer is not a JSON object")
        return document
