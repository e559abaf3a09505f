"""The pages as a reader uses them: their files in a folder, their commands, the defaults."""

import ast
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.servers.process import free_port

from coffrify_webhooks.signature.secret import SECRET_VARIABLE

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LISTENS = re.compile(r"http://127\.0\.0\.1:\d+")
FILE = re.compile(r"# ([\w/]+\.py)\n")


def blocks(page: Path, until: str = "") -> list[str]:
    """Return a page's Python, up to the end of a section."""
    text = page.read_text("utf-8")
    if until:
        before, section, rest = text.partition(f"\n## {until}\n")
        assert section, f"{page.name} has no section {until}"
        text = before + rest.partition("\n## ")[0]
    return BLOCK.findall(text)


def readme_section(name: str) -> str:
    """Return the section about a framework."""
    sections = re.split(r"^##+ ", (ROOT / "README.md").read_text("utf-8"), flags=re.MULTILINE)
    [section] = [each for each in sections if each.startswith(f"{name}\n")]
    return section


def copy_files(page: Path, folder: Path, until: str) -> None:
    """Write the files that a page shows."""
    for block in blocks(page, until):
        name = FILE.match(block)
        assert name, "up to there, each block is a file"
        file = folder / name[1]
        file.parent.mkdir(exist_ok=True)
        file.write_text(block, "utf-8")


def readers_environment() -> dict[str, str]:
    """Return what a reader has set: the secret, and nothing else of ours."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("COFFRIFY_")
    }
    # Of the plugins that are installed here, a reader has none.
    environment |= {SECRET_VARIABLE: "try-it-out-for-now", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    environment.pop("PYTHONUNBUFFERED", None)
    return environment


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python as a reader would."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=readers_environment(),
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.mark.parametrize("name", ["flask", "starlette", "fastapi"])
def test_the_test_of_a_page_passes_each_time(name: str, tmp_path: Path) -> None:
    """In one folder, with the default store, of which no file is made."""
    copy_files(ROOT / "docs" / f"{name}.md", tmp_path, "Test it")
    for _ in range(2):
        ran = run(tmp_path, "-m", "pytest", "-q", "-p", "coffrify_webhooks.testing.pytest_plugin")
        assert ran.returncode == 0, ran.stdout
    assert list(tmp_path.rglob("*.db*")) == []


@pytest.mark.parametrize("name", ["flask", "starlette", "fastapi", "django"])
def test_the_test_of_a_page_is_short(name: str) -> None:
    """Its imports aside, four lines at the most."""
    text = (ROOT / "docs" / f"{name}.md").read_text("utf-8")
    [block] = BLOCK.findall(text.partition("\n## Test it\n")[2].partition("\n## ")[0])
    lines = [line for line in block.splitlines() if line and not line.startswith(("#", "from"))]
    assert len(lines) <= 4


def test_the_test_of_the_django_page_passes_each_time(tmp_path: Path) -> None:
    """In a new project, with the page's settings where it says so."""
    for words in (["startproject", "project", "."], ["startapp", "shop"]):
        assert run(tmp_path, "-m", "django", *words).returncode == 0
    made = (tmp_path / "project" / "settings.py").read_text("utf-8")
    copy_files(ROOT / "docs" / "django.md", tmp_path, "Test it")
    shown = (tmp_path / "project" / "settings.py").read_text("utf-8")
    for name in ("INSTALLED_APPS", "MIDDLEWARE"):
        shown = shown.replace("...,", f"*{name},", 1)
    (tmp_path / "project" / "settings.py").write_text(f"{made}\n{shown}", "utf-8")
    for command in ("test", "test"):
        ran = run(tmp_path, "manage.py", command)
        assert ran.returncode == 0, ran.stderr
    assert "Ran 1 test" in ran.stderr
    assert list(tmp_path.rglob("*.db")) == []


def test_the_first_snippet_about_the_log_shows_something(tmp_path: Path) -> None:
    """Run as a program, it writes just the lines that the page shows."""
    page = ROOT / "docs" / "monitoring.md"
    (tmp_path / "program.py").write_text(blocks(page)[0], "utf-8")
    ran = run(tmp_path, "program.py")
    assert ran.returncode == 0, ran.stderr
    lines = ran.stderr.splitlines()
    shown = re.findall(
        r"^(?:INFO|WARNING):coffrify_webhooks:.*$", page.read_text("utf-8"), re.MULTILINE
    )
    assert len(shown) == len(lines) == 3
    for line, written in zip(shown, lines, strict=True):
        # The page's secret has another encoding, and its lines are cut.
        assert written.startswith(line.partition(", read as")[0].removesuffix(" ..."))


@pytest.mark.parametrize("name", ["README.md", "docs/index.md"])
def test_every_first_handler_shows_that_it_ran(name: str) -> None:
    """What a reader copies first prints something, whatever the server and its logging."""
    handlers = [
        node
        for block in blocks(ROOT / name)
        for node in ast.walk(ast.parse(block))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == "announce"
    ]
    assert handlers
    for handler in handlers:
        assert ast.unparse(handler.body[0]) == "print('new transfer:', event.data.id, flush=True)"


@pytest.mark.parametrize(
    ("name", "server"),
    [
        ("Flask", "flask run --port 0"),
        ("Flask", "gunicorn --workers 2 --bind 127.0.0.1:0 app:app"),
        ("Starlette", "uvicorn --port 0 app:app"),
        ("FastAPI", "uvicorn --port 0 app:app"),
    ],
)
def test_the_first_event_that_is_sent_prints_a_line(name: str, server: str, tmp_path: Path) -> None:
    """README's program, under a server as it is, with the command that README names."""
    [source] = BLOCK.findall(readme_section(name))
    (tmp_path / "app.py").write_text(source, "utf-8")
    with subprocess.Popen(
        [sys.executable, "-m", *server.split()],
        cwd=tmp_path,
        env=readers_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        try:
            url = next(found[0] for found in map(LISTENS.search, process.stdout) if found)
            words = ("send", "transfer.created", "--to", f"{url}/webhooks/coffrify")
            code = "from coffrify_webhooks.cli import main; main()"
            sent = run(tmp_path, "-c", code, *words)
            assert "200 handled in " in sent.stdout, sent.stdout + sent.stderr
            assert not sent.stderr, "the page's secret is nothing to warn of"
            assert any(line.startswith("new transfer: ") for line in process.stdout)
        finally:
            process.terminate()


def test_the_first_event_that_is_sent_to_django_prints_a_line(tmp_path: Path) -> None:
    """README's files in a new project, its two commands of manage.py, and the one that sends."""
    for words in (["startproject", "project", "."], ["startapp", "shop"]):
        assert run(tmp_path, "-m", "django", *words).returncode == 0
    settings, handlers = BLOCK.findall(readme_section("Django"))
    made = (tmp_path / "project" / "settings.py").read_text("utf-8")
    for name in ("INSTALLED_APPS", "MIDDLEWARE"):
        settings = settings.replace("...", f"*{name}", 1)
    (tmp_path / "project" / "settings.py").write_text(f"{made}\n{settings}", "utf-8")
    (tmp_path / "shop" / "webhooks.py").write_text(handlers, "utf-8")
    commands = re.findall(r"^python (manage\.py \w+)", readme_section("Django"), re.MULTILINE)
    assert commands == ["manage.py migrate", "manage.py runserver"]
    migrated = run(tmp_path, *commands[0].split())
    assert migrated.returncode == 0, migrated.stderr

    port = free_port()
    with subprocess.Popen(
        [sys.executable, *commands[1].split(), str(port)],
        cwd=tmp_path,
        env=readers_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # it runs the server in a process of its own
    ) as process:
        assert process.stdout
        try:
            until_open(port, process)
            url = f"http://127.0.0.1:{port}/webhooks/coffrify"
            code = "from coffrify_webhooks.cli import main; main()"
            sent = run(tmp_path, "-c", code, "send", "transfer.created", "--to", url)
            assert "200 handled in " in sent.stdout, sent.stdout + sent.stderr
            assert not sent.stderr, "the page's secret is nothing to warn of"
            assert any(line.startswith("new transfer: ") for line in process.stdout)
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def until_open(port: int, process: "subprocess.Popen[str]") -> None:
    """Wait until a server accepts connections."""
    give_up = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=60).close()
        except ConnectionRefusedError:
            assert process.poll() is None
            assert time.monotonic() < give_up
            time.sleep(0.05)
        else:
            return


@pytest.mark.parametrize("name", ["Flask", "Django", "Starlette", "FastAPI"])
def test_readme_and_page_show_the_same_program(name: str) -> None:
    """One form for each framework; of Django's settings the page shows the longer one."""
    section = readme_section(name)
    page = (ROOT / "docs" / f"{name.lower()}.md").read_text("utf-8")
    shown = [each for each in BLOCK.findall(section) if not each.startswith("# project/settings")]
    assert shown
    for source in shown:
        assert source in page
    for command in re.findall(
        r"^(?:pip|export|coffrify-webhooks|flask|uvicorn) .*$", section, re.MULTILINE
    ):
        assert command in page, command
