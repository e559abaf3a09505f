"""Writes docs/llms.txt, the list of the pages for programs that read: `make reference`."""

import re
from pathlib import Path

__all__ = ["PAGE", "page"]

PAGE = Path(__file__).with_name("llms.txt")
_ROOT = PAGE.parents[1]
_FIRST_SENTENCE = re.compile(r"^(?!```)[^#\n|\-<!].+?(?:\.|:)(?=\s|$)", re.MULTILINE | re.DOTALL)


def page() -> str:
    """Return the list: each page of the navigation under its section, with its first sentence."""
    settings = (_ROOT / "mkdocs.yml").read_text("utf-8")
    said = re.search(r"^site_description: (.+)$", settings, re.MULTILINE)
    lines = ["# coffrify-webhooks", "", f"> {said[1] if said else ''}"]
    for entry in settings.partition("\nnav:\n")[2].splitlines():
        title, _, name = entry.strip().removeprefix("- ").rpartition(":")
        title = title.strip('"')
        if not name:
            lines += ["", f"## {title}", ""]
            continue
        if not entry.startswith("    "):
            lines += ["", "## Pages", ""]
        lines.append(
            f"- [{title}]({name.strip()}): {_first_sentence(PAGE.with_name(name.strip()))}"
        )
    return "\n".join(lines) + "\n"


def _first_sentence(path: Path) -> str:
    found = _FIRST_SENTENCE.search(path.read_text("utf-8").partition("\n")[2])
    if found is None:
        raise LookupError(f"{path.name} does not begin with a sentence")
    plain = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", found[0])
    return " ".join(plain.split()).rstrip(":.") + "."


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
