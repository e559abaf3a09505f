"""Hostile values in every form of the dashboard, sent to the application itself."""

import pytest
from starlette.testclient import TestClient
from tests.budgets import budget
from tests.web.form_attack import MARKUP, Attack, Reply
from tests.web.forms import without_ids

from coffrify_webhooks_sandbox.app import application
from coffrify_webhooks_sandbox.service import Service

ORIGIN = "http://127.0.0.1:4242"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
FORMS = {
    "/deliveries",
    "/deliveries/*",
    "/dead-letters",
    "/doctor",
    "/endpoints/new",
    "/endpoints/*",
    "/events",
    "/events/*",
    "/signatures",
    "/time",
    "/trigger/*",
    "/trigger/ping",
}


def fill(client: TestClient) -> None:
    """Let there be an endpoint that nobody listens on, events, and dead letters."""
    endpoint = {"name": MARKUP, "url": "http://127.0.0.1:9/hook", "which": "all"}
    client.post("/endpoints/new", data=endpoint)
    for count in ("2", "1"):
        client.post("/trigger/transfer.created", data={"count": count, "random": "1"})
        client.post("/time", data={"hours": "72"})


@pytest.mark.timeout(300)
def test_no_form_of_the_dashboard_breaks_it_or_echoes_markup() -> None:
    """From every page and every reply: below 500, in time, and without markup of a stranger's."""
    service = Service(speed=0)
    with TestClient(application(service), base_url=ORIGIN) as client:
        fill(client)

        def ask(method: str, path: str, sent: bytes) -> Reply:
            found = client.request(method, path, content=sent, headers=FORM, follow_redirects=False)
            headers = {k.lower(): v.removeprefix(ORIGIN) for k, v in found.headers.items()}
            return Reply(found.status_code, headers, found.content)

        attack = Attack(ask, seed=19)
        attack.crawl("/")
        attack.send(rounds=budget(10, 600))
    service.close()
    assert {without_ids(form.action) for form in attack.forms} == FORMS
    assert min(attack.statuses[200], attack.statuses[400]) > 20
