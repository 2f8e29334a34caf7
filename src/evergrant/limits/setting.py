"""Plans that operators set.

Answers for: setting, listing and removing them, who may, and what a plan must be. Does not answer
for: which one decides (``rules.plans``), or for when processes take them over (``plans``).

Who may: a plan of one account touches that account's own bucket, so WRITE and its being in reach
are enough. A plan of an application or of all touches accounts of every instance: MANAGE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from evergrant import journal
from evergrant.errors import Conflict, NotFound
from evergrant.intake import LONGEST_PAGE, Flaws, differences, need, need_everywhere
from evergrant.limits.values import NewPlan
from evergrant.ports.store import Store, Transaction
from evergrant.ports.things import Account, PlanOverride
from evergrant.rules import ids, operations
from evergrant.rules.faults import Fault
from evergrant.rules.operations import Operation
from evergrant.rules.plans import check_burst, check_rate
from evergrant.rules.rights import Caller, Right
from evergrant.rules.secrecy import scrub
from evergrant.spelling import did_you_mean

__all__ = ["LONGEST_NOTE", "MOST_PLANS", "list_plans", "reached_account", "remove_plan", "set_plan"]

#: Every process reads all of them once a second. Whoever needs more means an application's plan.
MOST_PLANS = 1000
LONGEST_NOTE = 500

_SET = ("rate_per_s", "burst", "note")


async def set_plan(store: Store, now: datetime, new: NewPlan, by: Caller) -> PlanOverride:
    """As `Limits.set_plan`."""
    if new.account_id is None:
        need_everywhere(by, Right.MANAGE)
    else:
        need(by, Right.WRITE)
    operation, wish = _checked(new, now)
    async with store.transaction() as tx:
        if wish.account_id is not None:
            await reached_account(tx, wish.account_id, by)
        elif wish.application_id is not None:
            await _existing_application(tx, wish.application_id)
        old = await tx.plan_overrides.get(wish.id)
        if old is not None:
            changed = differences(old, {name: getattr(wish, name) for name in _SET})
            if not changed:
                return old
            wish = replace(wish, created_at=old.created_at)
        elif await tx.plan_overrides.count() >= MOST_PLANS:
            raise Conflict(
                f"There are {MOST_PLANS} plans of operators already.",
                hint="Set one for the application, or for all, in place of many for accounts.",
            )
        await tx.plan_overrides.put(wish)
        await journal.write(
            tx,
            now=now,
            by=by,
            verb="plan.set",
            subject=wish.id,
            account_id=wish.account_id,
            was=None if old is None else _told(old),
            operation=operation.name,
            application_id=wish.application_id,
            of_application=wish.of_application,
            **_told(wish),
        )
    return wish


async def list_plans(
    store: Store, by: Caller, *, operation: str | None, after: str | None, limit: int
) -> list[PlanOverride]:
    """As `Limits.list_plans`."""
    need(by, Right.READ)
    flaws = Flaws()
    if not 1 <= limit <= LONGEST_PAGE:
        flaws.add("limit", f"must be from 1 to {LONGEST_PAGE}.", code="out_of_range")
    if operation is not None:
        flaws.check("operation", _known, operation)
    flaws.refuse_if_any()
    async with store.transaction() as tx:
        plans = await tx.plan_overrides.all(after=after)
        owners = await _owners(tx, plans)
    return [
        one
        for one in plans
        if operation in (None, one.operation) and _reaches(by, owners.get(one.account_id or ""))
    ][:limit]


async def remove_plan(store: Store, now: datetime, id: str, by: Caller) -> None:
    """As `Limits.remove_plan`."""
    async with store.transaction() as tx:
        old = await tx.plan_overrides.get(id)
        if old is None:
            need(by, Right.WRITE)
            raise _no_plan()
        if old.account_id is None:
            need_everywhere(by, Right.MANAGE)
        else:
            need(by, Right.WRITE)
            account = await tx.accounts.get(old.account_id)
            if account is None or not by.reaches_account(account.id, account.client_instance_id):
                raise _no_plan()
        if not await tx.plan_overrides.drop(id):
            raise _no_plan()
        await journal.write(
            tx,
            now=now,
            by=by,
            verb="plan.removed",
            subject=id,
            account_id=old.account_id,
            operation=old.operation,
            application_id=old.application_id,
            of_application=old.of_application,
            was=_told(old),
        )


async def reached_account(tx: Transaction, account_id: str, by: Caller) -> Account:
    """Raises NotFound, also for an account beyond the caller's reach."""
    account = await tx.accounts.get(account_id)
    if account is None or not by.reaches_account(account.id, account.client_instance_id):
        raise NotFound("There is no such account.")
    return account


# --- what stands behind the verbs ---------------------------------------------------------------


def _checked(new: NewPlan, now: datetime) -> tuple[Operation, PlanOverride]:
    flaws = Flaws()
    operation = flaws.check("operation", _known, new.operation)
    rate_per_s = flaws.check("rate_per_s", check_rate, new.rate_per_s)
    burst = flaws.check("burst", check_burst, new.burst)
    note = flaws.check("note", _check_note, new.note)
    of_application = new.of_application
    if new.application_id is not None and new.account_id is not None:
        flaws.add(
            "application_id",
            "and account_id exclude each other.",
            code="contradiction",
            hint="An account has one application: name the account alone.",
        )
    if new.application_id is not None:
        flaws.check(
            "application_id", lambda it: ids.check(ids.Kind.APPLICATION, it), new.application_id
        )
    if new.account_id is not None:
        flaws.check("account_id", lambda it: ids.check(ids.Kind.ACCOUNT, it), new.account_id)
        if of_application:
            flaws.add(
                "of_application",
                "A plan of an application is shared by all its accounts; one account has none.",
                code="contradiction",
                hint="Name the application, or leave of_application away.",
            )
    if operation is not None and operation.scope is not None:
        # There is no other bucket: it speaks for the application, in nobody's name.
        of_application = True
        if new.account_id is not None:
            flaws.add(
                "account_id",
                f"{operation.name} is called in the name of no account.",
                code="contradiction",
                hint="Set the plan for an application, or for all.",
            )
    flaws.refuse_if_any()
    assert operation is not None
    assert rate_per_s is not None
    assert burst is not None
    return operation, PlanOverride(
        id=_id(operation.name, new.account_id or new.application_id, of_application),
        operation=operation.name,
        application_id=new.application_id,
        account_id=new.account_id,
        rate_per_s=rate_per_s,
        burst=burst,
        of_application=of_application,
        note=note or "",
        created_at=now,
        changed_at=now,
    )


def _id(operation: str, owner: str | None, of_application: bool) -> str:
    """Made of what it is for, so that the database keeps one plan for one thing."""
    return f"{owner or 'all'}:{operation}{':application' if of_application else ''}"


def _known(name: str) -> Operation:
    operation = operations.get(name)
    if operation is not None:
        return operation
    last = f".{name.rpartition('.')[2].casefold()}"
    same = [one for one in operations.NAMES if one.casefold().endswith(last)]
    hint = f"Did you mean {same[-1]!r}?" if same else did_you_mean(name, operations.NAMES)
    raise Fault(
        "unknown_operation",
        f"{name[:100]!r} is no operation that is known here.",
        field="operation",
        hint=hint or "Names look like orders.v0.getOrders: the path, its version, the operation.",
    )


def _check_note(note: str) -> str:
    if len(note) > LONGEST_NOTE or not note.isprintable():
        raise Fault("bad_note", f"A note is one line of at most {LONGEST_NOTE} characters.")
    if scrub(note) != note:
        raise Fault("holds_secret", "This holds a secret; a note is stored and shown as it is.")
    return note.strip()


def _told(plan: PlanOverride) -> dict[str, object]:
    return {name: getattr(plan, name) for name in _SET}


async def _owners(tx: Transaction, plans: Sequence[PlanOverride]) -> dict[str, Account]:
    wanted = sorted({one.account_id for one in plans if one.account_id is not None})
    return {one.id: one for one in await tx.accounts.all(id=wanted)} if wanted else {}


def _reaches(by: Caller, owner: Account | None) -> bool:
    if owner is None:
        return by.reaches(None)
    return by.reaches_account(owner.id, owner.client_instance_id)


async def _existing_application(tx: Transaction, id: str) -> None:
    if await tx.applications.get(id) is None:
        raise NotFound("There is no such application.")


def _no_plan() -> NotFound:
    return NotFound("There is no such plan of an operator.", hint="`GET /v1/plans` lists them.")
