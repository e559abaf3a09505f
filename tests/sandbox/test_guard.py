"""Who may ask the sandbox: programs of this machine and its own pages, no other site."""

import base64
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks_sandbox import Sandbox
from coffrify_webhooks_sandbox.guard import is_loopback

ASKED = json.dumps({"event_type": "ping"})


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def ask(
    sandbox: Sandbox, path: str, method: str = "GET", body: str = "", **headers: str
) -> tuple[int, http.client.HTTPMessage]:
    port = urlsplit(sandbox.url).port
    assert port is not None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        response.read()
        return response.status, response.headers
    finally:
        connection.close()


def trigger(sandbox: Sandbox, **headers: str) -> int:
    return ask(sandbox, "/control/trigger", "POST", ASKED, **headers)[0]


def test_programs_and_own_pages(sandbox: Sandbox) -> None:
    """A program, and a page of the sandbox itself, may change something."""
    own = sandbox.url
    assert trigger(sandbox) == 200
    assert trigger(sandbox, Origin=own) == 200
    assert trigger(sandbox, Origin=own, Sec_Fetch_Site="same-origin") == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "http://[", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "http://["},
    ],
)
def test_another_site_may_change_nothing(sandbox: Sandbox, headers: dict[str, str]) -> None:
    """Another site may change nothing through a browser."""
    assert trigger(sandbox, **headers) == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "["])
@pytest.mark.parametrize("path", ["/", "/v1/webhooks"])
def test_a_name_that_points_here_is_refused(sandbox: Sandbox, host: str, path: str) -> None:
    """A name that was made to point here is refused, for pages and for the API."""
    assert ask(sandbox, path, Host=host)[0] == 421


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "localhost:1"])
def test_the_names_of_this_machine_are_accepted(sandbox: Sandbox, host: str) -> None:
    """The names of this machine are accepted."""
    assert ask(sandbox, "/v1/openapi.json", Host=host)[0] == 200


def test_every_answer_forbids_scripts_from_elsewhere(sandbox: Sandbox) -> None:
    """Every answer forbids scripts from elsewhere, framing and guessing of types."""
    _, headers = ask(sandbox, "/v1/openapi.json")
    assert headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_open_to_others() -> None:
    """On an address that others can reach, all but the API's own check asks for the key."""
    with Sandbox(host="0.0.0.0") as sandbox:
        basic = base64.b64encode(f"me:{sandbox.api_key}".encode()).decode()
        assert trigger(sandbox) == 401
        assert trigger(sandbox, Authorization="Basic nonsense") == 401
        assert trigger(sandbox, Authorization="Basic \xe9") == 401
        assert trigger(sandbox, Authorization="\xe9") == 401
        assert trigger(sandbox, Authorization="Basic bm9wZTpub3Bl") == 401
        assert trigger(sandbox, Authorization=f"Basic {basic}") == 200
        assert trigger(sandbox, Authorization=f"Bearer {sandbox.api_key}") == 200
        status, headers = ask(sandbox, "/")
        assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="sandbox"')


def test_description_of_an_open_sandbox() -> None:
    """On an address that others can reach, the API's description asks for the key as well."""
    with Sandbox(host="0.0.0.0") as sandbox:
        assert ask(sandbox, "/v1/openapi.json")[0] == 401
        key = f"Bearer {sandbox.api_key}"
        assert ask(sandbox, "/v1/openapi.json", Authorization=key)[0] == 200


@pytest.mark.parametrize(
    "key", ["schl\xfcssel", "\u043a\u043b\u044e\u0447", "a b", "a\nb", "a\x7f", b"a"]
)
def test_keys_that_no_header_carries(key: Any, tmp_path: Path) -> None:
    """A key that no request could ever show is refused at the start, and not told again."""
    file = tmp_path / "sandbox.db"
    with pytest.raises(ConfigurationError, match="--api-key KEY") as raised:
        Sandbox(api_key=key, db=file)
    assert str(key) not in str(raised.value)
    assert not file.exists()


@pytest.mark.parametrize("key", ["cfy_mine", " k:!~'\"$\n"])
def test_key_of_ones_own(key: str) -> None:
    """Any printable ASCII is a key, white space around it aside."""
    with Sandbox(host="0.0.0.0", api_key=key) as sandbox:
        assert sandbox.api_key == key.strip()
        assert trigger(sandbox, Authorization=f"Bearer {key.strip()}") == 200


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/", "/v1/webhooks/x/y"])
def test_no_pages_under_the_api(path: str) -> None:
    """Under /v1, where the guard asks for no key, nothing of the dashboard is ever shown."""
    with Sandbox(host="0.0.0.0") as sandbox:
        status, headers = ask(sandbox, path, Accept="text/html")
        assert (status, headers["Content-Type"]) == (404, "application/json")


def test_only_this_machine_is_loopback() -> None:
    """What is this machine, by name or address alone."""
    assert all(map(is_loopback, ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"]))
    assert not any(
        map(is_loopback, ["0.0.0.0", "::", "example.com", "", "10.0.0.1", "localhost.x"])
    )
