"""The dashboard's doctor: headers, a body and a secret in, and why the request is refused."""

import html
import time
from base64 import b64encode

import pytest
from tests.sandbox.hook import Hook
from tests.sandbox.visitor import HOSTILE, Client, Fields

from coffrify_webhooks import sign
from coffrify_webhooks_sandbox import Sandbox

SECRET = f"whsec_{bytes(range(7, 39)).hex()}"
BODY = '{"id":"evt_1","type":"ping","data":{}}'


@pytest.fixture
def client(coffrify_sandbox: Sandbox) -> Client:
    return Client(coffrify_sandbox)


def examine(client: Client, body: str, secret: str = SECRET, **more: str) -> str:
    """Paste a request that was signed yesterday, and return what the page says."""
    signed = sign(BODY.encode(), SECRET, timestamp=int(yesterday()))
    pairs = {
        "headers": "\r\n".join(f"{name}: {text}" for name, text in signed.items()),
        "body": body,
        "secret": secret,
    }
    return html.unescape(client.post("/doctor", *(pairs | more).items()).text)


def yesterday() -> float:
    return time.time() - 86_400


def test_the_overview_leads_to_the_doctor(client: Client) -> None:
    assert 'href="/doctor"' in client.get("/").text


@pytest.mark.parametrize(
    ("body", "secret", "code"),
    [
        (BODY, SECRET, "Accepted"),
        (BODY, f'"{SECRET}"', "secret_quoted"),
        (BODY + "\r\n", SECRET, "body_newline_added"),
        (BODY.replace(":", ": "), SECRET, "body_reserialised"),
    ],
)
def test_a_pasted_request_is_explained(client: Client, body: str, secret: str, code: str) -> None:
    """Its age is not what is wrong with it: whoever pastes one comes late."""
    text = examine(client, body, secret)
    assert code in text
    assert "stale" not in text


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_browser_changes_no_line_ends_of_a_sound_body(client: Client, end: str) -> None:
    """It sends CRLF for each."""
    body = BODY.replace(",", f",{end}")
    signed = sign(body.encode(), SECRET, timestamp=int(yesterday()))
    headers = "\n".join(f"{name}: {text}" for name, text in signed.items())
    typed = body.replace("\r\n", "\n").replace("\n", "\r\n")
    assert "Accepted" in examine(client, typed, headers=headers)


def test_a_body_in_base64_is_read(client: Client) -> None:
    encoded = b64encode(BODY.encode()).decode()
    assert "Accepted" in examine(client, encoded, base64="1")
    assert "it is not in base64" in examine(client, "@", base64="1")


def test_the_secret_is_neither_sent_back_nor_kept(client: Client) -> None:
    for body in (BODY, "other"):
        text = examine(client, body)
        assert SECRET not in text
        assert SECRET[6:] not in text
        assert dict(Fields(text).pairs)["secret"] == ""
    assert SECRET not in client.get("/doctor").text


def test_the_secret_of_an_endpoint_can_be_chosen(
    client: Client, coffrify_sandbox: Sandbox, hook: Hook
) -> None:
    """That of another endpoint is recognised as such."""
    mine, other = (
        coffrify_sandbox.create_endpoint(hook.url, secret=each) for each in (SECRET, None)
    )
    assert "Accepted" in examine(client, BODY, "", endpoint=mine.id)
    assert "secret_of_another_endpoint" in examine(client, BODY, "", endpoint=other.id)
    assert "choose one" in examine(client, BODY, "", endpoint="nothing")


def test_without_a_secret_the_page_asks_for_it(client: Client) -> None:
    text = examine(client, BODY, " ")
    assert "give the secret, or choose an endpoint" in text
    assert dict(Fields(text).pairs)["body"] == BODY


@pytest.mark.parametrize("junk", ["", HOSTILE, "\0\ud800\r\n: :\r\n", "é" * 50_000])
def test_whatever_is_pasted_is_a_page_and_no_markup(client: Client, junk: str) -> None:
    junk = junk.encode("utf-8", "replace").decode()
    answer = client.post("/doctor", ("headers", junk), ("body", junk), ("secret", junk or "x"))
    assert answer.status in (200, 400)
    assert "<script>alert" not in answer.text
    assert "<h1>" in answer.text
