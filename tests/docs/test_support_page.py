"""What the page says is supported is what pyproject.toml allows and declares."""

import re
import tomllib
from pathlib import Path

from tests.docs.test_tables import rows

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_the_ranges_of_the_table_are_those_of_the_metadata() -> None:
    """Each package that an adapter, a store or an engine needs, from its oldest version on."""
    wanted = [*PROJECT["dependencies"]]
    for extra in (
        "flask",
        "django",
        "starlette",
        "fastapi",
        "sql",
        "redis",
        "dbos",
        "celery",
        "otel",
    ):
        wanted += PROJECT["optional-dependencies"][extra][:1]
    table = {row[0].lower(): row[1] for row in rows("support.md", "| Dependency | Versions |")}
    del table["python"]
    assert table == {_name(each): _range(each) for each in wanted}


def test_each_python_of_the_table_is_declared() -> None:
    """As a classifier, which the index shows; and the oldest is what pip asks for."""
    [row] = [row for row in rows("support.md", "| Dependency | Versions |") if row[0] == "Python"]
    found = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert row[1].split(", ") == found
    assert PROJECT["requires-python"] == f">={found[0]}"


def _name(requirement: str) -> str:
    return re.split(r"[\[><=]", requirement)[0].lower()


def _range(requirement: str) -> str:
    oldest, _, below = requirement.partition(">=")[2].partition(",<")
    return f"{oldest} and later" + (f", below {below}" if below else "")
