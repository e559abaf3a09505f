"""What a process and its children hold, as Linux tells it."""

from pathlib import Path
from typing import NamedTuple

__all__ = ["Figures", "figures_of"]


class Figures(NamedTuple):
    """Of all processes together; rss in KiB."""

    rss: int
    descriptors: int
    sockets: int
    threads: int


def _tree(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += _tree(int(child))
    return found


def figures_of(pid: int) -> Figures:
    """Measure a process with all below it."""
    rss = descriptors = sockets = threads = 0
    for each in _tree(pid):
        lines = Path(f"/proc/{each}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        rss += int(fields["VmRSS"].split()[0])
        threads += int(fields["Threads"])
        for link in Path(f"/proc/{each}/fd").iterdir():
            try:
                sockets += str(link.readlink()).startswith("socket:")
            except FileNotFoundError:
                continue  # closed meanwhile
            descriptors += 1
    return Figures(rss, descriptors, sockets, threads)
