"""The webhook endpoint as a Django view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.views.decorators.csrf import csrf_exempt

from .conf import current_endpoint
from .http import receive
from .transactions import outside_transactions

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

__all__ = ["webhook"]


# Outside ATOMIC_REQUESTS: a rolled-back request must not take a handled event's effects along.
@csrf_exempt
@outside_transactions
def webhook(request: HttpRequest) -> HttpResponse:
    """Take one delivery; the signature, not a CSRF token, proves the sender."""
    return receive(current_endpoint().receiver, request)
