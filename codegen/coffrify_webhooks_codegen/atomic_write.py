"""Writes a file atomically: it is complete or absent, even if the process dies meanwhile."""

import os
import secrets
from pathlib import Path

__all__ = ["replace_file"]


def replace_file(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write to a temporary file, then rename it; private: only its owner may read it."""
    temporary = path.with_name(f".{path.name[:40]}-{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
