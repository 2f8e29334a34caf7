"""``evergrant events``, ``evergrant notices`` and two commands of ``evergrant instance``: what was
told to whom, what became of it, and what waits for somebody of the house.

Answers for: asking the post room's counter and the notice board. Does not answer for: client
instances themselves (``register``).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evergrant.entrances.cli.register import Instance, instances
from evergrant.entrances.cli.running import app_with, at_desk
from evergrant.entrances.cli.show import Json, page, plain, remark, show_json, table, thing

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.ports.things import OutboxItem
    from evergrant.ports.watched import EventRecord, Notice
    from evergrant.post import Trial
    from evergrant.rules.rights import Caller

__all__ = ["add"]

events = app_with("Events: what client instances are told of their accounts.")
notices = app_with("The notice board: what somebody of the house has to know or do.")

Limit = Annotated[int, typer.Option(min=1, max=499, help="So many at most.")]
Event = Annotated[str, typer.Argument(help="Id of the event: evt_...")]


def add(app: typer.Typer) -> None:
    app.add_typer(events, name="events", rich_help_panel="Look")
    app.add_typer(notices, name="notices", rich_help_panel="Look")


# --- events -----------------------------------------------------------------------------------


@events.command("list")
def list_events(
    instance: Annotated[
        str | None, typer.Option(help="Only those told to this client instance: id or name.")
    ] = None,
    account: Annotated[str | None, typer.Option(help="Only of this account: id or name.")] = None,
    topic: Annotated[
        str | None, typer.Option(help="Only such as [bold]authorization.lapsed[/].")
    ] = None,
    after: Annotated[int, typer.Option(min=0, help="Go on after this position.")] = 0,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List events in the order in which they happened.

    Example: evergrant events list --account "Blue Heron Books"
    """

    async def look(desk: Desk, by: Caller) -> tuple[list[EventRecord], dict[str, str]]:
        found = await desk.post.events(
            by=by,
            after=after,
            limit=limit + 1,
            account_id=(await desk.accounts.find(account, by=by)).account.id if account else None,
            client_instance_id=(await desk.registry.find_instance(instance, by=by)).id
            if instance
            else None,
            topic=topic,
        )
        return found, {} if json else await _names(desk, found)

    found, names = at_desk(look)
    rows, more = page(found, limit)
    table(
        [_with_payload(row) for row in rows],
        (
            *("position", "at", "topic", ("account_id", "account")),
            *(("client_instance_id", "instance"), "id"),
        ),
        as_json=json,
        names=names,
        optional=("instance",),
        next=str(rows[-1].position) if more else None,
        empty="No such event." if any((instance, account, topic, after)) else "No event yet.",
    )


@events.command("show")
def show_event(event: Event, json: Json = False) -> None:
    """Show one event, with its payload as it is sent."""

    async def look(desk: Desk, by: Caller) -> EventRecord:
        return await desk.post.event(event, by=by)

    shown = _with_payload(at_desk(look))
    if json:
        show_json(shown)
        return
    payload = shown.pop("payload")
    thing(shown, as_json=False)
    show_json(payload)


@events.command("resend")
def resend_event(event: Event, json: Json = False) -> None:
    """Send an event once more, under the same webhook-id.

    It holds no other event up. One that still waits is tried at once instead.

    Example: evergrant events resend evt_01k9z4h6q8w2e5r7t9y1a3s5d7
    """

    async def send(desk: Desk, by: Caller) -> OutboxItem:
        return await desk.post.resend(event, by=by)

    item = at_desk(send)
    thing(_delivery(item), as_json=json)
    if not json:
        remark("A worker sends it now, or within five minutes if the instance took none of late.")
        remark(f"What became of it: evergrant instance deliveries {item.to}")


# --- client instances -------------------------------------------------------------------------


@instances.command("deliveries")
def list_deliveries(
    instance: Instance,
    state: Annotated[str | None, typer.Option(help="Only waiting, sent or failed.")] = None,
    hours: Annotated[
        int, typer.Option(min=1, max=24 * 90, help="Only of events of the last so many hours.")
    ] = 72,
    after: Annotated[str | None, typer.Option(help="Go on after the one with this id.")] = None,
    limit: Limit = 100,
    json: Json = False,
) -> None:
    """List what was sent to a client instance or waits, and what it said last.

    Example: evergrant instance deliveries "ERP production" --state failed
    """

    async def look(desk: Desk, by: Caller) -> tuple[list[OutboxItem], dict[str, str]]:
        from evergrant.intake import Flaws
        from evergrant.ports.things import OutboxState

        flaws = Flaws()
        wanted = None if state is None else flaws.word("state", state, OutboxState)
        flaws.refuse_if_any()
        found = await desk.post.deliveries(
            (await desk.registry.find_instance(instance, by=by)).id,
            by=by,
            state=wanted,
            since=desk.clock.now() - timedelta(hours=hours),
            after=after,
            limit=limit + 1,
        )
        return found, {} if json else await _names(desk, found)

    found, names = at_desk(look)
    rows, more = page(found, limit)
    table(
        [_delivery(row) for row in rows],
        (
            *("created_at", "topic", ("account_id", "account"), "state", "attempts"),
            *(("next_attempt_at", "next try"), ("last_error", "what it said"), "event_id"),
        ),
        as_json=json,
        names=names,
        optional=("event id",),
        next=rows[-1].id if more else None,
        empty="Nothing was sent to it within this time.",
    )


@instances.command("test")
def try_delivery(instance: Instance, json: Json = False) -> None:
    """Send a signed test event to a client instance now, and say what became of it.

    Example: evergrant instance test "ERP production"
    """

    async def send(desk: Desk, by: Caller) -> Trial:
        found = await desk.registry.find_instance(instance, by=by)
        return await desk.post.test_delivery(found.id, by=by)

    trial = at_desk(send)
    thing(trial, as_json=json)
    if not trial.delivered:
        raise typer.Exit(1)


# --- the notice board -------------------------------------------------------------------------


@notices.command("list")
def list_notices(
    account: Annotated[str | None, typer.Option(help="Only of this account: id or name.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only such as [bold]term_over[/].")] = None,
    settled: Annotated[
        bool, typer.Option("--settled", help="Those that are settled as well.")
    ] = False,
    after: Annotated[str | None, typer.Option(help="Go on after the one with this id.")] = None,
    limit: Limit = 100,
    json: Json = False,
) -> None:
    """List what somebody has to know or do, in the order in which it came up.

    Example: evergrant notices list --kind term_over
    """

    async def look(desk: Desk, by: Caller) -> tuple[list[Notice], dict[str, str]]:
        from evergrant.intake import Flaws
        from evergrant.rules.notices import NoticeKind

        flaws = Flaws()
        wanted = None if kind is None else flaws.word("kind", kind, NoticeKind)
        flaws.refuse_if_any()
        found = await desk.notices.list(
            by=by,
            open_only=not settled,
            account_id=(await desk.accounts.find(account, by=by)).account.id if account else None,
            kind=wanted,
            after=after,
            limit=limit + 1,
        )
        return found, {} if json else await _names(desk, found)

    found, names = at_desk(look)
    rows, more = page(found, limit)
    shown = [_told(row) for row in rows]
    if json:
        show_json({"items": shown, "next": rows[-1].id if more else None})
        return
    for row, notice in zip(shown, rows, strict=True):
        row["about_id"] = notice.account_id or notice.application_id or notice.subject
    table(
        shown,
        (
            *("id", "last_at", "gravity", "title", "about"),
            *("message", "times", ("settled_by", "settled by")),
        )
        if settled
        else ("id", "last_at", "gravity", "title", ("about_id", "about"), "message", "times"),
        as_json=False,
        names=names,
        optional=("times", "gravity"),
        next=rows[-1].id if more else None,
        empty="The board is empty: nothing to do.",
    )
    for title, hint in {
        row["title"]: row["hint"] for row in shown if not row["settled_at"]
    }.items():
        remark(f"{title}: {hint}")


@notices.command("settle")
def settle_notice(
    notice: Annotated[str, typer.Argument(help="Id of the notice: ntc_...")], json: Json = False
) -> None:
    """Note that somebody has seen to it.

    When what it tells goes on, it comes back as a new one.
    """

    async def settle(desk: Desk, by: Caller) -> Notice:
        return await desk.notices.settle(notice, by=by)

    thing(_told(at_desk(settle)), as_json=json)


# --- how it is shown --------------------------------------------------------------------------


def _with_payload(event: EventRecord) -> dict[str, Any]:
    """As ``GET /v1/events`` shows it."""
    from evergrant.post import payload

    shown: dict[str, Any] = plain(event)
    del shown["facts"], shown["subject"]
    return {**shown, "payload": payload(event)}


def _delivery(item: OutboxItem) -> dict[str, Any]:
    return {
        "id": item.id,
        "event_id": item.event_id,
        "topic": item.topic,
        "account_id": item.account_id,
        "client_instance_id": item.to,
        "state": item.state.value,
        "attempts": item.attempts,
        "created_at": plain(item.created_at),
        "next_attempt_at": plain(item.next_at) if item.state.value == "waiting" else None,
        "ended_at": plain(item.ended_at),
        "last_error": item.last_error,
    }


def _told(notice: Notice) -> dict[str, Any]:
    from evergrant.rules.notices import KINDS

    kind = KINDS[notice.kind]
    return {**plain(notice), "gravity": kind.gravity.value, "title": kind.title, "hint": kind.hint}


async def _names(desk: Desk, found: list[Any]) -> dict[str, str]:
    """Of the accounts, applications and client instances that these speak of."""
    accounts = sorted({one.account_id for one in found if one.account_id})
    applications = sorted({getattr(one, "application_id", None) or "" for one in found})
    clients = sorted(
        {str(getattr(one, "client_instance_id", None) or one.subject) for one in found}
    )
    async with desk.store.transaction() as tx:
        names = {one.id: one.name for one in await tx.accounts.all(id=accounts)}
        names |= {one.id: one.name for one in await tx.applications.all(id=applications)}
        return names | {one.id: one.name for one in await tx.instances.all(id=clients)}
