"""``evergrant feeds``: what goes to Amazon for an account, what became of it, and what waits.

Answers for: how accounts, plans, runs and changes look to a person, and for asking before it hurts.
Does not answer for: handing changes in (``changes``).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evergrant.entrances.cli.drawing import when
from evergrant.entrances.cli.running import app_with, at_desk
from evergrant.entrances.cli.show import Json, plain, remark, say, show_json, table, thing
from evergrant.errors import Flaw, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evergrant.desk import Desk
    from evergrant.feeds.allowances import Allowance
    from evergrant.feeds.ledger import AccountFeeds, KindCounts, RunRead
    from evergrant.feeds.planning import Explained, WouldRun
    from evergrant.feeds.working import Worked
    from evergrant.ports.traded import AccountWork, Change, FeedRun
    from evergrant.rules.rights import Caller
    from evergrant.rules.waits import Waiting

__all__ = ["add"]

feeds = app_with("What goes to Amazon: status, plans, runs, pauses.")

_MOST = 499
Account = Annotated[str, typer.Argument(help="Id or name of the account.")]
Run = Annotated[str, typer.Argument(help="Id of the run: run_…")]
Limit = Annotated[int, typer.Option(min=1, max=_MOST, help="So many lines.")]


def add(app: typer.Typer) -> None:
    app.add_typer(feeds, name="feeds", rich_help_panel="Work")


# --- looking ----------------------------------------------------------------------------------


@feeds.command("status")
def status(
    account: Annotated[
        str | None, typer.Argument(help="Id or name of the account; none: all of them.")
    ] = None,
    limit: Limit = 100,
    after: Annotated[str | None, typer.Option(help="Go on after the account of this id.")] = None,
    json: Json = False,
) -> None:
    """Show what is pending, in flight and settled, and why something waits.

    Example: evergrant feeds status "Blue Heron Books"
    """

    async def look(desk: Desk, by: Caller) -> list[AccountFeeds]:
        wanted = (await desk.accounts.find(account, by=by)).account.id if account else None
        return await desk.feeds.ledger.status(by=by, account_id=wanted, after=after, limit=limit)

    found = at_desk(look)
    if account is not None and not json:
        _show_account(found[0])
        return
    following = found[-1].account.id if len(found) == limit else None
    table(
        found if json else [_line(one) for one in found],
        ("account", "pending", "in_flight", "accepted", "refused", "waits", "next_turn"),
        as_json=json,
        next=following,
        empty="No account ever had a change. Next: evergrant changes add --help",
    )


def _line(one: AccountFeeds) -> dict[str, Any]:
    from evergrant.rules import waits

    def count(state: str) -> int:
        return sum(
            number for kind in one.kinds for key, number in kind.counts.items() if key == state
        )

    found = waits.read(one.work.waits if one.work else {})
    reasons = sorted({wait.why.value.replace("_", " ") for wait in found})
    paused = one.work is not None and one.work.paused_at is not None
    return {
        "account": one.account.name,
        "pending": count("pending"),
        "in_flight": count("in_flight"),
        "accepted": count("accepted"),
        "refused": count("refused"),
        "waits": ", ".join(reasons) or "-",
        "next_turn": "paused" if paused else when(one.work.due_at if one.work else None),
    }


def _show_account(one: AccountFeeds) -> None:
    from evergrant.rules import waits

    say(one.account.name)
    if one.work is not None and one.work.paused_at is not None:
        note = f": {one.work.pause_note}" if one.work.pause_note else ""
        say(f"Paused since {when(one.work.paused_at)} by {one.work.paused_by}{note}")
    table(
        [_kind(kind) for kind in one.kinds],
        ("kind", "switch", "pending", "in_flight", "uncertain", "accepted", "refused", "oldest"),
        as_json=False,
    )
    remark("Accepted and refused: in the last 24 hours.")
    _say_waits(waits.read(one.work.waits if one.work else {}))
    if one.open_runs:
        rows = [_run(run) for run in one.open_runs]
        table(rows, _RUN_COLUMNS, as_json=False, optional=_RUN_OPTIONAL)
    say(f"Next turn: {when(one.work.due_at) if one.work else '-'}")


def _say_waits(found: Iterable[Waiting]) -> None:
    for wait in found:
        until = f" Until {when(wait.until)}." if wait.until else ""
        verb = "waits" if wait.count == 1 else "wait"
        say(f"{wait.count} of {wait.kind.value} {verb}: {wait.sentence}{until}")


def _kind(kind: KindCounts) -> dict[str, Any]:
    count = {state.value: number for state, number in kind.counts.items()}
    switch = {True: "on", False: "off", None: "unavailable"}[kind.switched_on]
    return {
        "kind": kind.kind.value,
        "switch": switch,
        **{name: count.get(name, 0) for name in ("pending", "in_flight", "uncertain")},
        **{name: count.get(name, 0) for name in ("accepted", "refused")},
        "oldest": when(kind.oldest_open_at),
    }


_RUN_COLUMNS = (
    *("id", "path", "step", ("created_at", "planned"), "changes", "outcome", "amazon", "next"),
    "error",
)
#: Of a run, of no use to whoever asks what became of it.
_OURS = frozenset({"first_message_id", "version", "looks", "changed_at", "asked_at", "document_at"})
#: They go one after the other where the terminal is narrow.
_RUN_OPTIONAL = ("amazon", "planned", "next", "changes")


def _run(run: FeedRun) -> dict[str, Any]:
    counts = {name: getattr(run, name) for name in ("accepted", "refused", "returned", "uncertain")}
    return {
        "id": run.id,
        "path": run.path.value.replace("_", " "),
        "step": run.step.value,
        "created_at": when(run.created_at),
        "changes": run.changes,
        "outcome": ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "-",
        "amazon": run.processing_status or "-",
        "next": when(run.next_at),
        "error": run.last_error or "-",
    }


@feeds.command("plan")
def plan(account: Account, json: Json = False) -> None:
    """Show what an account's next turn would do, and why, without doing it.

    Example: evergrant feeds plan "Blue Heron Books"
    """

    async def look(desk: Desk, by: Caller) -> Explained:
        found = (await desk.accounts.find(account, by=by)).account
        return await desk.feeds.plans.explain(found.id, by=by)

    found = at_desk(look)
    if json:
        show_json(found)
        return
    if found.if_resumed and found.runs:
        say("The account is paused. If it were resumed, this would go:")
    table(
        [_would(run) for run in found.runs],
        ("path", "marketplace", "changes", "messages", "bytes", "because"),
        as_json=False,
        optional=("bytes", "messages", "marketplace"),
        empty="Nothing would go now.",
    )
    if found.collapsed:
        say(f"{found.collapsed} changes never go: a later one takes their place.")
    _say_waits(found.waits)
    if found.allowances:
        table(
            [_allowance(one) for one in found.allowances],
            ("operation", "calls", "at_once", "left", "takes"),
            as_json=False,
        )
    say(f"Next turn: {when(found.due_at)}")


def _would(run: WouldRun) -> dict[str, Any]:
    kinds = ", ".join(f"{count} {kind.value}" for kind, count in run.changes.items())
    return {
        "path": run.path.value.replace("_", " "),
        "marketplace": run.marketplace_id or run.submission or "-",
        "changes": kinds,
        "messages": run.messages,
        "bytes": run.bytes,
        "because": run.because,
    }


def _allowance(one: Allowance) -> dict[str, Any]:
    return {
        "operation": one.operation.rpartition(".")[2],
        "calls": one.calls,
        "at_once": one.at_once,
        "left": f"{one.left:.0f} of {one.burst}",
        "takes": f"{one.takes_s:.0f} s",
    }


@feeds.command("runs")
def runs(
    account: Account,
    hours: Annotated[float, typer.Option(min=0.1, max=24 * 180, help="Of the last hours.")] = 24.0,
    only_open: Annotated[
        bool, typer.Option("--open", help="Only those that are not over.")
    ] = False,
    limit: Limit = 100,
    json: Json = False,
) -> None:
    """List an account's runs, the oldest first.

    Example: evergrant feeds runs "Blue Heron Books" --hours 2
    """

    async def look(desk: Desk, by: Caller) -> list[FeedRun]:
        found = (await desk.accounts.find(account, by=by)).account
        since = desk.clock.now() - timedelta(hours=hours)
        return await desk.feeds.ledger.runs(
            found.id, by=by, since=None if only_open else since, only_open=only_open, limit=limit
        )

    found = at_desk(look)
    table(
        found if json else [_run(run) for run in found],
        _RUN_COLUMNS,
        as_json=json,
        optional=_RUN_OPTIONAL,
        empty="No run.",
    )
    if len(found) == limit:
        remark("There may be more: --limit, or fewer --hours.")


@feeds.command("changes")
def changes(
    account: Account,
    state: Annotated[
        list[str] | None,
        typer.Option(
            help="Only pending, in_flight, accepted, refused, superseded, withdrawn or uncertain; "
            "may be given several times."
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(help="Only stock, price, shipment, invoice, cancellation or refund."),
    ] = None,
    subject: Annotated[str | None, typer.Option(help="Only about this SKU or order id.")] = None,
    limit: Limit = 100,
    after: Annotated[str | None, typer.Option(help="Go on after the change of this id.")] = None,
    json: Json = False,
) -> None:
    """List an account's changes, with Amazon's words for each that was refused.

    Example: evergrant feeds changes "Blue Heron Books" --state refused
    """

    async def look(desk: Desk, by: Caller) -> list[Change]:
        from evergrant.intake import Flaws
        from evergrant.rules.changes import ChangeKind, ChangeState

        flaws = Flaws()
        states = [flaws.word("state", one, ChangeState) for one in state or ()]
        wanted = None if kind is None else flaws.word("kind", kind, ChangeKind)
        flaws.refuse_if_any()
        found = (await desk.accounts.find(account, by=by)).account
        return await desk.feeds.ledger.changes(
            found.id,
            by=by,
            states=[one for one in states if one is not None] or None,
            kind=wanted,
            subject=subject,
            after=after,
            limit=limit,
        )

    found = at_desk(look)
    table(
        found if json else [_change(one) for one in found],
        ("id", "kind", "subject", "wish", "state", "answer"),
        as_json=json,
        optional=("wish",),
        next=found[-1].id if len(found) == limit else None,
        empty="No such change.",
    )


def _change(one: Change) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind.value,
        "subject": one.subject,
        "wish": _wish(one),
        "state": one.state.value,
        "answer": ": ".join(filter(None, (one.code, one.message))) or "-",
    }


def _wish(one: Change) -> str:
    """What of it fits into a table."""
    if one.kind.value == "price":
        return " ".join(str(one.wish.get(name, "")) for name in ("price", "currency"))
    names = ("quantity", "tracking_number", "invoice_number", "reason")
    return next((str(one.wish[name]) for name in names if name in one.wish), "-")


@feeds.command("show")
def show(
    id: Annotated[str, typer.Argument(help="Id of a run (run_…) or of a change (chg_…).")],
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """Show one run with its changes, or one change.

    Example: evergrant feeds show run_01k0000000000000000000000
    """
    from evergrant.rules import ids

    kind = ids.kind_of(id)
    if kind is ids.Kind.CHANGE:
        thing(at_desk(lambda desk, by: desk.feeds.ledger.change(id, by=by)), as_json=json)
        return
    if kind is not ids.Kind.FEED_RUN:
        raise InvalidInput(
            flaws=[Flaw("is the id of neither a run nor a change.", field="id", code="not_an_id")]
        )

    async def look(desk: Desk, by: Caller) -> RunRead:
        return await desk.feeds.ledger.run(id, by=by, limit=limit)

    found = at_desk(look)
    if json:
        show_json(found)
        return
    facts = {name: value for name, value in plain(found.run).items() if name not in _OURS}
    thing(facts, as_json=False)
    table(
        [{"message": one.message_id, **_change(one)} for one in found.changes],
        ("message", "id", "kind", "subject", "wish", "state", "answer"),
        as_json=False,
        optional=("wish", "message"),
        empty="No change of it is kept.",
    )
    if found.next_message is not None:
        remark("There are more: --limit.")


# --- acting -----------------------------------------------------------------------------------


@feeds.command("run-now")
def run_now(
    account: Account,
    here: Annotated[
        bool, typer.Option("--here", help="Do the turn in this process, and say what came of it.")
    ] = False,
    json: Json = False,
) -> None:
    """Have an account's next turn at once.

    It does not wait for the while between two feeds of one type. Amazon's limits, the switches and
    the pauses of what came back hold all the same. A running worker takes it up within seconds.

    Example: evergrant feeds run-now "Blue Heron Books"
    """

    async def hurry(desk: Desk, by: Caller) -> tuple[AccountWork, Worked | None]:
        found = (await desk.accounts.find(account, by=by)).account
        row = await desk.feeds.work.run_now(found.id, by=by)
        return row, await desk.feeds.work.work(found.id) if here else None

    row, worked = at_desk(hurry)
    if json:
        show_json({"work": plain(row), "worked": plain(worked)})
    elif worked is None:
        say(f"The worker takes it up within seconds. Then: evergrant feeds status {row.id}")
    else:
        say(f"Runs made: {worked.made}. Settled: {worked.settled}. Troubled: {worked.troubled}.")
        say(f"Next turn: {when(worked.next_at)}")


@feeds.command("pause")
def pause(
    account: Account,
    note: Annotated[str, typer.Option(help="Why, for those who find it paused.")] = "",
    json: Json = False,
) -> None:
    """Begin nothing new for an account; what Amazon has already is seen to its end.

    Example: evergrant feeds pause "Blue Heron Books" --note "stock-taking until Monday"
    """

    async def work(desk: Desk, by: Caller) -> AccountWork:
        found = (await desk.accounts.find(account, by=by)).account
        return await desk.feeds.work.pause(found.id, by=by, note=note)

    row = at_desk(work)
    if json:
        show_json(row)
    else:
        say(f"Paused. Changes are still taken. To go on: evergrant feeds resume {row.id}")


@feeds.command("resume")
def resume(account: Account, json: Json = False) -> None:
    """Go on after a pause, with the latest values.

    Example: evergrant feeds resume "Blue Heron Books"
    """

    async def work(desk: Desk, by: Caller) -> AccountWork:
        found = (await desk.accounts.find(account, by=by)).account
        return await desk.feeds.work.resume(found.id, by=by)

    row = at_desk(work)
    if json:
        show_json(row)
    else:
        say("It goes on.")


@feeds.command("cancel")
def cancel(run: Run, json: Json = False) -> None:
    """Stop a run that Amazon has not begun with; its changes go back to wait.

    Example: evergrant feeds cancel run_01k0000000000000000000000
    """
    found = at_desk(lambda desk, by: desk.feeds.runs.cancel(run, by=by))
    if json:
        show_json(found)
    else:
        say("Stopped. Its changes wait for the next turn; pause the account to keep them back.")


@feeds.command("decide")
def decide(
    run: Run,
    happened: Annotated[
        bool | None,
        typer.Option("--happened/--did-not-happen", help="What you saw at Amazon."),
    ] = None,
    note: Annotated[str, typer.Option(help="How you know, for the journal.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Say what became of a run that nobody can tell.

    Look at Amazon first: the orders of the run are listed by evergrant feeds show. A refund that is
    sent again pays a second time if the first one went through.

    Example: evergrant feeds decide run_01k0000000000000000000000 --happened --note "seen in Seller
    Central"
    """
    if happened is None:
        raise InvalidInput(
            flaws=[
                Flaw(
                    "is needed: --happened or --did-not-happen.",
                    field="happened",
                    code="missing",
                    hint=f"What is in it: evergrant feeds show {run}",
                )
            ]
        )
    if not happened and not yes:
        typer.confirm(
            "Its changes are sent to Amazon once more. Are you sure?", abort=True, err=True
        )
    found = at_desk(lambda desk, by: desk.feeds.runs.decide(run, happened, by=by, note=note))
    if json:
        show_json(found)
    else:
        say("Noted: its changes count as accepted." if happened else "Noted: they are sent again.")
