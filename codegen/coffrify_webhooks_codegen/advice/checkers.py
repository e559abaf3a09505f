"""Runs the user's own type checker, mypy or pyright, and reads what it finds."""

import json
import os
import re
import subprocess
import sys
from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from coffrify_webhooks_codegen.errors import CatalogError
from coffrify_webhooks_codegen.json_types import is_list, is_mapping

from .workspace import Workspace

__all__ = ["Checker", "Complaint", "checker_here"]

_LONGEST_RUN = 900
"""Seconds of one run of a checker."""
_MYPY_LINE = re.compile(
    r"(?P<file>.+?):(?P<line>\d+)(?::\d+)?: error: (?P<text>.*?)(?:  \[(?P<code>[\w-]+)\])?"
)


class Complaint(NamedTuple):
    """One thing that a type checker does not like."""

    file: Path
    line: int
    text: str
    code: str


class Checker(ABC):
    """A type checker that is installed here."""

    name: str

    @abstractmethod
    def run(self, workspace: Workspace) -> list[Complaint]:
        """Check the user's files in the copy. Raises CatalogError if it cannot be run."""

    def _output(self, workspace: Workspace, *words: str, **variables: str) -> str:
        try:
            ran = subprocess.run(  # noqa: S603 - the user's own program, in the user's environment
                [sys.executable, "-m", self.name, *words],
                cwd=workspace.folder,
                env={**os.environ, **variables},
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_LONGEST_RUN,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CatalogError(f"{self.name} could not be run: {type(error).__name__}") from None
        if ran.returncode not in (0, 1):
            said = (ran.stderr.strip() or ran.stdout.strip() or "it said nothing").splitlines()
            raise CatalogError(f"{self.name} could not check the program: {said[-1][:500]}")
        return ran.stdout


class Mypy(Checker):
    """mypy, with the user's configuration; only the user's own files are told of."""

    name = "mypy"

    def run(self, workspace: Workspace) -> list[Complaint]:
        """See `Checker.run`."""
        places = os.pathsep.join(map(str, (workspace.folder, *dict.fromkeys(workspace.roots))))
        out = self._output(
            workspace,
            "--no-error-summary",
            "--no-pretty",
            "--hide-error-context",
            "--no-color-output",
            "--show-error-codes",
            "--follow-imports=silent",
            "--explicit-package-bases",
            "--namespace-packages",
            "--no-warn-unused-ignores",
            "--no-warn-unused-configs",
            "--cache-dir=.mypy_cache",
            *workspace.checked,
            MYPYPATH=places,
        )
        found: list[Complaint] = []
        for line in out.splitlines():
            told = _MYPY_LINE.fullmatch(line)
            file = workspace.original(told["file"]) if told else None
            if told is not None and file is not None:
                found.append(Complaint(file, int(told["line"]), told["text"], told["code"] or ""))
        return found


class Pyright(Checker):
    """pyright, with the user's configuration."""

    name = "pyright"

    def run(self, workspace: Workspace) -> list[Complaint]:
        """See `Checker.run`."""
        own = workspace.folder / "pyrightconfig.json"
        extended = workspace.folder / "users-pyrightconfig.json"
        settings: dict[str, Any] = {
            "include": workspace.checked,
            "extraPaths": [str(workspace.folder), *map(str, dict.fromkeys(workspace.roots))],
        }
        if own.exists() and not extended.exists():
            own.rename(extended)
        if extended.exists():
            settings["extends"] = extended.name
        elif (workspace.folder / "pyproject.toml").exists():
            settings["extends"] = "pyproject.toml"
        own.write_text(json.dumps(settings))
        out = self._output(
            workspace, "--outputjson", "-p", own.name, "--pythonpath", sys.executable
        )
        try:
            told: Any = json.loads(out)["generalDiagnostics"]
        except (ValueError, KeyError, TypeError):
            raise CatalogError("pyright could not check the program: it wrote no JSON") from None
        return [each for each in map(_complaint(workspace), told if is_list(told) else ()) if each]


def _complaint(workspace: Workspace) -> Any:
    def read(entry: Any) -> Complaint | None:
        if not is_mapping(entry) or entry.get("severity") != "error":
            return None
        file = workspace.original(str(entry.get("file", "")))
        if file is None:
            return None
        line = int(entry["range"]["start"]["line"]) + 1
        text = " ".join(str(entry.get("message", "")).split())
        return Complaint(file, line, text, str(entry.get("rule", "")))

    return read


def checker_here() -> Checker | None:
    """Return the type checker that is installed beside this package, None if there is none.

    Of both the one that is configured in this folder; mypy if both are, or neither.
    """
    checkers: list[Checker] = [each() for each in (Mypy, Pyright) if find_spec(each.name)]
    if len(checkers) > 1:
        configured = [each for each in checkers if _is_configured(each.name)]
        checkers = configured or checkers
    return checkers[0] if checkers else None


def _is_configured(name: str) -> bool:
    if name == Pyright.name and Path("pyrightconfig.json").is_file():
        return True
    if name == Mypy.name and (Path("mypy.ini").is_file() or Path(".mypy.ini").is_file()):
        return True
    texts = ("".join(_text(each)) for each in ("pyproject.toml", "setup.cfg"))
    return any(f"[tool.{name}]" in text or f"[{name}]" in text for text in texts)


def _text(name: str) -> str:
    try:
        return Path(name).read_text("utf-8", "replace")
    except OSError:
        return ""
