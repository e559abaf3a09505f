"""What `make release-check` looks at is all that there is, and the workflow keeps its promises."""

import re
import tomllib
from pathlib import Path

from release.check import EXTRAS, IMPORTS, LOWEST, PACKAGES
from release.newcomer import LAST, PAGES

ROOT = Path(__file__).parents[2]
WORKFLOW = (ROOT / ".github" / "workflows" / "publish.yml").read_text("utf-8")


def test_the_release_check_knows_every_extra_and_every_package() -> None:
    """A new one cannot be published unlooked at."""
    assert {*IMPORTS} - {""} == {*EXTRAS}
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    assert {Path(each).name for each in hatch["targets"]["wheel"]["packages"]} == {*PACKAGES}
    assert [each for each in LOWEST if not (ROOT / each).exists()] == []


def test_each_get_started_page_can_be_followed_to_its_end() -> None:
    """Each of the navigation's section; it has a secret, a server, a first event and a test."""
    started = (ROOT / "mkdocs.yml").read_text("utf-8").partition("- Get started:\n")[2]
    named = re.findall(r"(\w+)\.md$", started.partition("- How-to:")[0], re.MULTILINE)
    assert sorted(PAGES) == sorted(named)
    for name in PAGES:
        text = (ROOT / "docs" / f"{name}.md").read_text("utf-8")
        assert any(f"\n{each}\n" in text for each in LAST), name
        for line in ("pip install ", "export COFFRIFY_WEBHOOK_SECRET=", "coffrify-webhooks send "):
            assert f"\n{line}" in text, name


def test_the_workflow_trusts_no_tag_and_gives_one_job_the_right_to_publish() -> None:
    """Each action is pinned to a commit, and nothing is permitted that is not written there."""
    used = re.findall(r"uses: (\S+)", WORKFLOW)
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each)] == []
    assert "\npermissions: {}\n" in WORKFLOW
    assert WORKFLOW.count("id-token: write") == 1
    assert "secrets." not in WORKFLOW
    assert "make release-check" in WORKFLOW
