"""Django: every handler is handled, however the endpoint is mounted, served and called."""

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from tests.servers.process import free_port, own_environment

from coffrify_webhooks import sign
from coffrify_webhooks.stores.statements import EVENTS

SITE = "tests.adapters.django_site"
SECRET = "whsec_" + "5e" * 32
MOUNTS = ("view", "first", "last")
OTHERS = ("none", "sync_only", "async_only", "both")
SYNC = ("sync_orm", "sync_atomic", "sync_awaits_orm", "sync_asyncio_run")
ASYNC = ("async_orm", "async_atomic", "async_sleep", "async_task", "async_task_left")
ALL = [f"{m}-{o} {event}" for m in MOUNTS for o in OTHERS for event in (*SYNC, *ASYNC)]
PATIENCE = 60.0
LEASE = 60


@pytest.mark.parametrize("how", ["client", "async-client", "test_client", "test_async_client"])
def test_every_handler_is_handled_through_djangos_clients(tmp_path: Path, how: str) -> None:
    """Client and AsyncClient, plainly and within the transaction of a TestCase."""
    program = subprocess.run(
        [sys.executable, "-W", "error", "-m", SITE, how],
        env=own_environment() | {"SITE_FOLDER": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    handled = [
        line.partition(" 200 ")[0] for line in program.stdout.splitlines() if "handled" in line
    ]
    assert (program.returncode, handled) == (0, ALL), (
        program.stdout[-1000:] + program.stderr[-4000:]
    )


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_every_handler_is_handled_by_a_real_server(tmp_path: Path, server: str) -> None:
    """WSGI and ASGI; the server then stops on SIGTERM at once."""
    with serving(server, tmp_path) as (port, process):
        outcomes = [deliver(port, *each.split(" ")) for each in ALL]
        process.terminate()
        process.wait(PATIENCE)
    assert outcomes == [{"outcome": "handled"}] * len(ALL), (tmp_path / "log").read_text()[-4000:]


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
@pytest.mark.parametrize("event_type", ["sync_forever", "async_forever"])
def test_a_handler_that_never_returns_does_not_keep_a_server_from_stopping(
    tmp_path: Path, server: str, event_type: str
) -> None:
    """SIGTERM ends it within its own grace, and the event is free within one lease of that."""
    application = "first-sync_only" if server == "uvicorn" else "view-none"
    with serving(server, tmp_path, grace=1) as (port, process):
        with pytest.raises(TimeoutError):
            deliver(port, application, event_type, patience=1)
        process.terminate()
        process.wait(PATIENCE)
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database:
        leases = database.execute(f"SELECT lease_until FROM {EVENTS}").fetchall()
    assert len(leases) == 1
    assert leases[0][0] <= time.time() + LEASE


@contextmanager
def serving(
    server: str, folder: Path, grace: int = 10
) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    port = free_port()
    address = f"127.0.0.1:{port}"
    command = {
        "gunicorn": [f"{SITE}:wsgi", "--bind", address, "--graceful-timeout", str(grace)],
        "uvicorn": [f"{SITE}:asgi", "--port", str(port), "--timeout-graceful-shutdown", str(grace)],
    }[server]
    environment = own_environment() | {"SITE_FOLDER": str(folder)}
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", server, *command], env=environment, stdout=log, stderr=log
        ) as process,
    ):
        try:
            wait_for(port, process)
            yield port, process
        finally:
            process.kill()


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            connection.request("GET", "/view-none/")
            connection.getresponse().read()
        except ConnectionRefusedError:
            assert process.poll() is None
            assert time.monotonic() < give_up
            time.sleep(0.02)
        else:
            return
        finally:
            connection.close()


def deliver(port: int, application: str, event_type: str, *, patience: float = 30) -> object:
    event_id = f"{application}_{event_type}".replace("-", "_")
    body = json.dumps({"id": event_id, "type": f"site.{event_type}"}).encode()
    connection = HTTPConnection("127.0.0.1", port, timeout=patience)
    try:
        headers = {"Content-Type": "application/json", **sign(body, SECRET)}
        connection.request("POST", f"/{application}/webhooks/coffrify", body, headers)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
