"""Django's debug page, which any stranger may see where DEBUG was left on: no secret is on it."""

import os
from collections.abc import Iterator
from html import unescape
from typing import Any

import django
import pytest
from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import include, path

if not django_settings.configured:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_settings"
    django.setup()

from asgiref.sync import async_to_sync

from coffrify_webhooks import Receiver, Verifier, sign, verify
from coffrify_webhooks_django.conf import current_endpoint

HIDDEN = "0ddba11" * 9
SECRETS = [f"whsec_{HIDDEN}"]
PASSWORD = "hunter3" * 2


def bare(request: HttpRequest) -> HttpResponse:
    verify(request.body, request.headers, SECRETS)
    return HttpResponse()


def bare_callable(request: HttpRequest) -> HttpResponse:
    verify(request.body, request.headers, lambda: SECRETS)
    return HttpResponse()


def bare_verifier(request: HttpRequest) -> HttpResponse:
    Verifier(SECRETS[0]).verify(request.body, request.headers)
    return HttpResponse()


def made_in_a_view(request: HttpRequest) -> HttpResponse:
    Receiver(SECRETS, tolerance=0, store="memory:")
    return HttpResponse(request.body)


def signing(request: HttpRequest) -> HttpResponse:
    sign(request.body, SECRETS[0], id="a.b")
    return HttpResponse()


VIEWS = (bare, bare_callable, bare_verifier, made_in_a_view, signing)
urlpatterns = [
    *(path(f"{view.__name__}/", view) for view in VIEWS),
    path("webhooks/", include("coffrify_webhooks.django.urls")),
]


@pytest.fixture(autouse=True)
def _debug() -> Iterator[None]:
    current_endpoint.cache_clear()
    with override_settings(DEBUG=True, ROOT_URLCONF=__name__, MIDDLEWARE=[]):
        yield
    current_endpoint.cache_clear()


def page_of(url: str, *, is_async: bool, **headers: str) -> str:
    """Return all that the page shows, as it would be read."""
    client: Any = (AsyncClient if is_async else Client)(raise_request_exception=False)
    post = async_to_sync(client.post) if is_async else client.post
    found = post(url, b"x", content_type="application/json", headers=headers)
    assert found.status_code == 500
    page = unescape(found.content.decode())
    assert "Traceback" in page
    assert "COFFRIFY_WEBHOOKS" in page
    return page


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("view", [view.__name__ for view in VIEWS])
def test_an_error_in_a_view_shows_no_secret(view: str, *, is_async: bool) -> None:
    """Whatever the view calls with a secret, its error's page has the frames and not the secret."""
    for signed in (False, True):
        headers = sign(b"x", "another-secret-of-others") if signed else {}
        page = page_of(f"/{view}/", is_async=is_async, **headers)
        assert "coffrify_webhooks" in page
        assert HIDDEN[:14] not in page


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    "wrong",
    [
        {"SECERTS": SECRETS},
        {"SECERTS": SECRETS[0]},
        {"SECRETS": [f'"{SECRETS[0]}"']},
        {"SECRETS": SECRETS, "TOLERANCE": 0},
        {"SECRETS": SECRETS, "HANDLERS": SECRETS[0]},
        {"SECRETS": SECRETS, "EVENTS": SECRETS[0]},
        {"SECRETS": SECRETS, "STORE": f"mongodb://shop:{PASSWORD}@h/x"},
        {"SECRETS": SECRETS, "STORE": f"redis://h/0?password={PASSWORD}", "LEASE": 0},
    ],
    ids=range(8),
)
def test_an_unusable_setting_shows_no_secret(wrong: dict[str, Any], *, is_async: bool) -> None:
    """The page of the URL form has the frames and the settings, without secret and password."""
    with override_settings(COFFRIFY_WEBHOOKS={"STORE": "memory:", **wrong}):
        page = page_of("/webhooks/coffrify", is_async=is_async)
    assert "ConfigurationError" in page
    assert HIDDEN[:14] not in page
    assert PASSWORD not in page


def test_the_dump_of_settings_shows_no_password() -> None:
    """An error anywhere in the project shows the settings, once the endpoint has been made."""
    url = f"redis://shop:{PASSWORD}@127.0.0.1:1/0"
    with override_settings(COFFRIFY_WEBHOOKS={"SECRETS": SECRETS, "STORE": url}):
        current_endpoint()
        page = page_of("/bare/", is_async=False)
    assert "redis://***@127.0.0.1:1/0" in page
    assert PASSWORD not in page
    assert HIDDEN[:14] not in page
