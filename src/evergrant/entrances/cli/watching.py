"""``evergrant watch``: what ends when, and one round of the watch at once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evergrant.entrances.cli.drawing import day, when
from evergrant.entrances.cli.running import app_with, at_desk
from evergrant.entrances.cli.show import Json, plain, remark, say, show_json, table
from evergrant.rules.reminders import left_words

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.rules.rights import Caller
    from evergrant.watch import Coming, Swept

__all__ = ["add"]

watch = app_with("What ends when, and who is told.")

_MOST = 500
#: What a round may have done, for people.
_DONE = {
    "handshakes_lost": "Consents that were broken off, and are told to Dev Support",
    "terms_ended": "Authorizations that lapsed",
    "secrets_swept": "Secrets that are over, and are kept no longer",
    "looks_made": "First looks at accounts that were just connected",
    "reminders_told": "Ends of authorizations that were told",
    "secrets_told": "Ends of client secrets that were told",
    "letters_settled": "Letters that are taken to have arrived, after notices that others had not",
    "daily_letters": "Daily letters to the operators",
    "rows_purged": "Rows that are kept no longer",
    "secrets_promoted": "New client secrets in force",
    "accounts_probed": "Accounts that were probed at Amazon",
}


def add(app: typer.Typer) -> None:
    app.add_typer(watch, name="watch", rich_help_panel="Look")


@watch.command("ahead")
def show_ahead(
    days: Annotated[int, typer.Option(min=1, max=730, help="So many days ahead.")] = 90,
    limit: Annotated[int, typer.Option(min=1, max=_MOST, help="So many lines.")] = 50,
    json: Json = False,
) -> None:
    """Every authorization and client secret that ends soon, the nearest first.

    Example: evergrant watch ahead --days 30
    """

    async def look(desk: Desk, by: Caller) -> list[Coming]:
        return await desk.watch.ahead(timedelta(days=days), by=by, limit=limit)

    found = at_desk(look)
    table(
        found if json else [_told(one) for one in found],
        ("ends", "when", "what", "name", "next_reminder"),
        as_json=json,
        empty=f"Nothing ends within {days} days.",
    )
    if len(found) == limit:
        remark("There may be more: --limit.")


def _told(one: Coming) -> dict[str, Any]:
    return {
        "ends": when(one.ends_at),
        "when": left_words(one.days_left),
        "what": "client secret" if one.kind.value == "secret" else "authorization",
        "name": one.name,
        "next_reminder": day(one.next_reminder_at),
    }


@watch.command("now")
def watch_now(json: Json = False) -> None:
    """One round of the watch at once: reminders, ends, probes, rotations, what is kept no longer.

    The worker does that each minute by itself; nothing is told twice. Mails and webhooks that
    come of it are sent by the worker.

    Example: evergrant watch now
    """

    async def turn(desk: Desk, by: Caller) -> Swept:
        return await desk.watch.sweep_all()

    swept = at_desk(turn)
    if json:
        show_json(swept)
        return
    counts: dict[str, int] = plain(swept)
    for name, count in counts.items():
        if count:
            say(f"{_DONE[name]}: {count}")
    if not any(counts.values()):
        remark("Nothing was due. What a running worker has done already is not counted.")
