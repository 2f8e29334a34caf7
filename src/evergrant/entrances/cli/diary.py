"""``evergrant journal`` and ``evergrant report``: what happened, and what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from evergrant.entrances.cli.drawing import Group, draw_groups, when
from evergrant.entrances.cli.running import at_desk
from evergrant.entrances.cli.show import Json, page, plain, remark, show_json, table
from evergrant.rules.amazon_errors import PageError, page_error

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.ports.things import JournalLine, SupportReport
    from evergrant.rules.rights import Caller

__all__ = ["add"]

#: So many are asked for in one go.
STRIDE = 500
#: Facts that head a report instead of standing among the others.
_HEADING = ("happened", "advice")


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

    async def look(desk: Desk, by: Caller) -> tuple[list[JournalLine], dict[str, str]]:
        from evergrant import journal

        account_id = (await desk.accounts.find(account, by=by)).account.id if account else None
        lines = await journal.read(
            desk.store,
            by,
            after=after,
            limit=limit + 1,
            account_id=account_id,
            subject=subject,
            verb=verb,
        )
        return lines, {} if json else await _names(desk, lines)

    found, names = at_desk(look)
    lines, more = page(found, limit)
    table(
        lines if json else [_told(line, names) for line in lines],
        ("id", "at", "who", "verb", "about", "facts"),
        as_json=json,
        next=str(lines[-1].id) if more else None,
    )


async def _names(desk: Desk, lines: list[JournalLine]) -> dict[str, str]:
    """Of the accounts and API keys that the lines speak of."""
    accounts = {line.account_id for line in lines if line.account_id}
    keys = {line.caller.partition(":")[2] for line in lines if line.caller.startswith("api_key:")}
    async with desk.store.transaction() as tx:
        names = {one.id: one.name for one in await tx.accounts.all(id=sorted(accounts))}
        return names | {one.id: one.name for one in await tx.api_keys.all(id=sorted(keys))}


def _told(line: JournalLine, names: dict[str, str]) -> dict[str, Any]:
    """``about`` is the account's name, else the thing's id."""
    kind, _, who = line.caller.partition(":")
    said = (line.subject, line.account_id)
    facts = {name: value for name, value in plain(line.facts).items() if value not in said}
    return {
        "id": line.id,
        "at": plain(line.at),
        "who": " ".join(filter(None, (kind.replace("_", " "), names.get(who, who)))),
        "verb": line.verb,
        "about": names.get(line.account_id or "", line.account_id or line.subject),
        "facts": facts,
    }


def show_report(
    reference: Annotated[
        str | None,
        typer.Argument(
            help="The number that the page showed, such as EG-7F3K-92QD, or the error that "
            "Amazon's own page showed, such as MD1000."
        ),
    ] = None,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Note that somebody has seen to it.")
    ] = False,
    account: Annotated[str | None, typer.Option(help="List those of this account.")] = None,
    unresolved: Annotated[
        bool, typer.Option("--unresolved", help="List those that nobody has seen to.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="So many, without a number.")] = 20,
    json: Json = False,
) -> None:
    """Show what is known of a failed authorization.

    Everything that is needed to solve it, and no secret. Without a number: a list, newest first.

    Example: evergrant report EG-7F3K-92QD
    """
    if reference is None:
        _list_reports(account, unresolved, limit, as_json=json)
        return
    if known := page_error(reference):
        _show_page_error(known, as_json=json)
        return
    wanted = reference

    async def one(desk: Desk, by: Caller) -> SupportReport:
        if resolved:
            return await desk.consent.resolve(wanted, by=by)
        return await desk.consent.report(wanted, by=by)

    report = at_desk(one)
    if json:
        show_json(report)
        return
    _draw_report(report)


def _list_reports(account: str | None, unresolved: bool, limit: int, *, as_json: bool) -> None:
    async def look(desk: Desk, by: Caller) -> tuple[list[SupportReport], dict[str, str]]:
        of = (await desk.accounts.find(account, by=by)).account.id if account else None
        found: list[SupportReport] = []
        after: str | None = None
        while True:
            rows = await desk.consent.reports(by=by, account_id=of, after=after, limit=STRIDE)
            found += [row for row in rows if not (unresolved and row.resolved_at)]
            if len(rows) < STRIDE:
                break
            after = rows[-1].id
        newest = found[::-1][:limit]
        async with desk.store.transaction() as tx:
            concerned = sorted({row.account_id for row in newest if row.account_id})
            names = {one.id: one.name for one in await tx.accounts.all(id=concerned)}
        return newest, names

    newest, names = at_desk(look)
    table(
        newest,
        (
            *("reference", "at", "reason", ("blame", "who has to act")),
            *(("account_id", "account"), ("resolved_at", "resolved")),
        ),
        as_json=as_json,
        names=names,
        empty="No failed authorization.",
    )


def _show_page_error(error: PageError, *, as_json: bool) -> None:
    if as_json:
        show_json(error)
        return
    rows = [
        ("who has to act", error.blame),
        ("what it means", error.cause),
        ("what to do", error.to_do),
    ]
    draw_groups([(f"{error.code}, on Amazon's own page", rows)])


def _draw_report(report: SupportReport) -> None:
    facts = plain(report.facts)
    rows = [
        ("at", when(report.at)),
        ("reason", report.reason.replace("_", " ")),
        ("who has to act", report.blame),
    ]
    rows += [
        (words, str(facts[name]))
        for name, words in zip(_HEADING, ("what happened", "what to do"), strict=True)
        if facts.get(name)
    ]
    rows.append(("seen to", when(report.resolved_at) if report.resolved_at else "not yet"))
    known = [
        (name.replace("_", " "), str(value))
        for name, value in facts.items()
        if name not in _HEADING
    ]
    ids = [
        (name, value)
        for name, value in (("account", report.account_id), ("handshake", report.handshake_id))
        if value
    ]
    groups: list[Group] = [(report.reference, rows), ("What is known", known), ("Ids", ids)]
    draw_groups(groups)
    if report.account_id:
        remark(f"All of it, step by step: evergrant journal --account {report.account_id}")
    if not report.resolved_at:
        remark(f"When it is solved: evergrant report {report.reference} --resolved")
