"""Without --app, a command finds the program in its folder as the program's framework would."""

import importlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import patch

import click
import pytest
from click.testing import CliRunner, Result
from flask.cli import cli as flask

from coffrify_webhooks import Receiver, Router, sign
from coffrify_webhooks.cli.group import commands
from coffrify_webhooks.router import default_router

BIN = Path(sys.executable).parent
SECRET = "whsec_6f1d7c0e5a3b49288e61f0d2c4b7a915"
FLASK = """
from flask import Flask, current_app
from coffrify_webhooks import on
from coffrify_webhooks.flask import CoffrifyWebhooks

def create_app(name="shop"):
    app = Flask(name, root_path={root!r})
    CoffrifyWebhooks(app)
    return app

@on("transfer.created")
def announce(event):
    print("announced", event.id, "in", current_app.name, flush=True)
"""
FASTAPI = """
from fastapi import FastAPI
from coffrify_webhooks import on
from coffrify_webhooks.fastapi import webhook_router

app = FastAPI()
app.include_router(webhook_router())

@on("transfer.created")
def announce(event):
    print("announced", event.id)
"""
FLASK_APP = f"{FLASK}\napp = create_app()\n"
DJANGO = """
import os
SECRET_KEY = "x"
INSTALLED_APPS = ["coffrify_webhooks.django"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "project.db"}}
"""
MANAGE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, a secret, and no store in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("COFFRIFY_WEBHOOK_SECRET", SECRET)
    monkeypatch.delenv("COFFRIFY_WEBHOOKS_STORE", raising=False)
    return tmp_path


def command(
    *arguments: str, status: int = 0, group: click.Group = commands, **variables: str
) -> Result:
    """Run a command in the working directory."""
    importlib.invalidate_caches()
    with patch.multiple(default_router, _handlers={}, _matches={}):
        ran = CliRunner(env=variables).invoke(group, arguments)
    for name in "app", "wsgi", "shop":
        sys.modules.pop(name, None)
    assert ran.exit_code == status, (ran.output, ran.exception)
    return ran


def installed(*arguments: str, status: int = 0, **variables: str) -> str:
    """Run an installed command; return what it said on stderr."""
    ran = subprocess.run(
        [str(BIN / arguments[0]), *arguments[1:]],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **variables},
    )
    assert ran.returncode == status, ran
    assert "Traceback" not in ran.stderr
    return ran.stdout + ran.stderr


def fail_one_event(instance: Path) -> None:
    """Make the store of a program with one event in it that failed."""

    def fail(event: object) -> None:
        raise LookupError(event)

    instance.mkdir(parents=True, exist_ok=True)
    router = Router()
    router.on("*", name="earlier")(fail)
    receiver = Receiver(
        SECRET, router=router, store=f"sqlite:///{instance / 'coffrify-webhooks.db'}"
    )
    body = b'{"id": "evt_1", "type": "transfer.created", "data": {"id": "tr_1"}}'
    assert receiver.receive(body, sign(body, SECRET)).outcome == "failed"
    receiver.store.close()


def write_flask(folder: Path, source: str, name: str = "app.py") -> None:
    (folder / name).write_text(source.replace("{root!r}", repr(str(folder))))


@pytest.mark.parametrize("file", ["app.py", "wsgi.py"])
def test_a_flask_program_is_found_by_its_file(folder: Path, file: str) -> None:
    """app.py and wsgi.py: its store is in the instance folder, its handlers in its context."""
    write_flask(folder, FLASK_APP, file)
    fail_one_event(folder / "instance")
    ran = command("events", "replay", "--failed")
    assert ran.stdout == "announced evt_1 in shop\n1 handled, 0 failed, 0 queued, 0 skipped\n"
    assert f"using {file} (--app names another)" in ran.stderr
    assert "evt_1" in command("events", "--app", file).stdout
    assert not (folder / "coffrify-webhooks.db").exists()


def test_a_flask_program_is_found_by_flask_app(folder: Path) -> None:
    """FLASK_APP, with a factory and its arguments, goes before the files."""
    write_flask(folder, FLASK_APP)
    write_flask(folder, FLASK, "shop.py")
    fail_one_event(folder / "instance")
    named = "shop:create_app('boutique')"
    ran = command("events", "replay", "--failed", FLASK_APP=named)
    assert ran.stdout.startswith("announced evt_1 in boutique\n")
    assert f"using FLASK_APP={named} " in ran.stderr
    ran = command("events", status=2, FLASK_APP="gone")
    assert ran.stderr == "Error: FLASK_APP=gone: Could not import 'gone'.\n"


def test_a_program_of_another_framework_is_found_by_its_file(folder: Path) -> None:
    """app.py may hold a FastAPI application, with the default store in this folder."""
    (folder / "app.py").write_text(FASTAPI)
    fail_one_event(folder)
    ran = command("events", "replay", "--failed")
    assert ran.stdout.startswith("announced evt_1\n1 handled")
    assert "using app.py" in ran.stderr


def test_flasks_dotenv_files_are_left_to_flask(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FLASK_APP in .flaskenv and the secret in .env count, where `flask run` has them too."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.delenv("COFFRIFY_WEBHOOK_SECRET")
    write_flask(folder, FLASK, "shop.py")
    (folder / ".flaskenv").write_text("FLASK_APP=shop:create_app\n")
    (folder / ".env").write_text(f"COFFRIFY_WEBHOOK_SECRET={SECRET}\n")
    ran = command("store", "init")
    if find_spec("dotenv"):
        assert "using FLASK_APP=shop:create_app" in ran.stderr
    else:
        assert "Install python-dotenv to use them" in ran.stderr


def test_store_init_makes_the_store_of_the_program(folder: Path) -> None:
    """In the instance folder, and no second one here."""
    write_flask(folder, FLASK_APP)
    ran = command("store", "init")
    assert "using app.py" in ran.stderr
    assert (folder / "instance" / "coffrify-webhooks.db").exists()
    assert not (folder / "coffrify-webhooks.db").exists()
    assert command("events").stderr.endswith("no events\n")


def test_a_store_that_is_named_needs_no_program(folder: Path) -> None:
    """To look at a store by its URL or variable, nothing of the user's is imported."""
    (folder / "app.py").write_text("raise LookupError('imported')")
    fail_one_event(folder / "other")
    url = "sqlite:///other/coffrify-webhooks.db"
    assert "evt_1" in command("events", "--store", url).stdout
    assert "evt_1" in command("events", COFFRIFY_WEBHOOKS_STORE=url).stdout


def test_a_program_that_cannot_be_imported_is_told(folder: Path) -> None:
    """The commands go on with a store in this folder, if there is one, and say so."""
    (folder / "app.py").write_text("raise LookupError('no database')")
    ran = command("events", status=2)
    assert ran.stderr == "Error: app.py could not be imported (LookupError: no database)\n"
    fail_one_event(folder)
    ran = command("events")
    assert "evt_1" in ran.stdout
    assert "looking at the file coffrify-webhooks.db here" in ran.stderr
    command("events", "replay", "--failed", status=2)


@pytest.mark.parametrize("by", ["manage.py", "DJANGO_SETTINGS_MODULE"])
def test_a_django_project_is_found(folder: Path, by: str) -> None:
    """By its manage.py, or by the variable: store and handlers are those of the settings."""
    (folder / "project").mkdir()
    (folder / "project" / "settings.py").write_text(DJANGO)
    variables = {"DJANGO_SETTINGS_MODULE": "project.settings"}
    if by == "manage.py":
        (folder / "manage.py").write_text(MANAGE)
        variables = {}
    said = installed("coffrify-webhooks", "store", "init", status=2, **variables)
    assert f"using {by}" in said
    assert "manage.py migrate" in said
    assert list(folder.glob("**/coffrify-webhooks.db")) == []


def test_a_django_project_without_webhooks_is_not_taken(folder: Path) -> None:
    """The file here is looked at as ever."""
    (folder / "manage.py").write_text(MANAGE)
    (folder / "project").mkdir()
    (folder / "project" / "settings.py").write_text("SECRET_KEY = 'x'\n")
    fail_one_event(folder)
    said = installed("coffrify-webhooks", "events")
    assert "evt_1" in said
    assert "using" not in said


def test_a_manage_py_that_is_not_djangos_is_not_taken(folder: Path) -> None:
    """As of a Flask project of old."""
    (folder / "manage.py").write_text("print('mine')\n")
    fail_one_event(folder)
    assert "evt_1" in command("events").stdout


def test_the_worker_finds_the_program(folder: Path) -> None:
    """`worker` needs no --app where the program can be found, and tells what it lacks."""
    write_flask(folder, FLASK_APP)
    ran = command("worker", status=2)
    assert "using app.py" in ran.stderr
    assert "this Receiver has no engine" in ran.stderr
    (folder / "app.py").unlink()
    assert "Name its module: --app myapp.webhooks" in command("worker", status=2).stderr


# --- flask coffrify-webhooks ---


def test_the_flask_command_works_on_the_applications_receiver(folder: Path) -> None:
    """`flask coffrify-webhooks events` needs no option, and finds the same store."""
    write_flask(folder, FLASK_APP)
    fail_one_event(folder / "instance")
    said = installed("flask", "coffrify-webhooks", "events", "replay", "--failed")
    assert said == "announced evt_1 in shop\n1 handled, 0 failed, 0 queued, 0 skipped\n"


def test_the_flask_command_takes_flasks_own_options(folder: Path) -> None:
    """`flask --app shop:create_app coffrify-webhooks store init`."""
    write_flask(folder, FLASK, "shop.py")
    line = ("--app", "shop:create_app", "coffrify-webhooks", "store", "init")
    assert "is ready; events: 0" in command(*line, group=flask).stdout
    assert (folder / "instance" / "coffrify-webhooks.db").exists()


@pytest.mark.usefixtures("folder")
def test_the_flask_command_has_every_command_of_a_receiver() -> None:
    """events, store, sweep and worker, whose help needs no application."""
    helped = command("coffrify-webhooks", "--help", group=flask).stdout
    for name in ("check", "doctor", "events", "store", "sweep", "worker"):
        assert f"\n  {name} " in helped
    assert "--grace" in command("coffrify-webhooks", "worker", "--help", group=flask).stdout
    ran = command("coffrify-webhooks", "events", group=flask, status=2)
    assert "Could not locate a Flask application" in ran.stderr
