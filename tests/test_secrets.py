"""Which texts can be a signing secret: what can never match, or what anybody knows, is refused."""

import base64
import hashlib
import hmac
import logging
from collections import OrderedDict, UserDict, deque
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from coffrify_webhooks import (
    ConfigurationError,
    Receiver,
    Secret,
    SecretsUnavailable,
    SignatureMismatch,
    Verifier,
    sign,
    verify,
)
from coffrify_webhooks.signature.secret_mistakes import fault_of

KEY = bytes(range(201, 233))
SECRET = "whsec_" + KEY.hex()
BODY = b'{"id": "evt_1", "type": "ping", "data": {}}'

MISTAKES = {
    "in quotes": (
        f'"{SECRET}"',
        f"'{SECRET}'",
        f"`{SECRET}`",
        f"\u201c{SECRET}\u201d",
        f'"{SECRET}',
    ),
    "'v1'": (f"v1,{SECRET}", "v1," + base64.b64encode(KEY).decode(), "v1", f" v1,{SECRET}\n"),
    "placeholder": (
        *("whsec_...", "whsec_\u2026", "whsec_xxx", "whsec_XXXXXXXX", "whsec_***", "changeme"),
        *("change-me", "CHANGE_ME", "None", "null", "undefined", "xxx", "xxxxxxxxxxxxxxxx", "****"),
        *("...", "TODO", "<your secret>", "<secret>", "${COFFRIFY_WEBHOOK_SECRET}", "{{ secret }}"),
        *("$(cat /run/secret)", "#{secret}#", "<%= secret %>"),
        *("$COFFRIFY_WEBHOOK_SECRET", "COFFRIFY_WEBHOOK_SECRET", "$webhook_secret"),
        *("whsec_<your-secret>", "whsec_your_secret", "your-webhook-secret", f"{SECRET[:12]}..."),
        *(
            "replace_me_with_your_secret",
            "Insert-your-secret-here",
            "your-signing-secret-goes-here",
        ),
        *("whsec_changeme", f"{SECRET[:12]}********", "''", '""', "whsec_-"),
        *("---------------------", "whsec_" + "0" * 32, "whsec_" + "A" * 43, "whsec_" + "f" * 64),
        *("secret", "Password", "whsec_secret", "mySecret", "[secret]", "__SECRET__", "n/a"),
        *("PLEASE-CHANGE-THIS-SECRET", "add_your_secret_here", "WEBHOOK_SIGNING_SECRET"),
        *("paste secret here", "example_secret_do_not_use", "to-be-replaced", "notSet", "default"),
        *("geheim", "bitte_\u00e4ndern", "dein-geheimnis-hier", "c\u00e1mbiame", "mot_de_passe"),
        *("votre-secret-ici", "changez-moi", "tu_secreto", "altere-me", "sua_senha", "vervang-mij"),
        *(
            "\uff23\uff28\uff21\uff2e\uff27\uff25\uff0d\uff2d\uff25",
            "\u0441\u0435\u043a\u0440\u0435\u0442",
        ),
        *("\u8bf7\u66ff\u6362", "\u30d1\u30b9\u30ef\u30fc\u30c9\u3092\u5165\u529b"),
    ),
    "an API key": (
        *(f"{of}_{KEY.hex()}" for of in ("cof_live", "cof_test", "cfy_live", "cfy_test")),
    ),
    "a space or an invisible": (
        *(f"{SECRET[:20]}{odd}{SECRET[20:]}" for odd in (" ", "\n", "\t", "\xa0", "\u200b", "\0")),
        *(f"\ufeff{SECRET}", f"{SECRET}\u200b", "a secret with blanks"),
    ),
    "an address": (
        *("op://vault/coffrify/secret", "https://dashboard.example/webhooks", "sm://webhook"),
        *("arn:aws:secretsmanager:eu-west-1:1:secret:webhook", "ssm:/coffrify/webhook"),
        *("vault:secret/data/coffrify#webhook", "file:/run/secrets/webhook", "env:WEBHOOK"),
        *("/run/secrets/coffrify", "ENC[AES256_GCM,data:4f5c]", "{cipher}AQB3f1"),
        *("projects/12/secrets/webhook/versions/latest", "@Microsoft.KeyVault(VaultName=a)"),
        *("resolve:ssm:/webhook", "ARN:AWS:kms", "$env:WEBHOOK", "process.env.WEBHOOK"),
        *("os.environ['WEBHOOK']", "/var/run/secrets/coffrify", "./secret", "~/secret"),
    ),
    "of another service": (
        *("sk_live_51H8x", "sk_test_51H8x", "ghp_16C7e42F", "github_pat_11A", "glpat-1a2b"),
        *("xoxb-123-456", "eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "npm_1a2b3c", "hvs.CAESI", "SG.1a.2b"),
        *("dp.st.prod.1a2b", "whsk_1a2b3c4d5e", "whpk_1a2b3c4d5e"),
    ),
    "is a signature": (
        f"sha256={KEY.hex()}",
        f"SHA256={KEY.hex()}",
        f"t=1700000000,v1={KEY.hex()}",
        "sha1=6f",
    ),
    "not written as": (
        *(
            f"{prefix}{KEY.hex()}"
            for prefix in ("WHSEC_", "Whsec_", "whsec-", "whsec:", "whsec%5F")
        ),
        *(f"{SECRET};", f"{SECRET},", f"{KEY.hex()};"),
    ),
    "is empty": ("", " ", "\u200b", "\ufeff", "\0", "\0" * 40, "\n\t\u200d"),
    "in its middle": (f"COFFRIFY_WEBHOOK_SECRET={SECRET}", f"{SECRET},{SECRET}"),
    "single character": ("w", "\u00e9"),
}
REFUSED = [
    pytest.param(text, says, id=f"{says} {number}")
    for says, texts in MISTAKES.items()
    for number, text in enumerate(texts)
]


@pytest.mark.parametrize(("text", "says"), REFUSED)
def test_what_can_never_match_is_refused(text: str, says: str) -> None:
    """The error says which mistake it is, wherever the secret comes from."""
    for make in (lambda: Secret(text), lambda: Verifier([SECRET, text]), lambda: sign(BODY, text)):
        with pytest.raises(ConfigurationError, match=says) as raised:
            make()
        assert len(text) < 7 or text not in str(raised.value)
    with pytest.raises(SecretsUnavailable) as unavailable:
        verify(BODY, {}, lambda: text)
    assert says in unavailable.value.reason


@pytest.mark.parametrize(("text", "says"), REFUSED)
def test_a_pinned_text_is_taken_at_its_word(text: str, says: str) -> None:
    """`encoding="text"` takes what is refused otherwise, unless there is nothing in it."""
    if says == "is empty" and not text.strip("\0 \n\t"):
        with pytest.raises(ConfigurationError, match=says):
            Secret(text, encoding="text")
    elif text.strip("\u200b\ufeff\n\t\u200d"):
        secret = Secret(text, encoding="text")
        assert verify(BODY, sign(BODY, secret), secret).encoding == "text"


@pytest.mark.parametrize("text", [SECRET, f" {SECRET}\n", "a-text-of-one's-own", "x" * 15 + "y"])
def test_a_usable_secret_is_taken(text: str) -> None:
    """What may match is not refused; a file's newline is no mistake."""
    assert verify(BODY, sign(BODY, text), text).key == 0


@given(key=st.binary(min_size=16, max_size=64), form=st.sampled_from(["hex", "base64", "url"]))
def test_no_random_secret_is_taken_for_a_mistake(key: bytes, form: str) -> None:
    """With the prefix, and without it as other senders give theirs."""
    url = base64.urlsafe_b64encode(key).decode().rstrip("=")
    texts = {"hex": key.hex(), "base64": base64.b64encode(key).decode(), "url": url}
    assume(len({*texts[form].rstrip("=").lower()}) > 1)  # one character again and again
    for text in (texts[form], f"whsec_{texts[form]}"):
        assert fault_of(text, "auto") == ""


ZEROS: list[Any] = [
    *(f"whsec_{'0' * digits}" for digits in (32, 34, 64, 128, 130, 256)),
    *(f"whsec_{'A' * characters}" for characters in (22, 43, 86, 87, 171)),
    *("whsec_" + "A" * 43 + "=", "A" * 43 + "=", "0" * 64, " whsec_" + "0" * 64 + "\n"),
]


@pytest.mark.parametrize("secret", ZEROS)
def test_the_empty_key_signs_nothing(secret: str) -> None:
    """A key of zeros, as long as it may be, is anybody's: refused, and no candidate of a pin."""
    with pytest.raises(ConfigurationError):
        Verifier(secret)
    verifier = Verifier(Secret(secret, encoding="text"), clock=lambda: 1_700_000_000)
    for size in (0, 32, 64, 65, 128):  # one of more than a block is hashed
        mac = hmac.new(bytes(size), b"1700000000." + BODY, hashlib.sha256).hexdigest()
        with pytest.raises(SignatureMismatch):
            verifier.verify(BODY, {"X-Coffrify-Signature": f"t=1700000000,v1={mac}"})


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *(("whsec_" + "0" * 64, "hex"), ("whsec_" + "A" * 43, "base64"), ("00", "hex")),
        *(("0" * 256, "hex"), ("whsec_" + "A" * 171 + "=", "base64"), ("\0" * 99, "text")),
    ],
)
def test_a_pin_to_the_empty_key_is_refused(text: str, encoding: Any) -> None:
    """Where zeros are all that is left, there is no key."""
    with pytest.raises(ConfigurationError):
        Secret(text, encoding=encoding)


class Tenants:
    """A mapping by its behaviour alone, such as a database's row."""

    def __getitem__(self, name: str) -> str:
        return SECRET

    def __iter__(self) -> Iterator[str]:
        return iter(["acme-is-a-tenant"])

    def __len__(self) -> int:
        return 1


ANSWERS: list[Any] = [
    {"acme": SECRET},
    {"acme-is-a-tenant": SECRET}.keys(),
    {"acme": SECRET}.items(),
    OrderedDict({"acme-is-a-tenant": SECRET}).keys(),
    {},
    iter(SECRET),
    tuple("acme"),
    (character for character in SECRET),
    [{"acme": SECRET}],
    SECRET.encode(),
    None,
    [],
    [[SECRET]],
    5,
    lambda: SECRET,
    iter(()),
    iter({"acme-is-a-tenant": SECRET}),
    reversed({"acme-is-a-tenant": SECRET}),
    UserDict({"acme-is-a-tenant": SECRET}).keys(),
    MappingProxyType({"acme-is-a-tenant": SECRET}),
    Tenants(),
    map(str, {"acme-is-a-tenant": SECRET}),
    (tenant for tenant in {"acme-is-a-tenant": SECRET}),
    memoryview(SECRET.encode()),
    f'"{SECRET}"',
]


@pytest.mark.parametrize("number", range(len(ANSWERS)))
def test_what_is_refused_when_given_is_refused_when_returned(number: int) -> None:
    """A callable's mapping of tenants makes no key of their names, nor an iterator of a text's."""
    answer = ANSWERS[number]
    with pytest.raises(SecretsUnavailable) as raised:
        verify(BODY, sign(BODY, "acme-is-a-tenant"), lambda: answer)
    assert raised.value.status == 503
    assert raised.value.reason
    if not callable(answer):
        with pytest.raises(ConfigurationError):
            Verifier(ANSWERS[number])


async def async_secrets() -> str:
    return SECRET


async def async_generator() -> AsyncIterator[str]:
    yield SECRET


class AsyncCallable:
    async def __call__(self) -> str:
        return SECRET


@pytest.mark.parametrize(
    "source",
    [
        *(async_secrets, async_generator, AsyncCallable(), AsyncCallable().__call__),
        *(partial(async_secrets), partial(partial(AsyncCallable()))),
    ],
)
def test_a_function_that_must_be_awaited_is_refused_at_once(source: Any) -> None:
    """Nobody would await its secrets: said when a Verifier or a Receiver is made."""
    for make in (Verifier, lambda secrets: Receiver(secrets, store="memory:")):
        with pytest.raises(ConfigurationError, match="secrets is an async function"):
            make(source)


@pytest.mark.parametrize("several", [{"a": SECRET}.values(), {SECRET}, (SECRET,), deque([SECRET])])
def test_collections_of_secrets_are_taken(several: Any) -> None:
    """What is no mapping and can be read again is a list of secrets."""
    assert verify(BODY, sign(BODY, SECRET), several).key == 0
    assert verify(BODY, sign(BODY, SECRET), lambda: several).key == 0


def test_an_async_callable_is_closed() -> None:
    """A coroutine that is returned is refused, and not left to be complained of elsewhere."""

    async def secrets() -> str:
        return SECRET

    with pytest.raises(SecretsUnavailable):
        verify(BODY, {}, lambda: secrets())  # type: ignore[arg-type, return-value]  # noqa: PLW0108


def test_a_short_secret_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """Fewer than sixteen characters can be guessed: one warning, however often it is read."""
    for _ in range(3):
        verify(BODY, sign(BODY, "short-4711"), "short-4711")
        verify(BODY, sign(BODY, SECRET), lambda: [SECRET, "short-4711"])
    (record,) = caplog.records
    assert (record.levelno, record.name) == (logging.WARNING, "coffrify_webhooks")
    assert "16" in record.getMessage()
    assert "4711" not in record.getMessage()


@pytest.mark.parametrize(
    "name", ["COFFRIFY_WEBHOOKS_SECRET", "COFFRIFY_WEBHOOK_SECRETS", "COFFRIFY_SECRET"]
)
def test_a_misspelt_variable_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error for a missing secret names the variable that is set instead."""
    monkeypatch.delenv("COFFRIFY_WEBHOOK_SECRET", raising=False)
    monkeypatch.setenv(name, SECRET)
    with pytest.raises(ConfigurationError, match=f"{name} is set but is not read"):
        Receiver(store="memory:")


def test_a_misspelt_store_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store would otherwise be a file that nobody meant."""
    monkeypatch.delenv("COFFRIFY_WEBHOOKS_STORE", raising=False)
    monkeypatch.setenv("COFFRIFY_WEBHOOK_STORE", "memory:")
    with pytest.raises(ConfigurationError, match="the variable is COFFRIFY_WEBHOOKS_STORE"):
        Receiver(SECRET)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tolerance": 300, "retention": 599}, "at least twice the tolerance"),
        ({"retention": 1}, "at least twice the tolerance"),
        ({"tolerance": 700_000}, "at most 604800"),
        ({"tolerance": 1e18, "retention": 1e19}, "at most 604800"),
        ({"tolerance": float("inf")}, "at most 604800"),
        ({"tolerance": 604_800, "retention": 86_400}, "at least twice the tolerance"),
        ({"tolerance": float("nan")}, "at most 604800"),
        ({"tolerance": True}, "at most 604800"),
        ({"tolerance": timedelta(minutes=5)}, "at most 604800"),
        ({"retention": timedelta(days=30)}, "give a number above 0"),
        ({"retention": True, "tolerance": 0.1}, "give a number above 0"),
        ({"retention": float("nan")}, "give a number above 0"),
        ({"retention": float("inf")}, "give a number above 0"),
        ({"retention": 10**400}, "give a number above 0"),
        ({"lease": float("inf")}, "give a number above 0"),
        ({"lease": 10**400}, "give a number above 0"),
    ],
)
def test_a_replay_within_the_window_is_always_remembered(options: Any, says: str) -> None:
    """What is forgotten while its signature still counts would run again: refused at once."""
    with pytest.raises(ConfigurationError, match=says):
        Receiver(SECRET, store="memory:", **options)
    Receiver(SECRET, store="memory:", tolerance=300, retention=600)


def test_secrets_of_one_list_are_of_one_endpoint() -> None:
    """An event signed with the old secret and again with the new is one event, in a rotation."""
    from coffrify_webhooks import Router

    router = Router()
    router.on("*")(lambda event: None)
    old = "whsec_" + "ab" * 32
    receiver = Receiver([SECRET, old], store="memory:", router=router)
    outcomes = [receiver.receive(BODY, sign(BODY, each)).outcome for each in (old, SECRET)]
    assert outcomes == ["handled", "duplicate"]
