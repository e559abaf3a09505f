"""Hostile values in every form of the inbox, and in what it shows."""

import json
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from tests.budgets import budget
from tests.cli.stored_events import SECRET
from tests.inbox.visitor import Shop, Visitor
from tests.web.form_attack import MARKUP, Attack, Reply

from coffrify_webhooks import sign

FORMS = {"/", "/replay", "/forget"}


@pytest.mark.parametrize("root", ["", "/admin/inbox"])
@pytest.mark.timeout(300)
def test_no_form_of_the_inbox_breaks_it_or_echoes_markup(root: str) -> None:
    shop = Shop()
    shop.receiver.captures.most = 5
    shop.receiver.router.on("*", name=MARKUP)(lambda event: None)
    for status in ("failed", "dead", "conflict", "done"):
        shop.stored.put(f"evt_{status}", status, type_="transfer.created")
    shop.stored.put(MARKUP, "failed", type_=MARKUP)
    unknown = json.dumps({"id": MARKUP, "type": MARKUP, "data": {MARKUP: MARKUP}}).encode()
    shop.receiver.receive(unknown, sign(unknown, SECRET))
    shop.receiver.receive(MARKUP.encode(), {"webhook-id": MARKUP, MARKUP: MARKUP})
    visitor = Visitor(shop.inbox(bodies=True), root)

    def ask(method: str, path: str, sent: bytes) -> Reply:
        parts = urlsplit(path)
        own = unquote_to_bytes(parts.path.removeprefix(root)).decode("latin-1")
        browser = {"SEC_FETCH_SITE": "same-origin"} if method == "POST" else {}
        found = visitor.ask(method, own, parts.query, sent, browser)
        headers = {name.lower(): value for name, value in found.headers.items()}
        return Reply(found.status, headers, found.text.encode())

    attack = Attack(ask, seed=19)
    attack.crawl(f"{root}/")
    attack.send(rounds=budget(40, 2000))
    assert {form.action.removeprefix(root) for form in attack.forms} == FORMS
    assert min(attack.statuses[200], attack.statuses[400]) > 50
