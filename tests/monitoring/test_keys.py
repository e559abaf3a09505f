"""Old secrets: told while somebody still signs with them, by their label, once an hour."""

import logging
from typing import Any

import pytest

from coffrify_webhooks import ConfigurationError, Notice, Receiver, Router, Secret, sign
from coffrify_webhooks.monitoring.keys import KeyUse
from coffrify_webhooks.observe import Facts
from coffrify_webhooks.signature.keyring import Keyring

NEW, OLD, OTHER = ("whsec_" + digits * 16 for digits in ("ab", "cd", "ef"))
NOW = 1_700_000_000.0
DAY = 86_400


class Rig:
    """A receiver, and the notices of old secrets."""

    def __init__(self, *secrets: Any) -> None:
        self.now = NOW
        self.told: list[str] = []
        self.receiver = Receiver(
            list(secrets) if len(secrets) != 1 or not callable(secrets[0]) else secrets[0],
            router=Router(),
            store="memory:",
            clock=lambda: self.now,
            observers=[Facts(self._observe)],
        )
        self.receiver.router.on("*", allow_unknown=True)(lambda event: None)

    def _observe(self, notice: Notice) -> None:
        if notice.kind == "old_key_used":
            self.told.append(notice.text)

    def deliver(self, secret: str) -> None:
        body = b'{"id": "evt_1", "type": "ping"}'
        assert self.receiver.receive(body, sign(body, secret, timestamp=self.now)).status == 200


def test_a_secret_that_is_not_the_first_is_told_by_its_label() -> None:
    """Once an hour, and not for the first one."""
    rig = Rig(Secret(NEW, label="2026"), Secret(OLD, label="2025"))
    rig.deliver(NEW)
    assert rig.told == []
    rig.deliver(OLD)
    rig.now += 3599
    rig.deliver(OLD)
    assert len(rig.told) == 1
    assert "secret 2025 " in rig.told[0]
    rig.now += 1
    rig.deliver(OLD)
    assert len(rig.told) == 2
    assert rig.receiver.health().keys == {"2026": NOW, "2025": NOW + 3600}


def test_a_secret_without_a_label_goes_by_its_index() -> None:
    """Its place in the list."""
    rig = Rig(NEW, OLD)
    rig.deliver(OLD)
    assert "secret 1 " in rig.told[0]
    assert rig.receiver.health().keys == {"1": NOW}


def test_a_secret_about_to_expire_is_told_within_its_last_day() -> None:
    """Even if it is the first; one with more time left is not."""
    for ahead, times in ((DAY + 1, 0), (DAY - 1, 1)):
        rig = Rig(Secret(NEW, not_after=NOW + ahead))
        rig.deliver(NEW)
        assert len(rig.told) == times


def test_secrets_of_a_callable_are_told_too() -> None:
    """As those of a list are."""
    rig = Rig(lambda: [NEW, Secret(OLD, label="before")])
    rig.deliver(OLD)
    assert "secret before " in rig.told[0]


def test_the_log_tells_of_an_old_secret_and_shows_neither(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A warning, with the label."""
    rig = Rig(NEW, Secret(OLD, label="2025"))
    rig.deliver(OLD)
    [record] = [each for each in caplog.records if vars(each)["webhook_kind"] == "old_key_used"]
    assert record.levelno == logging.WARNING
    assert "2025" in record.getMessage()
    assert OLD not in caplog.text


def test_a_label_is_shown_and_the_secret_is_not() -> None:
    """In the repr; two secrets of other labels are not the same."""
    secret = Secret(NEW, label="2025")
    assert repr(secret) == "Secret('***', encoding='auto', not_after=None, label='2025')"
    assert secret == Secret(NEW, label="2025")
    assert secret != Secret(NEW)
    assert hash(secret) != hash(Secret(NEW))


@pytest.mark.parametrize(
    "label", [NEW, NEW[6:], NEW[6:30], f"x{NEW}", "a\nb", "x" * 41, 2025, None, b"2026"]
)
def test_a_label_that_cannot_be_shown_is_refused(label: Any) -> None:
    """Such as the secret itself, or a piece of it; the error does not repeat it."""
    with pytest.raises(ConfigurationError, match="label must be a short name") as refused:
        Secret(NEW, label=label)
    assert "ab" * 12 not in str(refused.value)


@pytest.mark.parametrize(
    "secrets",
    [
        [Secret(NEW, label="2025"), Secret(OLD, label="2025")],
        [Secret(NEW, label="2025"), Secret(OLD, label="2025 ")],
        [NEW, Secret(OLD, label="0")],
        [Secret(NEW, label="1", encoding="text"), OLD],
    ],
)
def test_two_secrets_of_one_name_are_refused(secrets: Any) -> None:
    """Also where one has no label and its place in the list is the other's: which is in use?"""
    with pytest.raises(ConfigurationError, match="two of the secrets are called") as refused:
        Receiver(secrets, store="memory:")
    assert 'label="2026"' in str(refused.value)
    assert "ab" * 12 not in str(refused.value)


def test_two_secrets_of_one_name_from_a_callable_are_unavailable(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The sender tries again, and the log says what to mend."""
    rig = Rig(lambda: [Secret(NEW, label="2025"), Secret(OLD, label="2025")])
    body = b'{"id": "evt_1", "type": "ping"}'
    reply = rig.receiver.receive(body, sign(body, OLD, timestamp=NOW))
    assert (reply.status, reply.outcome) == (503, "unavailable")
    assert "two of the secrets are called '2025'" in caplog.text


def test_a_use_stays_with_its_secret_when_a_callable_changes_the_list() -> None:
    """Else a new first secret would seem to have signed when the old one did."""
    secrets: list[list[Any]] = [[OLD, OTHER]]
    rig = Rig(lambda: secrets[0])
    rig.deliver(OLD)
    secrets[0] = [NEW, OLD]
    rig.now += 60
    rig.deliver(OLD)
    assert rig.receiver.health().keys == {"1": NOW + 60}
    secrets[0] = [Secret(OLD, label="2025"), NEW]
    rig.now += 60
    rig.deliver(OLD)
    assert rig.receiver.health().keys == {"2025": NOW + 120}


def test_a_secret_that_was_alone_is_not_taken_for_the_one_put_in_front() -> None:
    """It has the other's place from then on."""
    secrets = [[OLD]]
    rig = Rig(lambda: secrets[0])
    rig.deliver(OLD)
    assert rig.receiver.health().keys == {"0": NOW}
    secrets[0] = [NEW, OLD]
    rig.deliver(OLD)
    assert rig.receiver.health().keys == {"1": NOW}
    secrets[0] = [NEW]
    rig.now += 60
    rig.deliver(NEW)
    assert rig.receiver.health().keys["0"] == NOW + 60


def test_each_old_secret_of_a_callable_is_told_though_they_share_a_name() -> None:
    """As those of two tenants, each the second of its list."""
    secrets = [[NEW, OLD]]
    rig = Rig(lambda: secrets[0])
    rig.deliver(OLD)
    secrets[0] = [NEW, OTHER]
    rig.deliver(OTHER)
    assert len(rig.told) == 2


def test_what_is_remembered_of_secrets_has_an_end() -> None:
    """A callable may return others each time."""
    use = KeyUse()
    for number in range(1500):
        secret = Secret(f"whsec_{'1e' * 20}{number:08x}", label=f"n{number}")
        use.see(Keyring((secret,)), secret, NOW)
    assert len(use.by_name()) <= 1001
