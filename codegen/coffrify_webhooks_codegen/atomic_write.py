"""Writing aside: a file is whole or not there, also when the process dies half-way."""

import os
import secrets
from pathlib import Path

__all__ = ["replace_file"]


def replace_file(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write the content beside the file, then move it there; private: readable by us alone."""
    temporary = path.with_name(f".{path.name[:40]}-{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
