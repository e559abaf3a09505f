"""The applications that readers copy: their own tests pass, by the kit and by the sandbox."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
COMMANDS = {
    "flask": ["-m", "pytest", "-q", "-c", os.devnull, "--rootdir", "."],
    "starlette": ["-m", "pytest", "-q", "-c", os.devnull, "--rootdir", "."],
    "fastapi": ["-m", "pytest", "-q", "-c", os.devnull, "--rootdir", "."],
    "django": ["manage.py", "test"],
}


@pytest.mark.parametrize(
    "name",
    [
        "flask",
        "django",
        pytest.param("starlette", marks=pytest.mark.long),  # as Flask's, but for ten lines
        pytest.param("fastapi", marks=pytest.mark.long),
    ],
)
def test_the_tests_of_an_example_pass_in_a_folder_of_their_own(name: str, tmp_path: Path) -> None:
    """In a process that knows the copied folder alone, and a warning is an error."""
    shutil.copytree(EXAMPLES / name, tmp_path / name)
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("COFFRIFY", "DJANGO", "PYTEST"))
    }
    plugins = ["coffrify_webhooks.testing.pytest_plugin", "coffrify_webhooks_sandbox.pytest_plugin"]
    ran = subprocess.run(
        # The store's own connections are closed when it is collected.
        [sys.executable, "-W", "error", "-W", "ignore::ResourceWarning", *COMMANDS[name]],
        cwd=tmp_path / name,
        env={
            **kept,
            "COFFRIFY_WEBHOOK_SECRET": "whsec_only_for_these_tests",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_PLUGINS": ",".join(plugins),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"7 passed|Ran 4 tests", ran.stdout + ran.stderr)


@pytest.mark.parametrize("file", ["trail.py", "test_app.py"])
def test_three_examples_differ_only_in_what_mounts_the_endpoint(file: str) -> None:
    """The rest is the same file in each."""
    names = ("flask", "starlette", "fastapi")
    assert len({(EXAMPLES / name / file).read_text("utf-8") for name in names}) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_an_image_of_an_example_installs_what_it_imports_and_runs_as_nobody(name: str) -> None:
    """Its Dockerfile, as far as it can be looked at without building it."""
    text = (EXAMPLES / name / "Dockerfile").read_text("utf-8")
    assert "USER app" in text
    assert "COFFRIFY_WEBHOOK_SECRET=" not in text, "no secret is baked in"
    wanted = (EXAMPLES / name / "requirements.txt").read_text("utf-8").split()
    assert wanted[0].startswith(f"coffrify-webhooks[{name},")
    assert any(f'"{server}"' in text or f"exec {server}" in text for server in wanted[1:])
