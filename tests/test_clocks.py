"""Tests of users that set the time: freezegun and time-machine, with no clock of ours given."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import freezegun
import pytest
import time_machine

from coffrify_webhooks import (
    Receiver,
    Router,
    TimestampTooNew,
    TimestampTooOld,
    Verifier,
    sign,
    verify,
)

SECRET = "whsec_" + "ab" * 32
BODY = b'{"id": "evt_1", "type": "ping", "data": {}}'
PAST = datetime(2020, 2, 29, 12, tzinfo=UTC)
FUTURE = datetime(2040, 1, 1, tzinfo=UTC)

At = Callable[[datetime], AbstractContextManager[Any]]
SETTERS = pytest.mark.parametrize(
    "at",
    [
        pytest.param(freezegun.freeze_time, id="freezegun"),
        pytest.param(lambda moment: freezegun.freeze_time(moment, tick=True), id="ticking"),
        pytest.param(lambda moment: time_machine.travel(moment, tick=False), id="time-machine"),
        pytest.param(time_machine.travel, id="time-machine, ticking"),
    ],
)
OUTSIDE = Verifier(SECRET)


@SETTERS
@pytest.mark.parametrize("moment", [PAST, FUTURE])
def test_what_is_signed_in_a_set_time_is_fresh_in_it(at: At, moment: datetime) -> None:
    """sign, verify and a Verifier made before all follow the time that a test has set."""
    with at(moment):
        headers = sign(BODY, SECRET)
        assert abs(int(headers["webhook-timestamp"]) - moment.timestamp()) < 60
        assert verify(BODY, headers, SECRET).timestamp == int(headers["webhook-timestamp"])
        assert OUTSIDE.verify(BODY, headers).scheme == "standard"
    with pytest.raises(TimestampTooOld if moment is PAST else TimestampTooNew):
        OUTSIDE.verify(BODY, headers)


@SETTERS
@pytest.mark.parametrize("store", ["memory:", "sqlite:///claims.db", "sqlite+pysqlite:///sql.db"])
def test_a_receiver_made_before_follows_the_set_time(
    at: At, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver and its store share the time of the test: handled, duplicate, recorded then."""
    monkeypatch.chdir(tmp_path)
    router = Router()
    router.on("*")(lambda event: None)
    receiver = Receiver(SECRET, store=store, router=router)
    with at(FUTURE):
        headers = sign(BODY, SECRET)
        assert receiver.receive(BODY, headers).outcome == "handled"
        assert receiver.receive(BODY, headers).outcome == "duplicate"
        (record,) = receiver.store.find()
        assert abs(record.touched_at - FUTURE.timestamp()) < 60
        assert abs(receiver.clock() - FUTURE.timestamp()) < 60
    assert receiver.receive(BODY, headers).outcome == "rejected"
    receiver.store.close()
