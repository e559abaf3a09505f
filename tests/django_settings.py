"""The settings of the Django that the tests and the type checker see."""

import atexit
import tempfile
from pathlib import Path

_folder = tempfile.TemporaryDirectory()
atexit.register(_folder.cleanup)

SECRET_KEY = "only-for-tests"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "tests.django_urls"
INSTALLED_APPS = ["coffrify_webhooks.django"]
MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(_folder.name) / "db"}}
COFFRIFY_WEBHOOKS = {"SECRETS": "a secret for tests", "STORE": "memory:"}
