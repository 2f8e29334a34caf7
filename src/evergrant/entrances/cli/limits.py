"""``evergrant limits``: every bucket of an account live, plans of operators, counts of calls.

Answers for: the words in which a plan is set, and how buckets and counts look. Does not answer for:
which plan holds (``limits``).
"""

from __future__ import annotations

import asyncio
import json as json_of
import sys
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import typer
from typer.core import TyperGroup

from evergrant.entrances.cli.drawing import when
from evergrant.entrances.cli.given import instant, span
from evergrant.entrances.cli.running import at_desk
from evergrant.entrances.cli.show import Json, page, plain, remark, say, show_json, table, thing
from evergrant.errors import Flaw, InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evergrant.desk import Desk
    from evergrant.limits import BucketLevel
    from evergrant.ports.things import CallCount, PlanOverride
    from evergrant.rules.rights import Caller

__all__ = ["add", "limits"]

#: Between two looks.
pause = asyncio.sleep

BAR = 12
_SOURCES = {
    "amazon": "Amazon",
    "reported": "reported by Amazon",
    "operator": "operator",
    "guess": "careful guess",
}


class _AccountFirst(TyperGroup):
    """``limits ACCOUNT`` is ``limits show ACCOUNT``: whatever is no command is an account."""

    otherwise = "show"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = [self.otherwise, *args]
        return super().parse_args(ctx, args)


limits = typer.Typer(
    cls=_AccountFirst,
    help="Amazon's limits: what is left of them, and plans of your own.\n\n"
    "[bold]evergrant limits ACCOUNT[/] shows every bucket of an account live.",
    subcommand_metavar="ACCOUNT | COMMAND [ARGS]...",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

Account = Annotated[str, typer.Argument(help="Id or name of the account.")]
OfAccount = Annotated[str | None, typer.Option("--account", help="For one account: id or name.")]
OfApplication = Annotated[
    str | None,
    typer.Option("--application", "--app", help="For all accounts of one application."),
]
OfAll = Annotated[bool, typer.Option("--all-of-them", help="For all accounts there are.")]
Shared = Annotated[
    bool,
    typer.Option(
        "--of-application",
        help="The bucket that all accounts of an application share, not the one that each has.",
    ),
]


def add(app: typer.Typer) -> None:
    app.add_typer(limits, name="limits", rich_help_panel="Look")


# --- buckets --------------------------------------------------------------------------------------


@limits.command("show")
def show(
    account: Account,
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again.")] = False,
    every: Annotated[
        float, typer.Option(min=0.2, max=3600, help="With --watch: seconds between two looks.")
    ] = 1.0,
    json: Json = False,
) -> None:
    """Show every bucket of an account live.

    Its own and those that all accounts of its application share: what is left, by which plan and
    whose, who waits, and when Amazon last said 429. A bucket that was never used is full, and not
    shown. With [bold]--watch --json[/] each look is one line.

    Example: evergrant limits "Blue Heron Books" --watch
    """

    async def work(desk: Desk, by: Caller) -> None:
        found = (await desk.accounts.find(account, by=by)).account
        while True:
            levels = await desk.limits.look(found.id, by=by)
            _draw(levels, desk.clock.now(), as_json=json, again=watch)
            if not watch:
                return
            await pause(every)

    try:
        at_desk(work)
    except KeyboardInterrupt:
        if not watch:  # that is how watching ends
            raise


def _draw(levels: Sequence[BucketLevel], now: datetime, *, as_json: bool, again: bool) -> None:
    if as_json:
        told = {"at": now, "items": levels}
        if again:
            say(json_of.dumps(plain(told), ensure_ascii=False))
        else:
            show_json(told)
        return
    if again and sys.stdout.isatty():
        say("\x1b[H\x1b[2J" + when(now))
    table(
        [_line(level, now) for level in levels],
        (
            *("operation", "bucket", "left", "plan", ("source", "plan from")),
            *(("full_in", "full in"), "waiting", ("throttled", "last 429"), ("used", "last use")),
        ),
        as_json=False,
        optional=("last use", "full in", "bucket"),
        empty="Nothing was called for this account yet: every bucket is full.",
    )
    if again and not sys.stdout.isatty():
        say("")


def _line(level: BucketLevel, now: datetime) -> dict[str, object]:
    return {
        "operation": level.operation,
        "bucket": "account" if level.region else "application",
        "left": f"{_bar(level.left / level.plan.burst)} {_number(level.left)}/{level.plan.burst}",
        "plan": _plan(level.plan.rate_per_s, level.plan.burst),
        "source": _SOURCES[level.source],
        "full_in": _span(level.full_in_s) if level.full_in_s > 0 else "full",
        "waiting": str(level.waiting),
        "throttled": _ago(level.throttled_at, now),
        "used": _ago(level.used_at, now),
    }


def _bar(share: float) -> str:
    filled = round(max(min(share, 1.0), 0.0) * BAR)
    return "█" * filled + "░" * (BAR - filled)


def _plan(rate_per_s: float, burst: int) -> str:
    """Slow ones by the minute: nobody reads 0.0167 a second."""
    rate = f"{rate_per_s:.4g}/s" if rate_per_s >= 0.1 else f"{rate_per_s * 60:.3g}/min"
    return f"{rate}, burst {burst}"


def _number(tokens: float) -> str:
    return f"{tokens:.0f}" if tokens >= 10 else f"{tokens:.1f}"


def _ago(at: datetime | None, now: datetime) -> str | None:
    return None if at is None else f"{_span(max((now - at).total_seconds(), 0.0))} ago"


def _span(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 else "1 s"


# --- plans of operators ---------------------------------------------------------------------------


@limits.command("set")
def set_plan(
    operation: Annotated[str, typer.Argument(help="Such as orders.v0.getOrders.")],
    rate: Annotated[float, typer.Option(help="Calls a second; 0.0167 is one a minute.")],
    burst: Annotated[int, typer.Option(help="Calls at once.")],
    account: OfAccount = None,
    application: OfApplication = None,
    all_of_them: OfAll = False,
    of_application: Shared = False,
    note: Annotated[str, typer.Option(help="Why, for your own people.")] = "",
    json: Json = False,
) -> None:
    """Set a usage plan of your own for an operation.

    The narrowest one decides: of the account, then of the application, then that for all. It holds
    in every process within a second, in place of Amazon's and of what Amazon reports.

    Example: evergrant limits set orders.v0.getOrders --rate 0.5 --burst 30 \
--account "Blue Heron Books" --note "Raised by Amazon, case 4711"
    """
    whose = _one_of(account, application, all_of_them)

    async def work(desk: Desk, by: Caller) -> PlanOverride:
        from evergrant.limits import NewPlan

        return await desk.limits.set_plan(
            NewPlan(
                operation=operation,
                rate_per_s=rate,
                burst=burst,
                **await _ids(desk, by, whose),
                of_application=of_application,
                note=note,
            ),
            by=by,
        )

    thing(at_desk(work), as_json=json)


@limits.command("list")
def list_plans(
    operation: Annotated[str | None, typer.Option(help="Only of this operation.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=999, help="So many at most.")] = 100,
    after: Annotated[str | None, typer.Option(help="Go on after the one with this id.")] = None,
    json: Json = False,
) -> None:
    """List the plans that operators set."""

    async def work(desk: Desk, by: Caller) -> tuple[Sequence[PlanOverride], dict[str, str], bool]:
        rows = await desk.limits.list_plans(
            by=by, operation=operation, after=after, limit=limit + 1
        )
        shown, more = page(rows, limit)
        return shown, await _names(desk, shown), more

    rows, names, more = at_desk(work)
    if json:
        table(rows, (), as_json=True, next=rows[-1].id if more else None)
        return
    table(
        [_row(row, names) for row in rows],
        ("operation", "holds for", "bucket", "plan", "note", "id"),
        as_json=False,
        next=rows[-1].id if more else None,
        optional=("note",),
        empty="No operator set a plan: Amazon's hold.",
    )


@limits.command("unset")
def unset(
    plan: Annotated[str, typer.Argument(help="The operation, or the plan's id.")],
    account: OfAccount = None,
    application: OfApplication = None,
    all_of_them: OfAll = False,
    of_application: Shared = False,
) -> None:
    """Remove a plan that was set: the next wider one holds again, or Amazon's.

    Example: evergrant limits unset orders.v0.getOrders --account "Blue Heron Books"
    """
    whose = None if ":" in plan else _one_of(account, application, all_of_them)

    async def work(desk: Desk, by: Caller) -> None:
        from evergrant.rules import operations

        wanted = plan
        if whose is not None:
            ids = await _ids(desk, by, whose)
            known = operations.get(plan)
            shared = of_application or (known is not None and known.scope is not None)
            rows = await desk.limits.list_plans(by=by, operation=plan, limit=1000)
            same = [
                row.id
                for row in rows
                if row.of_application is shared
                and row.account_id == ids["account_id"]
                and row.application_id == ids["application_id"]
            ]
            if not same:
                raise NotFound(
                    "No such plan was set.", hint="evergrant limits list shows those there are."
                )
            (wanted,) = same
        await desk.limits.remove_plan(wanted, by=by)

    at_desk(work)
    remark("Removed. Every process goes by it within a second.")


class _Whose(TypedDict):
    account_id: str | None
    application_id: str | None


def _one_of(account: str | None, application: str | None, all_of_them: bool) -> _Whose:
    if [account is not None, application is not None, all_of_them].count(True) != 1:
        raise InvalidInput(
            "Say for whom: one of --account, --application and --all-of-them is needed.",
        )
    return {"account_id": account, "application_id": application}


async def _ids(desk: Desk, by: Caller, whose: _Whose) -> _Whose:
    account, application = whose["account_id"], whose["application_id"]
    return {
        "account_id": account and (await desk.accounts.find(account, by=by)).account.id,
        "application_id": application
        and (await desk.registry.find_application(application, by=by)).id,
    }


async def _names(desk: Desk, rows: Sequence[PlanOverride]) -> dict[str, str]:
    accounts = sorted({row.account_id for row in rows if row.account_id})
    applications = sorted({row.application_id for row in rows if row.application_id})
    async with desk.store.transaction() as tx:
        found = [
            *(await tx.accounts.all(id=accounts) if accounts else ()),
            *(await tx.applications.all(id=applications) if applications else ()),
        ]
    return {one.id: one.name for one in found}


def _row(row: PlanOverride, names: dict[str, str]) -> dict[str, object]:
    owner = row.account_id or row.application_id
    return {
        "operation": row.operation,
        "holds for": names.get(owner, owner) if owner else "all",
        "bucket": "application" if row.of_application else "account",
        "plan": _plan(row.rate_per_s, row.burst),
        "note": row.note,
        "id": row.id,
    }


# --- counts ---------------------------------------------------------------------------------------


@limits.command("calls")
def calls(
    account: Account,
    since: Annotated[
        str, typer.Option(help="How far back: 90m, 24h, 7d, or an instant such as 2026-11-21.")
    ] = "24h",
    by_hour: Annotated[bool, typer.Option("--by-hour", help="A row for each hour.")] = False,
    json: Json = False,
) -> None:
    """Show what was called for an account: calls, waits, refusals, errors.

    By the hour as JSON or with [bold]--by-hour[/], else added up by operation. Counts are kept for
    90 days.

    Example: evergrant limits calls "Blue Heron Books" --since 7d
    """

    async def work(desk: Desk, by: Caller) -> list[CallCount]:
        found = (await desk.accounts.find(account, by=by)).account
        return await desk.limits.calls(found.id, _since(since, desk.clock.now()), by=by)

    rows = at_desk(work)
    if json:
        show_json({"items": rows})
        return
    drawn = [_count(row) for row in (rows if by_hour else _added_up(rows))]
    table(
        drawn,
        (
            *((("hour", "hour"),) if by_hour else ()),
            *("operation", "calls", "waited", ("refused", "no permit"), ("throttled", "429")),
            *("errors", ("last", "last call")),
        ),
        as_json=False,
        optional=("last call",),
        empty="Nothing was called for this account in that time.",
    )


_SINCE = "Write 90m, 24h or 7d, or an instant: 2026-11-21, 2026-11-21T09:30:00+00:00."


def _since(text: str, now: datetime) -> datetime:
    if not text.strip().lower().endswith(("s", "m", "h", "d")):
        try:
            return instant(text, "since") or now
        except InvalidInput as error:
            flaws = [replace(flaw, hint=_SINCE) for flaw in error.flaws]
            raise InvalidInput(flaws=flaws) from None
    try:
        return now - span(text, "since")
    except OverflowError:
        raise InvalidInput(flaws=[Flaw("is before all time.", field="since")]) from None


def _added_up(rows: Iterable[CallCount]) -> list[CallCount]:
    from evergrant.ports.store import merged

    return merged(replace(row, id=row.operation) for row in rows)


def _count(row: CallCount) -> dict[str, object]:
    waited = f"{row.waits}, {row.waited_ms / row.waits / 1000:.1f} s each" if row.waits else "0"
    return {
        "hour": when(row.hour_at),
        "operation": row.operation,
        "calls": str(row.calls),
        "waited": waited,
        "refused": str(row.refused),
        "throttled": str(row.throttled),
        "errors": ", ".join(f"{cause} {number}" for cause, number in sorted(row.errors.items())),
        "last": when(row.last_at),
    }
