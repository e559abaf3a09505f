"""Finds the program that a command is run beside, when it is not named: as its framework would.

In this order: FLASK_APP; DJANGO_SETTINGS_MODULE; a manage.py, wsgi.py or app.py in this folder.
"""

import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from coffrify_webhooks.applications.endpoints import receivers_in
from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.receiver import Receiver

from .application import importing, receiver_of

__all__ = ["receiver_here"]

_DJANGO, _FLASK = "DJANGO_SETTINGS_MODULE", "FLASK_APP"
_SETTINGS = re.compile(rf"""["']{_DJANGO}["']\s*,\s*["']([\w.]+)["']""")
_MIDDLEWARE = ("coffrify_webhooks.django.", "coffrify_webhooks_django.")


def receiver_here() -> Receiver | None:
    """Return the Receiver of the program in this folder, and say on stderr which that is.

    None if there is no program, or if it has none. Raises ConfigurationError if it cannot be
    imported, or has several.
    """
    _load_dotenv()
    if os.environ.get(_FLASK) and find_spec("flask"):
        return _tell_choice(f"{_FLASK}={os.environ[_FLASK]}", _of_flask(os.environ[_FLASK]))
    if os.environ.get(_DJANGO) and find_spec("django"):
        return _tell_choice(f"{_DJANGO}={os.environ[_DJANGO]}", _of_django())
    if Path("manage.py").is_file() and find_spec("django"):
        named = _SETTINGS.search(Path("manage.py").read_text("utf-8", "replace"))
        if named is not None:
            os.environ[_DJANGO] = named[1]
            return _tell_choice(f"manage.py, whose settings are {named[1]}", _of_django())
    for name in ("wsgi", "app"):
        if Path(f"{name}.py").is_file() or Path(name, "__init__.py").is_file():
            found = _tell_choice(f"{name}.py", receiver_of(name, f"{name}.py"))
            if found is not None:
                return found
    return None


def _tell_choice(what: str, receiver: Receiver | None) -> Receiver | None:
    if receiver is not None:
        click.echo(f"using {what} (--app names another)", err=True)
    return receiver


def _load_dotenv() -> None:
    """Read .env and .flaskenv as `flask` does, which has FLASK_APP and secrets from there."""
    if any(Path(each).is_file() for each in (".env", ".flaskenv")) and find_spec("flask"):
        from flask.cli import load_dotenv

        load_dotenv()


def _of_flask(path: str) -> Receiver | None:
    from flask.cli import NoAppException, ScriptInfo

    with importing(f"{_FLASK}={path}"):
        try:
            app = ScriptInfo(app_import_path=path).load_app()
        except NoAppException as error:
            reason = error.format_message().strip().splitlines()[-1]  # not a traceback
            raise ConfigurationError(f"{_FLASK}={path}: {reason}") from error
    found = receivers_in(app)
    if len(found) > 1:
        raise ConfigurationError(
            f"the application of {_FLASK}={path} has several Receivers: use `flask "
            "coffrify-webhooks --path PATH ...`"
        )
    return found[0] if found else None


def _of_django() -> Receiver | None:
    import django
    from django.conf import settings

    with importing(f"{_DJANGO}={os.environ[_DJANGO]}"):
        django.setup()
        if not _is_used(settings):
            return None
        from coffrify_webhooks_django.conf import current_endpoint

        return current_endpoint().receiver


def _is_used(settings: Any) -> bool:
    from django.apps import apps

    return (
        hasattr(settings, "COFFRIFY_WEBHOOKS")
        or apps.is_installed("coffrify_webhooks_django")
        or any(each.startswith(_MIDDLEWARE) for each in settings.MIDDLEWARE)
    )
