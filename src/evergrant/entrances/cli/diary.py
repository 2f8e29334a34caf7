"""``evergrant journal`` and ``evergrant report``: what happened, and what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evergrant.entrances.cli.running import at_desk
from evergrant.entrances.cli.show import Json, page, table, thing

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.ports.things import JournalLine, SupportReport
    from evergrant.rules.rights import Caller

__all__ = ["add"]


def add(app: typer.Typer) -> None:
    app.command("journal", rich_help_panel="Look")(show_journal)
    app.command("report", rich_help_panel="Look")(show_report)


def show_journal(
    account: Annotated[str | None, typer.Option(help="Only of this account: id or name.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only of the thing with this id.")] = None,
    verb: Annotated[
        str | None, typer.Option(help="Only this verb, such as [bold]account.added[/].")
    ] = None,
    after: Annotated[int, typer.Option(help="Go on after the line with this number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=499, help="So many lines.")] = 50,
    json: Json = False,
) -> None:
    """Who did what to whom, newest first.

    Example: evergrant journal --account "Blue Heron Books" --limit 20
    """

    async def look(desk: Desk, by: Caller) -> list[JournalLine]:
        from evergrant import journal

        account_id = (await desk.accounts.find(account, by=by)).account.id if account else None
        return await journal.read(
            desk.store,
            by,
            after=after,
            limit=limit + 1,
            account_id=account_id,
            subject=subject,
            verb=verb,
        )

    lines, more = page(at_desk(look), limit)
    table(
        lines,
        ("id", "at", "caller", "verb", "subject", "facts"),
        as_json=json,
        next=str(lines[-1].id) if more else None,
    )


def show_report(
    reference: Annotated[
        str | None, typer.Argument(help="The number that the page showed, such as EG-7F3K-92QD.")
    ] = None,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Note that somebody has seen to it.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="So many, without a number.")] = 20,
    json: Json = False,
) -> None:
    """Show what is known of a failed authorization.

    Everything that is needed to solve it, and no secret. Without a number: a list.

    Example: evergrant report EG-7F3K-92QD
    """
    if reference is None:

        async def look(desk: Desk, by: Caller) -> list[SupportReport]:
            return await desk.consent.reports(by=by, limit=limit)

        table(
            at_desk(look),
            ("reference", "at", "reason", "blame", "account_id", "resolved_at"),
            as_json=json,
        )
        return
    wanted = reference

    async def one(desk: Desk, by: Caller) -> SupportReport:
        if resolved:
            return await desk.consent.resolve(wanted, by=by)
        return await desk.consent.report(wanted, by=by)

    thing(at_desk(one), as_json=json)
