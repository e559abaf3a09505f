"""Checks what is about to be published: `make release-check`. Needs the package index, and minutes.

Builds the distributions, and looks at them as their users get them: metadata, contents, licences,
each extra in an empty environment, the lowest dependencies, the Get started pages followed by their
text alone, the types, the site, the workflow. A bill of materials is left beside them, in dist/.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
UV = os.environ.get("UV", "uv")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]

PACKAGES = {
    "coffrify_webhooks": "the core",
    "coffrify_webhooks_flask": "imported beside Flask alone",
    "coffrify_webhooks_django": "an app of Django's, with its migrations",
    "coffrify_webhooks_starlette": "imported beside Starlette alone",
    "coffrify_webhooks_fastapi": "imported beside FastAPI alone",
    "coffrify_webhooks_codegen": "the generator of classes, and the catalog",
    "coffrify_webhooks_sandbox": "the sender's side, for development",
    "coffrify_webhooks_examples": "what the demo and the sandbox run",
}
"""The wheel's top-level packages, and why each is there."""

MOST_BYTES = {".whl": 1_000_000, ".gz": 3_000_000}

IMPORTS = {
    "": "coffrify_webhooks, coffrify_webhooks.asgi, coffrify_webhooks.wsgi",
    "flask": "coffrify_webhooks.flask",
    "django": "coffrify_webhooks.django",
    "starlette": "coffrify_webhooks.starlette",
    "fastapi": "coffrify_webhooks.fastapi",
    "sql": "coffrify_webhooks.stores.sql",
    "postgresql": "coffrify_webhooks.stores.sql, psycopg",
    "postgresql-async": "coffrify_webhooks.stores.sql_async, asyncpg",
    "mysql": "coffrify_webhooks.stores.sql, pymysql",
    "redis": "coffrify_webhooks.stores.redis",
    "redis-async": "coffrify_webhooks.stores.redis_async",
    "inbox": "coffrify_webhooks.inbox",
    "dbos": "coffrify_webhooks.dispatch.dbos",
    "celery": "coffrify_webhooks.dispatch.celery",
    "otel": "coffrify_webhooks.otel",
    "cli": "coffrify_webhooks.cli.group, coffrify_webhooks.cli.send",
    "sandbox": "coffrify_webhooks_sandbox",
    "codegen": "coffrify_webhooks_codegen.package",
    "testing": "coffrify_webhooks.testing.strategies",
    "demo": "coffrify_webhooks.cli.demo",
    "all": "coffrify_webhooks.otel, coffrify_webhooks.fastapi, coffrify_webhooks_sandbox",
}
"""By extra, what it is for: the modules that it lets one import."""

FIRST_DELIVERY = """
from coffrify_webhooks import Receiver, Router, sign
router, seen = Router(), []
router.on("transfer.created")(seen.append)
body = b'{"id": "evt_1", "type": "transfer.created", "data": {"id": "tr_1"}}'
reply = Receiver("whsec_" + "ab" * 16, router=router, store="memory:").receive(
    body, sign(body, "whsec_" + "ab" * 16)
)
assert (reply.outcome, seen[0].data.id) == ("handled", "tr_1"), reply
"""

LOWEST = [
    "tests/adapters/test_flask.py",
    "tests/adapters/test_starlette.py",
    "tests/adapters/test_fastapi.py",
    "tests/adapters/test_fastapi_schema.py",
    "tests/adapters/test_django.py",
    "tests/test_receiver.py",
    "tests/test_parsing.py",
]
"""What is run with the oldest versions that are allowed."""

TESTERS = ["anyio[trio]", "httpx", "pytest", "pytest-timeout", "sybil"]
"""What those tests need besides."""

TYPES = ["pyright[nodejs]", "django-stubs"]
"""Django has no types of its own."""


class CheckError(Exception):
    """A check that did not hold."""


def run(*command: object, **options: object) -> str:
    """Run a command and return what it wrote; raise CheckError with that if it fails."""
    ended = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        **{"cwd": ROOT, **options},  # type: ignore[call-overload]
    )
    text = f"{ended.stdout}{ended.stderr}".strip()
    if ended.returncode:
        raise CheckError(f"{' '.join(map(str, command))[:200]}\n{text[-4000:]}")
    return text


def tool(name: str, *arguments: object, package: str = "") -> str:
    """Run a tool in an environment of its own."""
    return run(UV, "tool", "run", "--quiet", "--from", package or name, name, *arguments)


def distributions() -> tuple[Path, Path]:
    """Return the wheel and the source distribution."""
    [wheel], [source] = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    return wheel, source


def build() -> str:
    """Build both, the wheel from the source distribution."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(UV, "build", "--quiet", "--out-dir", DIST)
    return ", ".join(f"{each.name} {each.stat().st_size:_} bytes" for each in distributions())


def metadata() -> str:
    """Does the index show the README, and are its links and the project's absolute?"""
    tool("twine", "check", "--strict", *distributions())
    readme = (ROOT / "README.md").read_text("utf-8")
    links = [*re.findall(r"\]\(([^)]+)\)", readme), *PROJECT["project"]["urls"].values()]
    relative = [each for each in links if not each.startswith("https://")]
    if relative:
        raise CheckError(f"these links lead nowhere on the index: {relative}")
    return "twine check --strict passed; all links are absolute"


def changelog() -> str:
    """Does the changelog say what is new in this version?"""
    version = distributions()[0].name.split("-")[1]
    heading = (ROOT / "CHANGELOG.md").read_text("utf-8").partition("\n## ")[2].splitlines()[0]
    if not heading.startswith(version):
        raise CheckError(
            f"CHANGELOG.md begins with ## {heading}; move its lines under ## {version}"
        )
    return f"## {heading}"


def contents() -> str:
    """Just our packages, each with its types and nothing that was left lying about."""
    wheel, source = distributions()
    for each in (wheel, source):
        most = MOST_BYTES[each.suffix]
        if each.stat().st_size > most:
            raise CheckError(f"{each.name} is larger than {most:_} bytes")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    if tops != {*PACKAGES}:
        raise CheckError(f"the wheel's packages are {sorted(tops)}")
    untyped = [top for top in tops if f"{top}/py.typed" not in names]
    with tarfile.open(source) as archive:
        both = [*names, *archive.getnames()]
    strays = [
        each for each in both if re.search(r"__pycache__|\.pyc$|\.db$|\.egg-info|/\.venv", each)
    ]
    if untyped or strays:
        raise CheckError(f"without py.typed: {untyped}; left lying about: {strays}")
    return f"{len(names)} files in {len(tops)} packages"


def licences() -> str:
    """Ours is in the wheel; each file of others has its licence, and is the file it says."""
    names = zipfile.ZipFile(distributions()[0]).namelist()
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        raise CheckError("the wheel has no LICENSE")
    folder = ROOT / "sandbox/coffrify_webhooks_sandbox/dashboard/static"
    notice = (folder / "NOTICE.md").read_text("utf-8")
    rows = re.findall(
        r"^\| `([^`]+)` \|.*`([\w.-]+LICENSE[\w.-]*)`.*`?([0-9a-f]{64})", notice, re.MULTILINE
    )
    minified = sorted(each.name for each in folder.glob("*.min.js"))
    if sorted(name for name, _, _ in rows) != minified:
        raise CheckError(f"NOTICE.md has {rows}, the folder {minified}")
    for name, licence, digest in rows:
        if sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise CheckError(f"{name} is not the file that NOTICE.md says")
        if not any(path.endswith(f"/{licence}") for path in names):
            raise CheckError(f"the wheel has no {licence}, of {name}")
    return f"LICENSE, and {', '.join(minified)} with theirs"


def extras(pythons: list[str]) -> str:
    """Install each in an empty environment, and import what it is for."""
    if {*IMPORTS} - {""} != {*EXTRAS}:
        raise CheckError(
            f"release/check.py does not know the extras {sorted({*EXTRAS} ^ {*IMPORTS})}"
        )
    wheel = distributions()[0]
    for python in pythons:
        for extra, modules in IMPORTS.items():
            with environment(python) as found:
                wanted = f"{wheel}[{extra}]" if extra else str(wheel)
                run(UV, "pip", "install", "--quiet", "--python", found, wanted)
                run(found, "-W", "error", "-c", FIRST_DELIVERY, cwd=found.parent)
                run(found, "-c", f"import {modules}", cwd=found.parent, env=DJANGO)
    return f"{len(IMPORTS) - 1} extras, and none, on {', '.join(pythons)}"


DJANGO = {**os.environ, "DJANGO_SETTINGS_MODULE": "django.conf.global_settings"}


@contextmanager
def environment(python: str) -> Iterator[Path]:
    """Make an environment in a folder of its own, and yield its Python."""
    chosen = {**os.environ, "PYENV_VERSION": python}  # pyenv's shims run only what is chosen
    with TemporaryDirectory() as folder:
        run(UV, "venv", "--quiet", "--python", python, Path(folder, "venv"), env=chosen)
        yield Path(folder, "venv/bin/python")


def lowest(python: str) -> str:
    """Run the adapters' tests with the oldest versions that pyproject.toml allows."""
    with environment(python) as found:
        pins = found.parents[2] / "lowest.txt"
        resolved = ("pip", "compile", "--quiet", "pyproject.toml", "--all-extras", "--no-header")
        run(UV, *resolved, "--python", python, "--resolution", "lowest-direct", "-o", pins)
        run(UV, "pip", "install", "--quiet", "--python", found, "-r", pins, "-c", pins, *TESTERS)
        run(UV, "pip", "install", "--quiet", "--python", found, "--no-deps", distributions()[0])
        # Old releases use what others have deprecated since.
        calm = ("-p", "no:cacheprovider", "-W", "ignore::DeprecationWarning")
        ran = run(found, "-m", "pytest", "-q", *calm, *LOWEST)
        direct = [
            *PROJECT["project"]["dependencies"],
            *(each for extra in EXTRAS.values() for each in extra),
        ]
        names = {re.split(r"[\[><=]", each)[0].lower() for each in direct}
        pinned = re.findall(r"^([\w-]+)(?:\[.*\])?==(\S+)", pins.read_text("utf-8"), re.MULTILINE)
        shown = ", ".join(f"{name} {version}" for name, version in pinned if name in names)
        return f"{ran.splitlines()[-1]} ({shown})"


def newcomer() -> str:
    """Does each Get started page lead from nothing to a handled delivery and a green test?"""
    text = run(sys.executable, "release/newcomer.py", distributions()[0])
    return ", ".join(line.split()[0] for line in text.splitlines())


def types(python: str) -> str:
    """Are all public types known to those who install the wheel?"""
    with environment(python) as found:
        wheel = distributions()[0]
        run(UV, "pip", "install", "--quiet", "--python", found, f"{wheel}[all]", *TYPES)
        path = f"{found.parent}{os.pathsep}{os.environ['PATH']}"
        command = [
            found.parent / "pyright",
            "--verifytypes",
            "coffrify_webhooks",
            "--ignoreexternal",
        ]
        text = run(*command, env={**os.environ, "PATH": path}, cwd=found.parent)
    score = re.search(r"completeness score: (.*)", text)
    if score is None or score[1] != "100%":
        raise CheckError(text[-2000:])
    return f"completeness score {score[1]}"


def site() -> str:
    """Does the documentation build without a warning?"""
    run("make", "docs", f"UV={UV}")
    return f"{len([*(ROOT / 'site').rglob('*.html')])} pages"


def workflow() -> str:
    """Is the workflow that publishes without what an attacker could use?"""
    return tool("zizmor", "--offline", "--pedantic", "--quiet", ".github/workflows")


def materials(python: str) -> str:
    """Write the bill of materials of what `pip install coffrify-webhooks` brings."""
    target = DIST / "sbom.cdx.json"
    with environment(python) as found:
        run(UV, "pip", "install", "--quiet", "--python", found, distributions()[0])
        tool(
            "cyclonedx-py",
            "environment",
            found,
            "--output-reproducible",
            "-o",
            target,
            package="cyclonedx-bom",
        )
    parts = json.loads(target.read_text("utf-8"))["components"]
    return ", ".join(sorted(f"{each['name']} {each['version']}" for each in parts))


def main() -> int:
    """Run every check, tell of each, and end with how many did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", action="append", help="such as 3.12; else 3.11 to 3.14")
    parser.add_argument("--only", action="append", help="the name of a check")
    given = parser.parse_args()
    pythons = given.python or ["3.11", "3.12", "3.13", "3.14"]
    checks: dict[str, Callable[[], str]] = {
        "build": build,
        "metadata": metadata,
        "changelog": changelog,
        "contents": contents,
        "licences": licences,
        "extras": lambda: extras(pythons),
        "lowest": lambda: lowest(pythons[0]),
        "newcomer": newcomer,
        "types": lambda: types(pythons[0]),
        "site": site,
        "workflow": workflow,
        "materials": lambda: materials(pythons[0]),
    }
    failed = 0
    for name, check in checks.items():
        if given.only and name not in given.only:
            continue
        began = monotonic()
        try:
            said = check()
        except CheckError as failure:
            failed += 1
            said = f"FAILED: {failure}"
        print(f"{name:10} {monotonic() - began:5.0f} s  {said}", flush=True)
    print(f"{failed} of {len(given.only or checks)} checks failed")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
