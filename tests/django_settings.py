"""The settings of the Django that the tests and the type checker see."""

import atexit
import tempfile
from pathlib import Path

import pymysql

# Django wants mysqlclient, whose wheel needs MySQL's own library; PyMySQL can stand in for it.
pymysql.install_as_MySQLdb()  # type: ignore[no-untyped-call, unused-ignore]

_folder = tempfile.TemporaryDirectory()
atexit.register(_folder.cleanup)

SECRET_KEY = "only-for-tests"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "tests.django_urls"
INSTALLED_APPS = ["coffrify_webhooks.django"]
MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(_folder.name) / "db"},
    # What these are, tests.django_databases fills in.
    "file": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(_folder.name) / "file"},
    "postgres": {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres"},
    "mariadb": {"ENGINE": "django.db.backends.mysql", "NAME": "test"},
}
COFFRIFY_WEBHOOKS = {"SECRETS": "a secret for tests", "STORE": "memory:"}
