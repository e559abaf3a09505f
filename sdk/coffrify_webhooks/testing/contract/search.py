"""Finding records, and counting them."""

import time

import pytest

from coffrify_webhooks.stores import Filter, Record, Store
from coffrify_webhooks.stores.refused import free_key, refused_in, refused_of, request

from .base import ABOUT, ODD_NAMES, Advance, Contract

__all__ = ["SearchContract"]


class SearchContract(Contract):
    """Finding records, and counting them."""

    def fill(self, store: Store, advance: Advance) -> None:
        """Give the store five events, touched in this order: a, b, c, d, e."""
        about = ABOUT._replace(receiver="other")
        store.done("a", store.claim("a", "d", self.lease, None, ABOUT._replace(id="a")).token)
        advance(self.age / 8)
        self.claim(store, "b")
        advance(self.age / 8)
        store.failed("c", self.claim(store, "c").token, "why", b"{}")
        advance(self.age / 8)
        token = store.claim("d", "d", self.lease, None, about._replace(id="d")).token
        store.queued("d", token)
        advance(self.age / 8)
        kind = about._replace(id="e", type="transfer.deleted")
        store.dead("e", store.claim("e", "d", self.lease, None, kind).token, "why")

    @pytest.mark.parametrize(
        ("wanted", "expected"),
        [
            (Filter(), "edcba"),
            (Filter(receiver="main"), "cba"),
            (Filter(receiver="nobody"), ""),
            (Filter(id="c"), "c"),
            (Filter(type="transfer.created"), "dcba"),
            (Filter(type="transfer.*"), "edcba"),
            (Filter(type="transfer.d*"), "e"),
            (Filter(type="transfer"), ""),
            (Filter(type="*"), "edcba"),
            (Filter(type="transfer_created"), ""),
            (Filter(type="%"), ""),
            (Filter(statuses=("dead",)), "e"),
            (Filter(statuses=("dead", "failed", "conflict")), "ec"),
            (Filter(statuses=("queued", "claimed"), receiver="other", type="transfer.*"), "d"),
        ],
        ids=repr,
    )
    def test_find(self, store: Store, wanted: Filter, expected: str) -> None:
        """A filter finds what it says, what was touched last first."""
        self.fill(store, lambda _: time.sleep(0.002))
        assert "".join(record.key for record in store.find(wanted)) == expected

    def test_find_by_age(self, store: Store, advance: Advance) -> None:
        """`idle` finds what was not touched lately, `recent` what was."""
        self.fill(store, advance)
        since = self.age * 3 / 16
        assert {record.key for record in store.find(Filter(idle=since))} == {"a", "b", "c"}
        assert {record.key for record in store.find(Filter(recent=since))} == {"d", "e"}

    def test_find_page_by_page(self, store: Store, advance: Advance) -> None:
        """Going on after a record gives each record once, equal times or not."""
        for key in "abcdefg":
            self.claim(store, key)
            if key == "c":
                advance(self.lease / 4)
        seen: list[str] = []
        last: Record | None = None
        while found := store.find(limit=2, after=last):
            assert len(found) <= 2
            seen += [record.key for record in found]
            last = found[-1]
        assert sorted(seen) == list("abcdefg")
        assert set(seen[:4]) == set("defg")

    def test_found_records_hold_no_body(self, store: Store) -> None:
        """Looking through events reads no bodies."""
        store.failed("k", self.claim(store).token, "why", b"{}")
        assert [record.body for record in store.find()] == [None]

    def test_stats(self, store: Store, advance: Advance) -> None:
        """Stats count the events of each status."""
        self.fill(store, advance)
        expected = {"done": 1, "claimed": 1, "failed": 1, "queued": 1, "dead": 1}
        assert {status: count for status, count in store.stats().items() if count} == expected

    def test_any_text_is_kept(self, store: Store) -> None:
        """Handler names and errors come back as they were, quotes, umlauts and all."""
        token = self.claim(store).token
        for name in ODD_NAMES:
            assert store.checkpoint("k", token, name)
        store.failed("k", token, " | ".join(ODD_NAMES))
        record = store.get("k")
        assert record is not None
        assert record.finished == set(ODD_NAMES)
        assert record.error == " | ".join(ODD_NAMES)

    def test_refused_requests_stay_few(self, store: Store, advance: Advance) -> None:
        """Of `Receiver(capture=3)` the last three are kept, each receiver's apart, with bodies."""
        for number in range(5):
            kept = request("main", f"code{number}", "POST", b"{}", [("a", "b")], 0)
            key = free_key(store.find(refused_of("main"), 3), "main", 3)
            store.forget(key)
            store.conflict(key, kept.digest, kept.about, kept.body)
            advance(self.age / 100)
        found = refused_in(store, "main")
        assert [each.id for each in found] == ["code4", "code3", "code2"]
        assert all(each.body is not None and b"body_base64" in each.body for each in found)
        assert len(refused_in(store)) == 3
        assert not refused_in(store, "other")
