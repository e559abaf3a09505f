"""The URLs of the tests' Django: the webhook endpoint, and a view that is none of its business."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body)


urlpatterns = [
    path("webhooks/", include("coffrify_webhooks.django.urls")),
    path("echo", echo),
]
