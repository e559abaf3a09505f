"""An audit trail of transfers: the settings, short as they can be."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).parents[1]
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "only-for-trying")
ALLOWED_HOSTS = os.environ.get("DJANGO_ALLOWED_HOSTS", "127.0.0.1,localhost,testserver").split(",")
ROOT_URLCONF = "site_project.urls"
INSTALLED_APPS = ["coffrify_webhooks.django", "transfers"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware"]
TEMPLATES = [
    {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True},
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE_URL", "sqlite:///audit.db").removeprefix("sqlite:///"),
        # A file: the threads of a live server would share one connection to a database in memory.
        "TEST": {"NAME": BASE_DIR / "test.db"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
STATIC_URL = "static/"
COFFRIFY_WEBHOOKS = {"HEALTH": True}
