"""The events in Django's admin: read-only, without bodies, with replay and forget."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.checks.registry import registry
from django.core.management import call_command
from django.db import connections
from django.test import Client, override_settings
from django.urls import clear_url_caches, path
from tests.adapters.suite import PATH, SECRET, make_body
from tests.django_databases import named

from coffrify_webhooks import Event, Router, sign
from coffrify_webhooks.stores import Record, Store
from coffrify_webhooks_django.conf import current_endpoint

OURS = "coffrify_webhooks.django.CoffrifyWebhooksMiddleware"
LIST = "/admin/coffrify_webhooks/webhookevent/"
SETTINGS: dict[str, Any] = {
    "INSTALLED_APPS": [
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "coffrify_webhooks.django",
    ],
    "MIDDLEWARE": [
        OURS,
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    "TEMPLATES": [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    "ROOT_URLCONF": __name__,
    "STATIC_URL": "static/",
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
}
urlpatterns: list[Any] = []


@pytest.fixture(scope="module")
def _project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A project with the admin, migrated; its requests are transactions."""
    place = tmp_path_factory.mktemp("admin") / "db"
    checks = set(registry.registered_checks)
    with (
        named("default", NAME=str(place), ATOMIC_REQUESTS=True),
        override_settings(**SETTINGS),
    ):
        from django.contrib import admin

        urlpatterns[:] = [path("admin/", admin.site.urls)]
        clear_url_caches()
        call_command("migrate", verbosity=0, skip_checks=True)
        yield
    clear_url_caches()
    registry.registered_checks &= checks  # those of the apps that are gone now


@pytest.fixture
def router() -> Router:
    return Router()


@pytest.fixture(autouse=True)
def _configured(router: Router, _project: None) -> Iterator[None]:
    options = {"SECRETS": SECRET, "STORE": "django:", "ROUTER": router}
    with override_settings(COFFRIFY_WEBHOOKS=options):
        with connections["default"].cursor() as cursor:
            cursor.execute("DELETE FROM coffrify_webhooks_events")
        yield
    connections.close_all()


def auth(model: str) -> Any:
    return apps.get_model("auth", model).objects


def client(*permissions: str, enforce_csrf_checks: bool = False) -> Client:
    """The browser of a member of the staff who may do this."""
    users = auth("User")
    user = users.create(username=f"user {users.count()}", is_staff=True)
    known = auth("Permission")
    for name in permissions:
        user.user_permissions.add(known.get(codename=f"{name}_webhookevent"))
    browser = Client(enforce_csrf_checks=enforce_csrf_checks)
    browser.force_login(user)
    return browser


def deliver(event_id: str = "evt_1", event_type: str = "transfer.created") -> int:
    body = make_body(event_type, event_id)
    response = Client().post(PATH, body, "application/json", headers=sign(body, SECRET))
    return response.status_code


def act(browser: Client, action: str, *records: Record) -> str:
    """Choose the records in the list, and the action; return the page that comes then."""
    keys = [record.key for record in records]
    response: Any = browser.post(LIST, {"action": action, "_selected_action": keys}, follow=True)
    assert response.status_code in (200, 403)
    return str(response.content.decode())


def store() -> Store:
    return current_endpoint().receiver.store


def the_record() -> Record:
    (record,) = store().find()
    return record


@pytest.fixture
def failed(router: Router) -> list[Exception]:
    """An event that failed; the handler raises what is in this list, and then no more."""
    errors: list[Exception] = [LookupError("a text of its own: hunter2")]

    @router.on("*", name="handler")
    def handler(event: Event) -> None:
        if errors:
            raise errors.pop()

    assert deliver() == 500
    return errors


def test_the_list_shows_what_came(failed: list[Exception]) -> None:
    """Type, id, status and error are there; the exception's text and the body are not."""
    page = client("view").get(LIST).content.decode()
    for shown in ("transfer.created", "evt_1", "failed", "handler raised LookupError"):
        assert shown in page
    assert "hunter2" not in page
    assert "tr_1" not in page


def test_the_list_is_filtered_and_searched(failed: list[Exception]) -> None:
    """Filters by status and type, and a search for an id, find what they say."""
    deliver("evt_2", "transfer.deleted")
    browser = client("view")
    for query, shown, hidden in [
        ("?status=failed", "evt_1<", "evt_2<"),
        ("?event_type=transfer.deleted", "evt_2<", "evt_1<"),
        ("?q=evt_2", "evt_2<", "evt_1<"),
    ]:
        page = browser.get(LIST + query).content.decode()
        assert shown in page
        assert hidden not in page


def test_an_event_shows_how_long_its_body_is(failed: list[Exception]) -> None:
    """The page of one event tells the size of the body that is kept, and nothing can be saved."""
    page = client("view").get(f"{LIST}{the_record().key}/change/").content.decode()
    assert f"{len(make_body())} bytes" in page
    assert "tr_1" not in page
    assert "_save" not in page


def test_an_event_that_was_handled_has_no_body(router: Router) -> None:
    """Nothing is kept of it for a replay."""
    router.on("*")(lambda event: None)
    deliver()
    page = client("view").get(f"{LIST}{the_record().key}/change/").content.decode()
    assert "not kept" in page


def test_the_claims_token_is_nowhere(failed: list[Exception]) -> None:
    """Who knows the token could settle the event."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT token FROM coffrify_webhooks_events")
        (token,) = cursor.fetchone()
    assert token
    browser = client("view", "replay", "forget")
    for url in (LIST, f"{LIST}{the_record().key}/change/"):
        assert token not in browser.get(url).content.decode()


@pytest.mark.parametrize("page", ["add/", "{key}/delete/"])
def test_events_are_neither_added_nor_deleted(failed: list[Exception], page: str) -> None:
    """Not even by a superuser."""
    users = auth("User")
    browser = Client()
    browser.force_login(users.create_superuser(f"super {page}"))
    url = LIST + page.format(key=the_record().key)
    assert browser.get(url).status_code == 403
    assert browser.post(url, {"post": "yes"}).status_code == 403
    changed = browser.post(f"{LIST}{the_record().key}/change/", {"status": "done"})
    assert changed.status_code == 403
    assert the_record().status == "failed"


def test_the_replay_action_runs_the_handlers_again(failed: list[Exception]) -> None:
    """The action runs the handlers again from the kept body, and tells what came of it."""
    page = act(client("view", "replay"), "replay", the_record())
    assert "Event transfer.created evt_1: handled" in page
    assert the_record().status == "done"


def test_replay_is_no_part_of_the_requests_transaction(
    router: Router, failed: list[Exception]
) -> None:
    """Under ATOMIC_REQUESTS the claim of a replay is seen by others while it runs."""
    seen: list[bool] = []

    @router.on("*", name="another")
    def handler(event: Event) -> None:
        seen.append(connections["default"].in_atomic_block)

    act(client("view", "replay"), "replay", the_record())
    assert seen == [False]


def test_a_replay_that_fails_again(failed: list[Exception]) -> None:
    """The page names the handler and the exception, not its text."""
    failed.append(LookupError("hunter2"))
    page = act(client("view", "replay"), "replay", the_record())
    assert "handler raised LookupError" in page
    assert "hunter2" not in page
    assert the_record().attempts == 2


def test_what_was_handled_cannot_be_replayed(router: Router) -> None:
    """The page says why."""
    router.on("*")(lambda event: None)
    deliver()
    assert "its body was not kept" in act(client("view", "replay"), "replay", the_record())


def test_another_receivers_event_is_left_to_it(failed: list[Exception]) -> None:
    """Events of a receiver that this project does not have are not run by another's handlers."""
    with connections["default"].cursor() as cursor:
        cursor.execute("UPDATE coffrify_webhooks_events SET receiver = 'other'")
    page = act(client("view", "replay"), "replay", the_record())
    assert "it was for the receiver other, not default" in page
    assert the_record().status == "failed"


def test_the_forget_action_lets_the_next_delivery_run_anew(failed: list[Exception]) -> None:
    """The action drops all that is known, so that the next delivery is handled anew."""
    assert "1 forgotten" in act(client("view", "forget"), "forget", the_record())
    assert store().find() == []
    assert deliver() == 200


@pytest.mark.parametrize(("action", "other"), [("replay", "forget"), ("forget", "replay")])
def test_each_action_needs_its_permission(failed: list[Exception], action: str, other: str) -> None:
    """Who may look, or do the other, is not offered it and cannot do it."""
    browser = client("view", other)
    assert f'<option value="{action}">' not in browser.get(LIST).content.decode()
    act(browser, action, the_record())
    assert (the_record().status, the_record().attempts) == ("failed", 1)


def test_who_may_not_look_sees_nothing(failed: list[Exception]) -> None:
    """Without the permission to view there is neither the list nor an event."""
    browser = client()
    assert browser.get(LIST).status_code == 403
    assert browser.get(f"{LIST}{the_record().key}/change/").status_code == 403


def test_actions_want_a_csrf_token(failed: list[Exception]) -> None:
    """A page elsewhere cannot make a browser replay or forget."""
    browser = client("view", "replay", enforce_csrf_checks=True)
    data = {"action": "replay", "_selected_action": [the_record().key]}
    assert browser.post(LIST, data).status_code == 403
    assert the_record().status == "failed"


def test_the_list_is_of_the_stores_database(failed: list[Exception], tmp_path: Path) -> None:
    """With the store in another database, its events are listed."""
    with named("file", NAME=str(tmp_path / "other")):
        call_command("migrate", database="file", verbosity=0, skip_checks=True)
        options = {"SECRETS": SECRET, "STORE": "django:file"}
        browser = client("view")
        with override_settings(COFFRIFY_WEBHOOKS=options):
            assert "evt_1" not in browser.get(LIST).content.decode()
