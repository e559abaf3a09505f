"""What the demo serves: the example applications, with the handlers that misbehave on top."""

from typing import TYPE_CHECKING

from . import demo_handlers  # which registers its handlers

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from starlette.types import ASGIApp

__all__ = ["demo_handlers", "django", "flask", "flask_with_dbos", "starlette"]


def flask() -> "WSGIApplication":
    """Return the Flask application."""
    from .flask_app import app  # each server imports its own framework alone

    return app


def flask_with_dbos() -> "WSGIApplication":
    """Return the Flask application that hands its events to DBOS."""
    from .demo_engine import app

    return app


def django() -> "WSGIApplication":
    """Return the Django application."""
    from .django_app import application

    return application


def starlette() -> "ASGIApp":
    """Return the Starlette application."""
    from .starlette_app import app

    return app
