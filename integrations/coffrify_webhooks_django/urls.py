"""`path("webhooks/", include("coffrify_webhooks.django.urls"))` serves webhooks/coffrify."""

from django.urls import URLPattern, re_path

from .views import health, webhook

app_name = "coffrify_webhooks"
# Not `$`, which also matches before a newline, as %0A in a URL brings one.
urlpatterns: list[URLPattern] = [
    re_path(r"^coffrify/?\Z", webhook, name="webhook"),
    re_path(r"^coffrify/health/?\Z", health, name="health"),  # 404 without the setting HEALTH
]
