"""The events in Django's admin: to look at, to replay, to forget."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin, messages
from django.db.models.functions import Length
from django.utils.decorators import method_decorator

from coffrify_webhooks.errors import HandlerError, WebhookError
from coffrify_webhooks.stores.record import plain

from .conf import current_endpoint
from .models import WebhookEvent
from .store import DjangoStore
from .transactions import outside_transactions

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

__all__ = ["WebhookEventAdmin"]

if TYPE_CHECKING:  # generic to type checkers only
    _Admin = admin.ModelAdmin[WebhookEvent]
else:
    _Admin = admin.ModelAdmin


@admin.register(WebhookEvent)
class WebhookEventAdmin(_Admin):
    """Shows events and never their bodies; changes them only by the store and the receiver."""

    list_display = ("event_type", "event_id", "status", "attempts", "received", "touched", "error")
    list_filter = ("status", "event_type")
    search_fields = ("^event_id",)
    search_help_text = "An id, or its beginning."
    ordering = ("-touched_at",)
    show_full_result_count = False
    actions = ("replay", "forget")
    fields = (
        "event_type",
        "event_id",
        "receiver",
        "status",
        "attempts",
        "received",
        "touched",
        "leased",
        "finished",
        "error",
        "delivery",
        "body_size",
        "digest",
        "event_key",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEvent]:
        """Look into the store's database, and leave the bodies there."""
        events = super().get_queryset(request)
        store = current_endpoint().receiver.store
        if isinstance(store, DjangoStore):
            events = events.using(store.using)
        return events.defer("body", "token").annotate(body_size=Length("body"))

    @admin.display(description="received", ordering="received_at")
    def received(self, event: WebhookEvent) -> datetime:
        """When it first arrived."""
        return _moment(event.received_at)

    @admin.display(description="changed", ordering="touched_at")
    def touched(self, event: WebhookEvent) -> datetime:
        """When its status changed for the last time."""
        return _moment(event.touched_at)

    @admin.display(description="claimed until")
    def leased(self, event: WebhookEvent) -> datetime | None:
        """Until when its claim holds, if nobody renews it."""
        return _moment(event.lease_until) if event.lease_until else None

    @admin.display(description="body")
    def body_size(self, event: Any) -> str:
        """How many bytes are kept for a replay."""
        return "not kept" if event.body_size is None else f"{event.body_size} bytes"

    # --- what nobody may do here -----------------------------------------------------------------

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: events come from the sender."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: what is on record is what happened."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: forgetting has an action, with a permission of its own."""
        return False

    # --- the actions -----------------------------------------------------------------------------

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may let events be handled again."""
        return _may(request, "replay_webhookevent")

    def has_forget_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may let events be forgotten."""
        return _may(request, "forget_webhookevent")

    # Under ATOMIC_REQUESTS a claim would be seen by nobody until the request is over.
    @method_decorator(outside_transactions)
    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """List the events, or act on those that are chosen."""
        return super().changelist_view(request, extra_context)

    @admin.action(permissions=["replay"], description="Replay: handle again what has not finished")
    def replay(self, request: HttpRequest, chosen: QuerySet[WebhookEvent]) -> None:
        """Handle each again, oldest first, from the body that was kept."""
        for event in chosen.order_by("received_at"):
            level, text = _replay(event)
            self.message_user(request, f"Event {event}: {text}", level)

    @admin.action(permissions=["forget"], description="Forget: the next delivery is handled anew")
    def forget(self, request: HttpRequest, chosen: QuerySet[WebhookEvent]) -> None:
        """Drop all that is known of each."""
        store = current_endpoint().receiver.store
        try:
            forgotten = [event for event in chosen if store.forget(event.event_key)]
        except WebhookError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, f"{len(forgotten)} forgotten", messages.SUCCESS)


def _may(request: HttpRequest, permission: str) -> bool:
    user = cast("Any", request.user)
    return bool(user.has_perm(f"coffrify_webhooks.{permission}"))


def _replay(event: WebhookEvent) -> tuple[int, str]:
    receiver = current_endpoint().receiver
    if event.receiver != plain(receiver.name):
        return messages.ERROR, f"it was for the receiver {event.receiver}, not {receiver.name}"
    try:
        record = receiver.store.get(event.event_key)
        if record is None:
            return messages.WARNING, "forgotten meanwhile"
        outcome = receiver.replay(record)
    except HandlerError as error:
        return messages.ERROR, error.reason
    except WebhookError as error:
        return messages.ERROR, str(error)
    return messages.SUCCESS if outcome in ("handled", "queued") else messages.WARNING, outcome


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
