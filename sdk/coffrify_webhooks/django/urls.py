"""`path("webhooks/", include("coffrify_webhooks.django.urls"))` serves webhooks/coffrify."""

from coffrify_webhooks_django.urls import app_name, urlpatterns

__all__ = ["app_name", "urlpatterns"]
