"""The page that shows the trail."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from .models import Entry


def index(request: HttpRequest) -> HttpResponse:
    """Show the entries that were signed last."""
    return render(request, "transfers/index.html", {"entries": Entry.objects.all()[:100]})
