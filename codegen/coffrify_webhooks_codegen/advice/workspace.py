"""A copy of a user's program in a folder of its own, in which the event classes can be replaced."""

import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks_codegen.catalog import Catalog
from coffrify_webhooks_codegen.classes.folder import replace
from coffrify_webhooks_codegen.classes.lock import FILE, Lock, read
from coffrify_webhooks_codegen.package import files

__all__ = ["CONFIGURATIONS", "Workspace"]

CONFIGURATIONS = ("mypy.ini", ".mypy.ini", "pyproject.toml", "setup.cfg", "pyrightconfig.json")
"""Where a checker's settings are."""
_MOST_FILES = 20_000
_LEFT_OUT = {"__pycache__", ".git", ".venv", "venv", "node_modules", ".tox", "site-packages"}


class Workspace:
    """The copy: what is checked in it, and which of the user's files each of its files is.

    modules: those with handlers; with each comes all of its top-level package. events: the package
    of event classes that the program imports.

    Raises ConfigurationError for what cannot be copied.
    """

    def __init__(self, folder: Path, modules: Iterable[str], events: str) -> None:
        self.folder = folder.resolve()
        self.roots: list[Path] = []
        """Where the program's own modules are imported from."""
        self.checked: list[str] = []
        """The user's files, relative to the copy."""
        self._originals: dict[str, Path] = {}
        tops = dict.fromkeys(each.partition(".")[0] for each in modules if each)
        for top in tops:
            self._copy(top, is_checked=True)
        top = events.partition(".")[0]
        if top not in tops:
            self._copy(top, is_checked=False)
        self._events = self.folder.joinpath(*events.split("."))
        self._lock: Lock = read(self._events)
        inside = self._events.relative_to(self.folder).as_posix() + "/"
        self.checked = [each for each in self.checked if not each.startswith(inside)]
        for name in CONFIGURATIONS:
            with suppress(OSError):
                shutil.copyfile(name, self.folder / name)

    def use(self, catalog: Catalog) -> Lock:
        """Make the event classes those of a catalog, by the names that were given before."""
        made = files(catalog, self._lock)
        shutil.rmtree(self._events, ignore_errors=True)
        self._events.mkdir(parents=True)
        replace(made, self._events)
        self._lock = read(self._events)
        return self._lock

    def original(self, name: str) -> Path | None:
        """Return the user's file that a file of the copy is."""
        path = Path(name)
        with suppress(ValueError):
            path = (path if path.is_absolute() else self.folder / path).relative_to(self.folder)
        return self._originals.get(path.as_posix())

    def _copy(self, top: str, *, is_checked: bool) -> None:
        module = sys.modules.get(top)
        spec = getattr(module, "__spec__", None) or find_spec(top)
        places = list(spec.submodule_search_locations or ()) if spec is not None else []
        if places:
            self._copy_folder(Path(places[0]).resolve(), top, is_checked=is_checked)
            return
        origin = None if spec is None else spec.origin
        origin = origin or getattr(module, "__file__", None)
        if origin is None or not Path(origin).is_file():
            raise ConfigurationError(f"{top} has no source file that a type checker could read")
        self._add(Path(origin).resolve(), f"{top}.py", is_checked=is_checked)
        self.roots.append(Path(origin).resolve().parent)

    def _copy_folder(self, place: Path, top: str, *, is_checked: bool) -> None:
        self.roots.append(place.parent)
        names = ("*.py", "*.pyi", "py.typed", FILE)
        found = [each for name in names for each in place.rglob(name)]
        for number, path in enumerate(sorted(found)):
            inside = path.relative_to(place)
            if number > _MOST_FILES:
                raise ConfigurationError(
                    f"{place} has more than {_MOST_FILES} source files; move the handlers to a "
                    "package of their own"
                )
            if not _LEFT_OUT.intersection(inside.parts):
                self._add(path, f"{top}/{inside.as_posix()}", is_checked=is_checked)

    def _add(self, path: Path, name: str, *, is_checked: bool) -> None:
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        self._originals[name] = path
        if is_checked and target.suffix == ".py":
            self.checked.append(name)
