"""The page, and the endpoint at /webhooks/coffrify."""

from django.urls import include, path
from transfers.views import index

urlpatterns = [
    path("", index),
    path("webhooks/", include("coffrify_webhooks.django.urls")),
]
