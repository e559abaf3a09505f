"""A database file that only its owner may read: what it keeps is payloads."""

import os
from contextlib import suppress

__all__ = ["create_private"]


def create_private(path: str | os.PathLike[str]) -> None:
    """Make a file with mode 0600, unless it is there; sqlite makes those beside it alike.

    The mode of a file that is there is its owner's choice, as one that a group shares.
    """
    with suppress(OSError):  # whoever opens it says what is wrong
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
