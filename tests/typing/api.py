"""What type checkers must make of the public API: checked by mypy and pyright, never run.

Each `type: ignore` here is a mistake that both must find: an ignore that nothing needs is itself
an error (mypy's warn_unused_ignores, pyright's reportUnnecessaryTypeIgnoreComment).
"""
# pyright: reportUnnecessaryTypeIgnoreComment=true, reportUnusedFunction=false

import sys
from collections.abc import Callable
from typing import assert_type

from coffrify_webhooks import (
    Delivery,
    Event,
    Health,
    Receiver,
    Reply,
    Router,
    Secret,
    UnknownEvent,
    Verifier,
    on,
    parse,
    sign,
    verify,
)
from coffrify_webhooks.events import (
    ApiKey,
    ApiKeyCreated,
    File,
    Transfer,
    TransferCreated,
    TransferDeleted,
)
from coffrify_webhooks.otel import instrument
from coffrify_webhooks.testing import (
    Kit,
    Report,
    Result,
    SignedRequest,
    check_handlers,
    deliver,
    deliver_async,
    isolated,
    make_delivery,
    make_event,
)

# --- handlers of one event --------------------------------------------------------------------


@on("transfer.created")
def announce(event: TransferCreated) -> None:
    assert_type(event.id, str | None)
    assert_type(event.data, Transfer)
    assert_type(event.data.id, str)
    assert_type(event.data.files, list[File] | None)
    assert_type(event.raw, bytes)


assert_type(announce, Callable[[TransferCreated], None])


@on("transfer.created")
def takes_any_event(event: Event) -> int:
    return len(event.type)


@on("transfer.created")
def takes_the_delivery(event: TransferCreated, delivery: Delivery) -> None:
    assert_type(delivery.id, str | None)


@on("transfer.created")
async def later(event: TransferCreated) -> None: ...


@on("transfer.created")  # type: ignore[arg-type]
def wrong_event(event: TransferDeleted) -> None: ...


@on("transfer.created")  # type: ignore[arg-type]
def wrong_data(event: ApiKey) -> None: ...


@on("transfer.created")  # type: ignore[arg-type]
def no_event() -> None: ...


# --- classes, families, everything ------------------------------------------------------------


@on(TransferCreated, TransferDeleted)
def both(event: TransferCreated | TransferDeleted) -> None: ...


@on(TransferCreated, TransferDeleted)  # type: ignore[arg-type]
def half(event: TransferCreated) -> None: ...


@on("transfer.*")
def family(event: Event) -> None: ...


@on("transfer.*")  # type: ignore[arg-type]
def family_too_narrow(event: TransferCreated) -> None: ...


@on("*")
def everything(event: Event) -> None: ...


@on(UnknownEvent)
def unknown(event: UnknownEvent) -> None: ...


def dynamic(name: str) -> None:
    @on(name, name="dynamic", allow_unknown=True)
    def handler(event: Event) -> None: ...


on(5)  # type: ignore[call-overload]

# --- routers and receivers --------------------------------------------------------------------

router = Router()


@router.on("transfer.deleted")
def deleted(event: TransferDeleted) -> None: ...


receiver = Receiver(["whsec_a", Secret("b", encoding="text")], router=router, store="memory:")


@receiver.on("transfer.deleted")  # type: ignore[arg-type]
def deleted_wrong(event: TransferCreated) -> None: ...


def secrets() -> list[str]:
    return ["a"]


Receiver(secrets)
Receiver("a", tolernce=5)  # type: ignore[arg-type]
Receiver("a", schemes=("standrad",))  # type: ignore[arg-type]
Secret("a", encoding="utf-8")  # type: ignore[arg-type]

assert_type(receiver.receive(b"", {}), Reply)
assert_type(receiver.receive(b"", [(b"name", b"value")]), Reply)
assert_type(receiver.receive(b"", {}).status, int)
assert_type(receiver.receive(b"", {}).event, Event | None)


async def receive_async() -> None:
    assert_type(await receiver.receive_async(b"", {}), Reply)


# --- functions --------------------------------------------------------------------------------

assert_type(verify(b"", {}, "secret"), Delivery)
assert_type(Verifier(["secret"]).verify(b"", {}), Delivery)
assert_type(parse(b""), Event)
assert_type(sign(b"", "secret"), dict[str, str])

# --- health, and a secret's label -----------------------------------------------------------

Secret("a", label="2025")
Secret("a", label=2025)  # type: ignore[arg-type]
assert_type(receiver.health(), Health)
instrument(receiver).remove()
instrument("default")  # type: ignore[arg-type]

# --- the testing kit: a class in, that class out ----------------------------------------------

assert_type(make_event(TransferCreated), TransferCreated)
assert_type(make_event("transfer.created"), TransferCreated)
assert_type(make_event(str(sys.argv)), Event)
assert_type(make_delivery(TransferCreated, case="concurrent"), SignedRequest)
make_delivery(TransferCreated, case="late")  # type: ignore[arg-type]

with isolated(receiver) as kit:
    assert_type(kit, Kit)
    assert_type(kit.make_event(TransferDeleted), TransferDeleted)
    assert_type(kit.deliver(receiver, TransferCreated), Result[TransferCreated])
    assert_type(kit.deliver(receiver, TransferCreated).event.data, Transfer)
    assert_type(kit.deliver(receiver, make_event(TransferDeleted)), Result[TransferDeleted])
    assert_type(kit.deliver(receiver, "transfer.created", case="stale"), Result[Event])
    assert_type(
        kit.deliver(receiver, TransferCreated, case="concurrent"),
        tuple[Result[TransferCreated], Result[TransferCreated]],
    )
    assert_type(kit.run_queued(), list[Result[Event]])
    kit.deliver(receiver, "transfer.created", case="late")  # type: ignore[call-overload]

assert_type(deliver(receiver, TransferCreated, data={"notes": "A"}), Result[TransferCreated])
assert_type(check_handlers(receiver), Report)


async def deliver_later(kit: Kit) -> None:
    assert_type(await deliver_async(receiver, TransferCreated), Result[TransferCreated])
    assert_type(await kit.deliver_async(receiver, "ping"), Result[Event])


# --- order per object -------------------------------------------------------------------------


@on("transfer.created", key=lambda event: event.data.id, order="serial")
def in_series(event: TransferCreated) -> None: ...


@on(
    "transfer.created",
    key=lambda event: (event.data.workspace_id or "", event.data.id),
    order="latest",
    version=lambda event: event.data.created_at or 0,
)
async def newest(event: TransferCreated) -> None: ...


@on("transfer.*", key=lambda event: event.data.id, order="latest", version=lambda event: 1)
def of_a_family(event: Event) -> None: ...


@on(TransferCreated, TransferDeleted, key=lambda event: event.data.id, order="serial")
def of_classes(event: TransferCreated | TransferDeleted) -> None: ...


def of_api_key(event: ApiKeyCreated) -> str:
    return event.data.id


@on("transfer.created", key=of_api_key, order="serial")  # type: ignore[call-overload]
def of_another_event(event: TransferCreated) -> None: ...


@on("transfer.created", key=lambda event: event.data.nothing, order="serial")  # type: ignore[arg-type]
def of_no_field(event: TransferCreated) -> None: ...


@on("transfer.created", key=lambda event: event.data.id, order="newest")  # type: ignore[call-overload]
def of_no_order(event: TransferCreated) -> None: ...
