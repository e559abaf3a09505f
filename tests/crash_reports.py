"""What a crash reporter keeps of an error: the locals of each frame, and what caused it."""

from collections.abc import Iterator
from pathlib import Path

__all__ = ["assert_hidden", "shown_by"]

_TESTS = str(Path(__file__).parent)


def shown_by(error: BaseException, seen: set[int] | None = None) -> Iterator[str]:
    """All that a crash reporter may keep of an error, and of those that led to it.

    The frames of tests are left out: they are the user's.
    """
    seen = set() if seen is None else seen
    if id(error) in seen:
        return
    seen.add(id(error))
    yield f"{error!r} {error} {vars(error)!r} {error.args!r}"
    yield from (repr(getattr(error, name, None)) for name in ("doc", "object", "obj", "name"))
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if not frame.f_code.co_filename.startswith(_TESTS):
            for name, value in frame.f_locals.items():
                yield f"{name} = {value!r}"
        trace = trace.tb_next
    for other in (error.__cause__, error.__context__):
        if other is not None:
            yield from shown_by(other, seen)


def assert_hidden(error: BaseException, *texts: str) -> None:
    shown = list(shown_by(error))
    for text in texts:
        assert [each for each in shown if text in each] == []
