"""Runs every Python block of README.md and docs/*.md under pytest.

The blocks of a document share one namespace, a temporary working directory, a secret in
COFFRIFY_WEBHOOK_SECRET, and a default router without handlers. Nothing else is set: what a reader
has by default is what runs. They run in their order also when pytest gives them to several
processes, or runs only one of them. A document that leaves a store in its directory is run once
more there, as by a reader who tries it again.

A part of a block that begins with a comment such as `# shop/webhooks.py` is that file: it is
written to the working directory and imported, and its names join the namespace. A `settings.py`
becomes Django's settings before the next plain block. The tests of a `test_*.py` or `tests.py` run
twice.
"""

import ast
import asyncio
import os
import re
import sys
import unittest
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, chdir, suppress
from importlib import import_module, invalidate_caches
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser

from coffrify_webhooks.router import default_router
from coffrify_webhooks.testing import isolated

SECRET = "whsec_6f1d7c0e5a3b49288e61f0d2c4b7a9153e8f2d60a1c95b74"  # noqa: S105 - an example's
VARIABLES = {"COFFRIFY_WEBHOOK_SECRET": SECRET}

_FILE = re.compile(r"^# ([\w/]+)\.py$", re.MULTILINE)
_PAGE = "__page__"


class Page:
    """One document while its blocks run: what it has changed is put back at its end."""

    def __init__(
        self, namespace: dict[str, Any], home: "TemporaryDirectory[str] | None" = None
    ) -> None:
        self.namespace = namespace
        namespace.clear()
        namespace.update({"__name__": "example", _PAGE: self})
        self.done: set[int] = set()
        self.settings: dict[str, Any] = {}
        self.urls = ""
        self.undo = ExitStack()
        self.is_repeated = home is not None
        self.home = home or TemporaryDirectory()
        self.folder = Path(self.home.name).resolve()
        self.undo.callback(self._forget_modules)
        self.undo.callback(_close_loop)
        self.undo.callback(self._dispose_engines)
        self.undo.enter_context(chdir(self.folder))
        self.undo.enter_context(patch.dict(os.environ, VARIABLES))
        self.undo.enter_context(patch.object(sys, "path", [str(self.folder), *sys.path]))
        self.undo.enter_context(patch.object(sys, "dont_write_bytecode", new=True))
        self.undo.enter_context(patch.multiple(default_router, _handlers={}, _matches={}))

    def close(self) -> None:
        """Put back what the document has changed, and remove its directory."""
        self.undo.close()
        self.home.cleanup()

    def _dispose_engines(self) -> None:
        engines = getattr(sys.modules.get("sqlalchemy"), "Engine", ())
        for value in self.namespace.values():
            if isinstance(value, engines):
                value.dispose()

    def run(self, example: Example) -> None:
        """Run a block, after all those before it that have not run in this process."""
        for earlier in example.document:
            if earlier.region.start > example.region.start:
                return
            if earlier.region.start not in self.done:
                self.done.add(earlier.region.start)
                self._run(earlier)
        if not self.is_repeated and any(self.folder.rglob("*.db")):
            self._repeat(example)

    def _repeat(self, last: Example) -> None:
        """Run the whole document once more, in the same folder and with nothing else left."""
        self.undo.close()
        Page(self.namespace, self.home).run(last)

    def _run(self, example: Example) -> None:
        first = example.line + example.parsed.line_offset
        for file, offset, source in _parts(example.parsed):
            if file is None:
                if self.settings:
                    self._set_up_django()
                _let_go_of_handlers(source, str(self.namespace["__name__"]))
                code = compile("\n" * (first + offset) + source, example.path, "exec")
                exec(code, self.namespace)  # noqa: S102 - our own documents
            else:
                self._import(file, source)

    def _import(self, file: str, source: str) -> None:
        path = self.folder / f"{file}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent != self.folder:
            (path.parent / "__init__.py").touch()
            sys.modules.pop(path.parent.name, None)  # the page may have a module of that name
        path.write_text(source)
        name = file.replace("/", ".")
        _let_go_of_handlers(source, name)
        sys.modules.pop(name, None)
        invalidate_caches()
        if file.rpartition("/")[2] == "urls":
            self.urls = name  # imported by Django, when its settings are there
            return
        has_tests = file.rpartition("/")[2].startswith("test")
        if has_tests and self.settings:
            self._set_up_django()
        module = import_module(name)
        if file.rpartition("/")[2] == "settings":
            names = {key: _plain(each) for key, each in vars(module).items()}
            self.settings = {key: each for key, each in names.items() if key.isupper()}
            return
        self.namespace.update({k: v for k, v in vars(module).items() if not k.startswith("__")})
        for _ in range(2 * has_tests):
            _run_tests(module)

    def _set_up_django(self) -> None:
        """Let the page's settings apply; Django itself is set up only once per process."""
        import django  # noqa: PLC0415
        from django.conf import settings  # noqa: PLC0415
        from django.core.management import call_command  # noqa: PLC0415
        from django.db import connections  # noqa: PLC0415
        from django.test import override_settings  # noqa: PLC0415
        from django.urls import clear_url_caches  # noqa: PLC0415

        if not settings.configured:
            with patch.dict(os.environ, {"DJANGO_SETTINGS_MODULE": "tests.django_settings"}):
                django.setup()
            call_command("migrate", verbosity=0)
        from coffrify_webhooks_django.conf import current_endpoint  # noqa: PLC0415

        chosen: dict[str, Any] = {"COFFRIFY_WEBHOOKS": {}, "BASE_DIR": self.folder}
        chosen["ROOT_URLCONF"] = self.urls or ()  # no URLs at all, when the page shows none
        override = override_settings(**{**chosen, **self.settings})
        self.settings = {}
        override.enable()
        current_endpoint.cache_clear()
        clear_url_caches()
        self.undo.callback(current_endpoint.cache_clear)
        self.undo.callback(clear_url_caches)
        self.undo.callback(connections.close_all)
        self.undo.callback(override.disable)

    def _forget_modules(self) -> None:
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(f"{self.folder}{os.sep}"):
                del sys.modules[name]


def _close_loop() -> None:
    """Close the event loop that a page has left as the current one."""
    with warnings.catch_warnings(action="ignore"), suppress(RuntimeError):
        asyncio.get_event_loop().close()
    asyncio.set_event_loop(None)


def _run_tests(module: ModuleType) -> None:
    for name, test in vars(module).items():
        if name.startswith("test_"):
            with isolated() as kit:  # as the fixture does
                test(**{each: kit for each in signature(test).parameters if each == "coffrify_kit"})
    found = unittest.defaultTestLoader.loadTestsFromModule(module)
    found.debug()  # raises what a test raises


def _parts(text: str) -> Iterator[tuple[str | None, int, str]]:
    """Yield (file or None, line within the block, source) for each part of a block."""
    heads = list(_FILE.finditer(text))
    ends = [*(head.start() for head in heads), len(text)]
    plain = text[: ends[0]]
    if plain.strip():
        yield None, 0, plain
    for head, end in zip(heads, ends[1:], strict=True):
        yield head[1], text.count("\n", 0, head.start()), text[head.start() : end]


def _let_go_of_handlers(source: str, module: str) -> None:
    """Drop the handlers that a block defines anew: a page may show one handler in several apps."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            default_router._handlers.pop(f"{module}:{node.name}", None)  # noqa: SLF001
    default_router._matches.clear()  # noqa: SLF001


def _plain(setting: Any) -> Any:
    """Return a setting without the `...` that stand for what the reader's own list holds."""
    return [each for each in setting if each is not ...] if isinstance(setting, list) else setting


def _run(example: Example) -> None:
    example.namespace[_PAGE].run(example)


def _begin(namespace: dict[str, Any]) -> None:
    Page(namespace)


def _end(namespace: dict[str, Any]) -> None:
    namespace[_PAGE].close()
    namespace.clear()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failure."""
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


pytest_collect_file = Sybil(
    parsers=[CodeBlockParser(language="python", evaluator=_run)],
    patterns=["README.md", "docs/*.md"],
    setup=_begin,
    teardown=_end,
).pytest()
