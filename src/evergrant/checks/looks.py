"""Looks that take long, and what the last one found.

Answers for: looking in the background while a person goes on reading, one look at a time over all
processes, and for keeping what it found where every process reads it: in the journal. Does not
answer for: what is looked at (``looking``), or for the list of reviews (``reviewing``).

A process that dies while it looks leaves a look that never ends; after ``LOST`` nobody waits for it
any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from evergrant import journal, logs
from evergrant.checks import kinds
from evergrant.checks.kinds import Finding, Severity
from evergrant.checks.looking import look_at, worst_first
from evergrant.checks.reviewing import Reviewed, items_of
from evergrant.errors import Blame, Conflict, EvergrantError
from evergrant.rules.reviews import ReviewState, key_of
from evergrant.rules.rights import SYSTEM, Right
from evergrant.rules.secrecy import scrub

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.ports.things import JournalLine
    from evergrant.rules.rights import Caller
    from evergrant.settings import Settings

__all__ = ["LOST", "MOST_KEPT", "Look", "begin_look", "items_at_hand", "last_look"]

_log = logs.logger(__name__)

#: Twenty applications whose Amazon and whose queue do not answer take some minutes.
LOST = timedelta(minutes=10)
#: So many findings are kept, the worst ones.
MOST_KEPT = 200
_SUBJECT = "checks"
_BEGAN, _ENDED, _FAILED = "checks.began", "checks.ended", "checks.failed"
#: The loop holds tasks loosely; these are under way.
_under_way: set[asyncio.Task[None]] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """``live``: Amazon was asked. ``began_at``: of a look that is under way now. ``ended_at`` None:
    nobody has looked to the end yet. ``astray``: what shows only where all accounts and all client
    instances are looked through, by the keys of items. ``trouble``: why a later look than this one
    came to nothing."""

    began_at: datetime | None = None
    ended_at: datetime | None = None
    by: str = ""  # the caller as the journal writes it
    live: bool = False
    findings: tuple[Finding, ...] = ()
    left_out: int = 0
    astray: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""

    @property
    def is_under_way(self) -> bool:
        return self.began_at is not None


async def begin_look(desk: Desk, settings: Settings, *, live: bool, by: Caller) -> None:
    """Begins to look at everything, and is done before that is. Needs READ; ``live``, which asks
    Amazon, the queues and the mail relay, MANAGE. Raises Conflict while somebody looks. Journal:
    ``checks.began``, then ``checks.ended`` or ``checks.failed``."""
    from evergrant.intake import need_everywhere

    need_everywhere(by, Right.MANAGE if live else Right.READ)
    now = desk.clock.now()
    async with desk.store.exclusive("checks/look"):
        if (await last_look(desk)).is_under_way:
            raise Conflict("Somebody is looking just now; wait for what is found.")
        async with desk.store.transaction() as tx:
            await journal.write(tx, now=now, by=by, verb=_BEGAN, subject=_SUBJECT, live=live)
    task = asyncio.create_task(_look(desk, settings, live=live, by=by))
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)


async def last_look(desk: Desk) -> Look:
    """What the last look found that came to its end. Raises StoreUnavailable."""
    now = desk.clock.now()
    newest = await _newest(desk)
    if newest is None:
        return Look()
    ended = newest if newest.verb == _ENDED else await _newest(desk, _ENDED)
    look = Look() if ended is None else _read(ended)
    if newest.verb == _FAILED:
        return replace(look, trouble=str(newest.facts.get("error", "")))
    if newest.verb != _BEGAN:
        return look
    if now - newest.at < LOST:
        return replace(look, began_at=newest.at)
    return replace(look, trouble=f"The look of {newest.at:%Y-%m-%d %H:%M} UTC never ended.")


async def items_at_hand(
    desk: Desk, settings: Settings, look: Look, *, subject: str = ""
) -> list[Reviewed]:
    """The list of reviews as it stands, without looking through all accounts and all instances:
    what shows only then is taken from ``look``, but for ``subject``, a client instance. Raises
    StoreUnavailable."""
    items = await _quickly(desk, settings, subject)
    return [one if one.subject == subject else _with_astray(one, look) for one in items]


async def _quickly(desk: Desk, settings: Settings, subject: str = "") -> list[Reviewed]:
    return await items_of(desk, settings, apart={}, instances={subject})


def _with_astray(one: Reviewed, look: Look) -> Reviewed:
    says = look.astray.get(key_of(one.item, one.subject), "")
    if not says or one.state is not ReviewState.PASSED:
        return one
    return replace(one, state=ReviewState.FAILED, says=says)


# --- one look -------------------------------------------------------------------------------------


async def _look(desk: Desk, settings: Settings, *, live: bool, by: Caller) -> None:
    try:
        verb, facts = _ENDED, await _found(desk, settings, live=live)
    except EvergrantError as error:
        verb, facts = _FAILED, {"error": scrub(error.message)}
    except Exception as mistake:  # noqa: BLE001 - nobody waits for this task; the page tells it
        _log.error("a look at everything broke", exc_info=mistake)
        verb, facts = _FAILED, {"error": f"It broke: {type(mistake).__name__}. The log has more."}
    try:
        async with desk.store.transaction() as tx:
            await journal.write(
                tx, now=desk.clock.now(), by=by, verb=verb, subject=_SUBJECT, live=live, **facts
            )
    except EvergrantError as error:
        _log.warning("what a look found was not kept", why=error.message)


async def _found(desk: Desk, settings: Settings, *, live: bool) -> dict[str, Any]:
    survey = await look_at(desk, settings, live=live)
    findings = worst_first([*survey.findings, *await _workers(desk)])
    return {
        "findings": [asdict(one) for one in findings[:MOST_KEPT]],
        "left_out": max(0, len(findings) - MOST_KEPT),
        "errors": sum(one.severity is Severity.ERROR for one in findings),
        "astray": await _astray(desk, settings, survey.items),
    }


async def _workers(desk: Desk) -> Sequence[Finding]:
    pulse = await desk.pulse.look()
    if pulse.alive():
        return ()
    return (kinds.NO_WORKER("No worker has given a sign of life in the last minute."),)


async def _astray(desk: Desk, settings: Settings, items: Sequence[Reviewed]) -> dict[str, str]:
    at_hand = await _quickly(desk, settings)
    fine = {key_of(one.item, one.subject) for one in at_hand if one.state is ReviewState.PASSED}
    return {
        key: one.says
        for one in items
        if one.state is ReviewState.FAILED and (key := key_of(one.item, one.subject)) in fine
    }


# --- as the journal keeps it ----------------------------------------------------------------------


async def _newest(desk: Desk, verb: str | None = None) -> JournalLine | None:
    lines = await journal.read(desk.store, SYSTEM, subject=_SUBJECT, verb=verb, limit=1)
    return lines[0] if lines else None


def _read(line: JournalLine) -> Look:
    facts = line.facts
    return Look(
        ended_at=line.at,
        by=line.caller,
        live=bool(facts.get("live")),
        findings=tuple(
            Finding(
                code=one["code"],
                severity=Severity(one["severity"]),
                blame=Blame(one["blame"]),
                message=one["message"],
                hint=one["hint"],
                subject=one["subject"],
            )
            for one in facts.get("findings", ())
        ),
        left_out=int(facts.get("left_out", 0)),
        astray=facts.get("astray", {}),
    )
