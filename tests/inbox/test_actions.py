"""Replay and forget: confirmed first, told to observers, and exact about what became of each."""

from tests.inbox.visitor import Shop, Visitor

YES = ("confirmed", "yes")


def test_a_replay_asks_first_and_then_runs_the_handlers() -> None:
    """The first form shows what would happen; observers are told of the second."""
    shop = Shop()
    key = shop.stored.put("evt_1", "failed")
    visitor = Visitor(shop.inbox(), "/inbox")
    asked = visitor.post("/replay", [("key", key)])
    assert "Replay 1 event?" in asked.text
    assert shop.seen == []
    done = visitor.post("/replay", [("key", key), YES])
    assert "<span>handled</span>" in done.text
    assert shop.seen == ["evt_1"]
    assert "replayed: somebody replayed 'evt_1' in the inbox: handled" in shop.notices


def test_a_selection_is_replayed_oldest_first_each_with_its_result() -> None:
    """One that cannot be replayed stops none of the others."""
    shop = Shop()
    old = shop.stored.put("evt_old", "failed", age=60)
    done = shop.stored.put("evt_done")
    bare = shop.stored.put("evt_bare", "failed", body=None)
    new = shop.stored.put("evt_new", "dead")
    visitor = Visitor(shop.inbox())
    form = [("key", each) for each in (new, old, done, bare, old, "0" * 64, "nonsense")]
    assert "Replay 4 events?" in visitor.post("/replay", form).text
    page = visitor.post("/replay", [*form, YES]).text
    assert shop.seen == ["evt_old", "evt_new"]
    assert page.count("<span>handled</span>") == 2
    assert "skipped: it is done" in page
    assert "not replayed" in page


def test_a_handler_that_fails_again_is_named_and_its_text_is_not() -> None:
    """What an exception says may be private."""
    shop = Shop()
    shop.failing = True
    key = shop.stored.put("evt_1", "failed")
    page = Visitor(shop.inbox()).post("/replay", [("key", key), YES]).text
    assert "failed:" in page
    assert "RuntimeError" in page
    assert "with a secret" not in page
    assert not any("with a secret" in each for each in shop.notices)


def test_forget_asks_first_and_then_drops_all() -> None:
    """Observers are told which events."""
    shop = Shop()
    keys = [shop.stored.put("evt_1"), shop.stored.put("evt_2", "failed")]
    visitor = Visitor(shop.inbox())
    form = [("key", key) for key in keys]
    assert "Forget 2 events?" in visitor.post("/forget", form).text
    assert len(shop.receiver.store.find()) == 2
    assert visitor.post("/forget", [*form, YES]).status == 200
    assert shop.receiver.store.find() == []
    assert "forgotten: somebody forgot 'evt_1' in the inbox: forgotten" in shop.notices


def test_an_empty_selection_says_what_to_do() -> None:
    """Neither action does anything then."""
    visitor = Visitor(Shop().inbox())
    for action in ("/replay", "/forget"):
        answer = visitor.post(action, [YES])
        assert answer.status == 400
        assert "Choose at least one event" in answer.text
