"""``evergrant check``: findings, and what somebody has to look at and sign before going live.

Answers for: how findings and the list look, and for who signs. Does not answer for: what is looked
at (``checks``).
"""

from __future__ import annotations

import json as json_of
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evergrant.entrances.cli.drawing import day
from evergrant.entrances.cli.running import at_desk, run_async, settings
from evergrant.entrances.cli.show import Json, plain, remark, say, show_json

if TYPE_CHECKING:
    from evergrant.checks import Finding, Reviewed
    from evergrant.desk import Desk
    from evergrant.rules.rights import Caller

__all__ = ["add", "check"]

check = typer.Typer(
    help="Look for what is missing or wrong, and sign what was reviewed.\n\n"
    "Settings, database, queue, key ring, mail, applications, accounts; nothing is changed. Ends "
    "with 1 when a finding is an error. Each finding is described in docs/reference/checks.md.",
    invoke_without_command=True,
    no_args_is_help=False,
    subcommand_metavar="[COMMAND]",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

Item = Annotated[str, typer.Argument(help="Name of the item, as evergrant check shows it.")]
Of = Annotated[
    str,
    typer.Option("--of", help="Application or client instance that it is about: id or name."),
]
Name = Annotated[str, typer.Option("--name", help="Who looked at it: a person's name.")]
Note = Annotated[str, typer.Option("--note", help="What is worth remembering.")]


def add(app: typer.Typer) -> None:
    app.add_typer(check, name="check", rich_help_panel="Run")


@check.callback()
def look(
    context: typer.Context,
    json: Json = False,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="Also ask Login with Amazon, and the queue, of each application."
        ),
    ] = False,
) -> None:
    """Look for what is missing or wrong, and sign what was reviewed.

    Settings, database, queue, key ring, mail, applications, accounts; nothing is changed. Ends
    with 1 when a finding is an error. Each finding is described in docs/reference/checks.md.
    """
    if context.invoked_subcommand is not None:
        return
    from evergrant.checks import Severity, survey

    found = run_async(survey(live=live))
    if json:
        show_json({"ready": found.is_ready, "items": found.findings, "reviews": found.items})
    else:
        _draw_items(found.items)
        _draw(found.findings, live=live)
    if any(finding.severity is Severity.ERROR for finding in found.findings):
        raise typer.Exit(1)


@check.command("sign-off")
def sign_off(item: Item, name: Name, of: Of = "", note: Note = "", json: Json = False) -> None:
    """Sign that somebody looked at an item and found it right.

    What is there now is shown and signed; when it changes, the signature does not stand any more.

    Example: evergrant check sign-off local-settings --name "Ada Lovelace"

    Example: evergrant check sign-off registration --of Connector --name "Ada Lovelace"
    """
    from evergrant import checks
    from evergrant.entrances.cli.drawing import draw_groups

    read = settings()

    async def work(desk: Desk, by: Caller) -> Reviewed:
        subject = await _subject(desk, item, of, by)
        return await checks.sign_off(desk, read, item, by=by, subject=subject, name=name, note=note)

    signed = at_desk(work)
    if json:
        show_json(signed)
    else:
        draw_groups(
            [("Looked at", [(name, _told(plain(v))) for name, v in signed.looked_at.items()])]
        )
        say("")
        say(f"{signed.title}: signed by {signed.signed_by}, {day(signed.signed_at)}.")


@check.command("withdraw")
def withdraw(item: Item, of: Of = "", note: Note = "", json: Json = False) -> None:
    """Take a signature back.

    Example: evergrant check withdraw local-settings --note "Signed on the wrong machine"
    """

    async def work(desk: Desk, by: Caller) -> object:
        subject = await _subject(desk, item, of, by)
        return await desk.reviews.withdraw(item, by=by, subject=subject, note=note)

    review = at_desk(work)
    if json:
        show_json(review)
    else:
        say("The signature is taken back.")


async def _subject(desk: Desk, item: str, of: str, by: Caller) -> str:
    """The id of what the item is about; the room says what is wrong with it."""
    from evergrant.rules.reviews import ITEMS, About

    found = ITEMS.get(item)
    if found is None or not of:
        return of
    if found.about is About.APPLICATION:
        return (await desk.registry.find_application(of, by=by)).id
    if found.about is About.INSTANCE:
        return (await desk.registry.find_instance(of, by=by)).id
    return of


def _draw(findings: list[Finding], *, live: bool) -> None:
    """By severity, each finding with what to do; one sentence at the end."""
    from evergrant.checks import Severity
    from evergrant.checks.kinds import FINDINGS
    from evergrant.entrances.cli.drawing import draw_groups

    words = {
        Severity.ERROR: ("Does not work", "error"),
        Severity.WARNING: ("Will not work, or not safely", "warning"),
        Severity.NOTE: ("Worth knowing", "note"),
    }
    counted = []
    groups = []
    for severity, (heading, name) in words.items():
        own = [finding for finding in findings if finding.severity is severity]
        rows = []
        for finding in own:
            title = FINDINGS[finding.code].title
            rows += [(finding.code, f"{title}. {finding.message}"), ("", f"-> {finding.hint}")]
        groups.append((f"{heading} ({len(own)})", rows))
        if own:
            counted.append(f"{len(own)} {name}{'s' if len(own) > 1 else ''}")
    if findings:
        draw_groups(groups)
        say("")
    if not findings:
        say("All is well.")
    elif any(finding.severity is Severity.ERROR for finding in findings):
        say(f"{', '.join(counted)}: begin with {findings[0].code}.")
    else:
        say(f"{', '.join(counted)}; everything that was looked at works.")
    if not live:
        remark("Amazon was not asked: evergrant check --live does that.")


def _draw_items(items: list[Reviewed]) -> None:
    """What waits first, then what was signed, each with who and when."""
    from evergrant.entrances.cli.drawing import draw_groups

    if not items:
        return
    waiting = [one for one in items if not one.state.is_settled]
    settled = [one for one in items if one.state.is_settled]
    groups = []
    for heading, own in (("To be reviewed", waiting), ("Reviewed", settled)):
        rows = []
        told: set[str] = set()
        for one in own:
            of = f" ({one.subject_name})" if one.subject_name else ""
            rows.append((one.item, f"{one.title}{of}: {_standing(one)}"))
            if not one.state.is_settled and one.item not in told:
                rows.append(("", f"-> {one.look}"))
                told.add(one.item)
        groups.append((f"{heading} ({len(own)})", rows))
    draw_groups(groups)
    say("")


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json_of.dumps(value, ensure_ascii=False)


def _standing(one: Reviewed) -> str:
    from evergrant.rules.reviews import ReviewState

    who = f"{one.signed_by}, {day(one.signed_at)}"
    note = f" - {one.note}" if one.note else ""
    return {
        ReviewState.WAITING: "not signed",
        ReviewState.STALE: f"changed since it was signed by {who}{note}",
        ReviewState.EXPIRED: f"signed too long ago by {who}{note}",
        ReviewState.SIGNED: f"signed by {who}{note}",
        ReviewState.FAILED: one.says,
        ReviewState.PASSED: "found by looking",
    }[one.state]
