"""The worker's command of each framework: handlers run inside the application it was made for."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.dispatch.workplace import SECRET
from tests.servers.process import own_environment

from coffrify_webhooks import Receiver, Router, sign
from coffrify_webhooks.dispatch.dbos import DBOSDispatcher

BIN = Path(sys.executable).parent
FLASK = """
from flask import Flask, current_app, g
from coffrify_webhooks import on
from coffrify_webhooks.flask import CoffrifyWebhooks

def create_app():
    app = Flask("shop")
    app.config["COFFRIFY_WEBHOOKS"] = {options!r}
    CoffrifyWebhooks(app)
    app.teardown_appcontext(lambda error: print("ended", flush=True))
    return app

@on("*")
def sync(event):
    g.mark = 1
    print(current_app.name, event.id, flush=True)

@on("*")
async def later(event):
    print(current_app.name, "mark" in g, flush=True)
"""
SETTINGS = """
SECRET_KEY = "only-for-tests"
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "db"}}}}
INSTALLED_APPS = ["coffrify_webhooks.django", "shop"]
COFFRIFY_WEBHOOKS = {options!r}
"""
HANDLERS = """
from django.db import connection
from coffrify_webhooks import on

@on("*")
def note(event):
    with connection.cursor() as cursor:
        print(event.id, *cursor.execute("SELECT 1").fetchone(), flush=True)
"""
MANAGE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
WAYS = {
    "flask": [str(BIN / "coffrify-webhooks"), "worker"],
    "manage.py": [sys.executable, "manage.py", "coffrify_webhooks", "worker"],
}


@pytest.mark.parametrize("way", WAYS)
def test_a_worker_runs_handlers_inside_its_application(tmp_path: Path, way: str) -> None:
    """`coffrify-webhooks worker` beside an app.py, and `manage.py coffrify_webhooks worker`."""
    store, engine = f"sqlite:///{tmp_path}/store.db", f"dbos+sqlite:///{tmp_path}/engine.db"
    options = {"SECRETS": SECRET, "STORE": store, "DISPATCHER": engine}
    (tmp_path / "app.py").write_text(FLASK.format(options=options))
    expected = ["shop evt_1", "ended", "shop False", "ended"]
    if way == "manage.py":
        for name in "project", "shop":
            (tmp_path / name).mkdir()
        (tmp_path / "project" / "settings.py").write_text(SETTINGS.format(options=options))
        (tmp_path / "shop" / "webhooks.py").write_text(HANDLERS)
        (tmp_path / "manage.py").write_text(MANAGE)
        expected = ["evt_1 1"]
    dispatcher = DBOSDispatcher.from_url(engine)
    web = Receiver(SECRET, store=store, dispatcher=dispatcher, router=Router())
    body = b'{"id": "evt_1", "type": "ping"}'
    assert web.receive(body, sign(body, SECRET)).outcome == "queued"
    web.store.close()
    dispatcher.close()
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            WAYS[way],
            cwd=tmp_path,
            env=own_environment(),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as worker,
    ):
        assert worker.stdout
        try:
            said = [worker.stdout.readline().rstrip() for _ in expected]
            assert said == expected, (tmp_path / "log").read_text()
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(30) == 0
        finally:
            worker.kill()
