"""What `make` runs, as CONTRIBUTING.md tells it."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def recipe(*arguments: str) -> str:
    """Return the commands that make would run."""
    command = ["make", "--no-print-directory", "--always-make", "--dry-run", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_another_python_gets_an_environment_of_its_own() -> None:
    """`make test PYTHON=3.13` runs pytest of `.venv-3.13`, and leaves `.venv` alone."""
    commands = recipe("test", "PYTHON=3.13")
    assert "--python 3.13 .venv-3.13" in commands
    assert "\n.venv-3.13/bin/pytest " in commands
    assert ".venv/" not in commands
    assert "make test PYTHON=3.13" in (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def test_a_python_can_be_given_by_its_path() -> None:
    """An interpreter's name stands for it in its environment's name."""
    assert "\n.venv-python3.12/bin/pytest " in recipe("test", "PYTHON=/opt/bin/python3.12")


def test_make_test_uses_the_usual_environment() -> None:
    """Without PYTHON nothing of it shows."""
    commands = recipe("test", "PYTHON=")
    assert "\n.venv/bin/pytest " in commands
    assert "PYENV_VERSION" not in commands
    assert "--python 3" not in commands
