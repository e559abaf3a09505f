"""The recipes of docs/engine-recipes.md, run as they are, each with its engine's own worker.

Every process is real: one that delivers, and the worker. Commands that end by themselves are forked
of a process that has imported what they need. What the handler does, the tests say by files: `hold`
lets it wait, `fail` lets it raise.
"""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.servers.preloaded import Preloaded
from tests.servers.process import _children

if TYPE_CHECKING:
    from tests.servers.valkey import Valkey

PAGE = Path(__file__).parents[2] / "docs" / "engine-recipes.md"
TASKS = "django.tasks" if find_spec("django.tasks") else "django_tasks"

SETTINGS = """
from pathlib import Path
from coffrify_webhooks.retries import Retries
BASE_DIR = Path(__file__).parents[1]
SECRET_KEY = "only-for-tests"
ROOT_URLCONF = "project.urls"
USE_TZ = True
INSTALLED_APPS = ["coffrify_webhooks.django", "shop"]
MIDDLEWARE = ["coffrify_webhooks.django.CoffrifyWebhooksMiddleware"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "db",
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    }
}
"""
QUICK = "RETRIES=Retries(first=2, jitter=0), LOST_AFTER=1, LEASE=1"
MANAGE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
MAIN = "from coffrify_webhooks.cli import main; main()"
HANDLER = """
import time
from pathlib import Path
from coffrify_webhooks import Event, on

def note(what):
    with open("journal", "a") as journal:
        journal.write(f"{what} {time.time()}\\n")

@on("transfer.created")
def archive(event: Event) -> None:
    note("begin")
    while Path("hold").exists():
        time.sleep(0.01)
    if Path("fail").exists():
        note("fail")
        raise ConnectionError
    note("end")
"""
DELIVER = """
import sys
from coffrify_webhooks import sign
body = b'{"id": "evt_1", "type": "transfer.created", "data": {"id": "tr_1"}}'
headers = sign(body, "a-secret-for-tests")
"""
BY_DJANGO = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
import django
django.setup()
from django.test import Client
for _ in range(int(sys.argv[1])):
    reply = Client().post("/webhooks/coffrify", body, "application/json", headers=headers)
    print(reply.json()["outcome"])
"""
BY_HAND = """
from shop.engine import receiver
for _ in range(int(sys.argv[1])):
    print(receiver.receive(body, headers).outcome)
"""


def recipe(heading: str) -> dict[str, str]:
    """Return the files of one section of the page, as they are there."""
    section = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    [text] = [each for each in section if each.startswith(f"{heading}\n")]
    files: dict[str, str] = {}
    for block in re.findall(r"^```py\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        head = re.match(r"# ([\w/]+\.py)", block)
        assert head
        files[head[1]] = files.get(head[1], "") + block
    return files


class Site:
    """A folder with an application made of a recipe, and the processes that were started in it."""

    def __init__(self, folder: Path, parent: Preloaded) -> None:
        self.folder = folder
        self.parent = parent
        self.started: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("COFFRIFY", "DJANGO"))},
            "PYTHONPATH": str(folder),
            "COFFRIFY_WEBHOOK_SECRET": "a-secret-for-tests",
        }

    worker: tuple[str, ...] = ()
    sweep: tuple[str, ...] = ()
    deliver: str = ""

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            (path.parent / "__init__.py").touch()
            path.write_text(text)

    def start(self) -> "subprocess.Popen[bytes]":
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *self.worker],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def run(self, *words: str) -> str:
        """Run a file, or `python -c` with words; returns what it has written."""
        command = [*words] if words[0] == "manage.py" else [sys.executable, *words]
        output, errors = self.folder / "output", self.folder / "errors"
        for file in (output, errors):
            file.write_text("")
        process = self.parent.start(command, self.folder, self.environment, output, errors)
        try:
            code = process.wait(60)
        finally:
            process.kill()
        assert code == 0, output.read_text() + errors.read_text()
        return output.read_text()

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        """kill -9 of the worker and of all that it started; some of it left the group."""
        for pid in [process.pid, *_children(process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        self.started.remove(process)

    def close(self) -> None:
        for process in list(self.started):
            self.kill(process)

    def journal(self, what: str) -> list[float]:
        """When a handler began, failed or ended."""
        path = self.folder / "journal"
        lines = path.read_text().splitlines() if path.exists() else []
        return [float(line.split()[1]) for line in lines if line.split()[0] == what]

    def wait(self, what: Callable[[], Any]) -> None:
        give_up = time.monotonic() + 60
        while not what():
            assert time.monotonic() < give_up, (self.folder / "log").read_text()
            time.sleep(0.02)

    def retry(self) -> None:
        """Do what the engine does too seldom for a test."""


class OnDjango(Site):
    """A Django project, on an SQLite file."""

    sweep = ("manage.py", "coffrify_webhooks", "events", "sweep")
    deliver = DELIVER + BY_DJANGO

    def __init__(self, folder: Path, parent: Preloaded, heading: str) -> None:
        super().__init__(folder, parent)
        files = recipe(heading)
        files["project/settings.py"] = (
            f"{SETTINGS}{files['project/settings.py']}\nCOFFRIFY_WEBHOOKS.update({QUICK})\n"
        )
        self.write({"project/urls.py": "urlpatterns = []", "shop/webhooks.py": HANDLER, **files})
        (folder / "manage.py").write_text(MANAGE)
        self.run("manage.py", "migrate", "--verbosity=0")

    def rows(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "db")) as database:
            return database.execute(query).fetchall()


class OnTasks(OnDjango):
    worker = ("manage.py", "db_worker", "--no-startup-delay", "--interval", "0.1")

    def __init__(self, folder: Path, parent: Preloaded) -> None:
        super().__init__(folder, parent, "django.tasks")

    def write(self, files: dict[str, str]) -> None:
        files["shop/tasks.py"] = files["shop/tasks.py"].replace("django.tasks", TASKS)
        super().write(files)


class OnQ(OnDjango):
    worker = ("manage.py", "qcluster")

    def __init__(self, folder: Path, parent: Preloaded) -> None:
        super().__init__(folder, parent, "django-q2")

    def retry(self) -> None:
        """Have the cluster's own scheduler look: by itself it does so twice a minute."""
        self.run("manage.py", "shell", "-c", "from django_q.scheduler import scheduler as s; s()")


class OnRQ(Site):
    sweep = ("-c", MAIN, "events", "sweep", "--app", "shop.engine")
    deliver = DELIVER + BY_HAND

    def __init__(self, folder: Path, parent: Preloaded, url: str) -> None:
        super().__init__(folder, parent)
        files = recipe("RQ")
        named = re.search(r"`rq (worker .*?)`", PAGE.read_text(encoding="utf-8"), re.DOTALL)
        assert named
        self.worker = ("-m", "rq.cli", *named[1].split(), "--url", url)
        assert "redis://localhost:6379/0" in files["shop/engine.py"]
        files["shop/engine.py"] = (
            files["shop/engine.py"].replace("redis://localhost:6379/0", url)
            + "\nfrom coffrify_webhooks.retries import Retries\n"
            + f"for _name, _value in dict({QUICK}).items():\n"
            + "    setattr(receiver, _name.lower(), _value)\n"
        )
        self.write({"shop/webhooks.py": HANDLER, **files})


@pytest.fixture(scope="module")
def parent() -> Iterator[Preloaded]:
    """What the commands are forked of."""
    imported = ("coffrify_webhooks.cli.group", "django.core.management", "django.test", "rq")
    with Preloaded(*imported, "django.db.backends.sqlite3.base") as made:
        yield made


@pytest.fixture(
    params=[
        pytest.param(
            "django.tasks",
            marks=pytest.mark.skipif(
                find_spec(TASKS) is None, reason="on Django 5.2 this takes django-tasks"
            ),
        ),
        "django-q2",
        "RQ",
    ]
)
def site(request: pytest.FixtureRequest, tmp_path: Path, parent: Preloaded) -> Iterator[Site]:
    """An application by one of the recipes."""
    made: Site
    if request.param == "RQ":
        import redis

        server: Valkey = request.getfixturevalue("valkey")
        url = server.url.removesuffix("/0") + "/9"
        with redis.Redis.from_url(url) as client:
            client.flushdb()
        made = OnRQ(tmp_path, parent, url)
    else:
        kind = OnTasks if request.param == "django.tasks" else OnQ
        made = kind(tmp_path, parent)
    yield made
    made.close()


def test_a_queued_event_is_handled_after_a_failure_and_after_a_kill(site: Site) -> None:
    """The delivery is answered `queued`; a handler that fails runs again after the wait.

    After kill -9 of the worker in the handler, the page's sweep dispatches the event again.
    """
    fail, hold = site.folder / "fail", site.folder / "hold"
    fail.touch()
    assert site.run("-c", site.deliver, "2") == "queued\nduplicate\n"
    assert site.journal("begin") == []
    worker = site.start()
    site.wait(lambda: site.journal("fail"))
    hold.touch()
    fail.unlink()

    def begun_again() -> bool:
        site.retry()
        return len(site.journal("begin")) > 1

    site.wait(begun_again)
    first, second = site.journal("begin")
    assert second - first >= 1  # Retries says 2; RQ counts in whole seconds

    site.kill(worker)
    hold.unlink()
    site.start()
    site.wait(lambda: "1 dispatched again" in site.run(*site.sweep))
    site.wait(lambda: site.journal("end"))
    assert len(site.journal("begin")) == 3
    assert site.run("-c", site.deliver, "1") == "duplicate\n"
    if isinstance(site, OnTasks):
        statuses = "SELECT status FROM django_tasks_database_dbtaskresult"
        assert ("RUNNING",) in site.rows(statuses)  # for ever, as the page says
