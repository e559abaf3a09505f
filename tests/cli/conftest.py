"""No command takes a program of this process for one beside which it is run."""

import pytest


@pytest.fixture(autouse=True)
def no_program_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset what names one; tests of Django set it for the whole process."""
    for name in ("FLASK_APP", "DJANGO_SETTINGS_MODULE"):
        monkeypatch.delenv(name, raising=False)
