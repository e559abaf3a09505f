"""The collector of cyclic garbage, held back while a large payload is made into objects.

It walks all young objects again and again though none of them is garbage yet: more than half of
what a large event costs. There is one collector for a process, so that whoever comes last lets it
go on; what becomes garbage in the meantime waits for some hundredths of a second.
"""

import gc
import os
import threading

__all__ = ["uncollected"]


class _Uncollected:
    """A context in which there is no collection; may be entered by many threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._was_enabled = False

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._was_enabled = gc.isenabled()
                gc.disable()
            self._inside += 1

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._was_enabled:
                gc.enable()

    def begin_anew(self) -> None:
        """Forget the threads of the parent process, which are not in this one."""
        if self._inside and self._was_enabled:
            gc.enable()
        self._lock, self._inside = threading.Lock(), 0


uncollected: _Uncollected = _Uncollected()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=uncollected.begin_anew)
