"""Coffrify webhooks in Django, in one file: `gunicorn coffrify_webhooks_examples.django_app`.

The secret comes from the variable COFFRIFY_WEBHOOK_SECRET. The handlers are found in the
`webhooks` module of each installed app.
"""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    INSTALLED_APPS=["coffrify_webhooks.django", "coffrify_webhooks_examples"],
    MIDDLEWARE=["coffrify_webhooks.django.CoffrifyWebhooksMiddleware"],
    ROOT_URLCONF=__name__,
)


def index(_: HttpRequest) -> HttpResponse:
    """Stand for the rest of the application."""
    return HttpResponse("Webhooks arrive at /webhooks/coffrify.")


urlpatterns = [path("", index)]
application = get_wsgi_application()
