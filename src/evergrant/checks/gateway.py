"""Looks at what programs use at the gateway: its ports, their keys, Amazon's limits.

Answers for: settings that do not fit each other, keys that open nothing or end soon, limits that
somebody outside of the gateway spends as well. Does not answer for: numbers and words of the list
(``kinds``), or for anything that is wrong beside the gateway (``looking``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from evergrant.checks import kinds
from evergrant.rules.lifecycle import State
from evergrant.rules.rights import Right

if TYPE_CHECKING:
    from evergrant.checks.kinds import Finding
    from evergrant.desk import Desk
    from evergrant.ports.things import ApiKey, CallCount, ConnectionKey
    from evergrant.settings import Settings

__all__ = ["keys", "ports", "throttled"]

#: So long before its end a key is spoken of.
ENDS_SOON = timedelta(days=14)
#: nginx shows its key with every call: one that was not seen for so long is nobody's.
IDLE = timedelta(days=7)
#: A key that was replaced and was seen since is still in some program.
STILL_USED = timedelta(days=1)
#: So far back a 429 of Amazon's is of interest.
RECENT = timedelta(hours=24)
#: So many accounts are named one by one; of the others is said how many there are.
_NAMED = 20
_ROUND = 200
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104  # what an operator may have set


def ports(settings: Settings) -> Iterator[Finding]:
    """What the settings say of the gateway's addresses."""
    addressed = (
        settings.gateway_port is not None
        or settings.decide_port is not None
        or bool(settings.gateway_hosts)
    )
    if settings.role == "gateway" and not addressed:
        yield kinds.GATEWAY_BELOW_A_PATH(
            "This process has no port and no name of its own for the gateway.",
            subject="EVERGRANT_GATEWAY_PORT",
        )
    if (
        settings.role in ("all", "gateway")
        and settings.decide_port is not None
        and settings.host in _EVERYWHERE
    ):
        yield kinds.DECIDE_PORT_OPEN(
            f"EVERGRANT_HOST is {settings.host}, and the decide port and the outcomes port listen "
            "there.",
            subject="EVERGRANT_DECIDE_PORT",
        )


async def keys(desk: Desk) -> AsyncIterator[Finding]:
    """API keys and connection keys that are neither revoked nor over. Raises StoreUnavailable."""
    now = desk.clock.now()
    endless: list[str] = []
    some = False
    async for api_key in _api_keys(desk, now):
        some = True
        if api_key.expires_at is None:
            endless.append(api_key.name)
        for finding in (*_ending(api_key, "API key", now), *_of_nginx(api_key, now)):
            yield finding
    if not some:
        yield kinds.NOBODY_MAY_IN("No program can ask for access tokens, or call Amazon.")
    async for connection_key, account_name, state in _connection_keys(desk, now):
        if connection_key.expires_at is None:
            endless.append(f"{account_name}: {connection_key.name or connection_key.id}")
        for finding in _ending(connection_key, f"connection key of {account_name}", now):
            yield finding
        if state is State.CLOSED:
            yield kinds.KEY_OF_CLOSED_ACCOUNT(
                f"{account_name}: {connection_key.name or connection_key.id}.",
                subject=connection_key.id,
            )
    if endless:
        first, more = endless[:3], len(endless) - 3
        others = f" and {more} more" if more > 0 else ""
        yield kinds.KEYS_WITHOUT_END(f"{len(endless)}: {', '.join(first)}{others}.")


def _ending(key: ApiKey | ConnectionKey, what: str, now: datetime) -> Iterator[Finding]:
    if key.expires_at is None or key.expires_at - now > ENDS_SOON:
        return
    told = f"The {what}, {key.name or key.id}, ends {key.expires_at:%Y-%m-%d %H:%M} UTC"
    if key.replaced_by is None:
        yield kinds.KEY_ENDS(f"{told}.", subject=key.id)
    elif key.last_used_at is not None and now - key.last_used_at < STILL_USED:
        yield kinds.KEY_ENDS(
            f"{told}, was replaced by {key.replaced_by}, and some program still uses it.",
            subject=key.id,
            hint="Give the new key to every program that has the old one.",
        )


def _of_nginx(key: ApiKey, now: datetime) -> Iterator[Finding]:
    if Right.DATA_PLANE not in key.rights:
        return
    more = sorted(key.rights - {Right.DATA_PLANE})
    if more:
        yield kinds.NGINX_KEY_BROAD(f"{key.name}: {', '.join(more)}.", subject=key.id)
    if now - (key.last_used_at or key.created_at) >= IDLE:
        used = f"not used since {key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never used"
        yield kinds.NGINX_KEY_IDLE(f"{key.name}: {used}.", subject=key.id)


async def throttled(desk: Desk) -> AsyncIterator[Finding]:
    """Limits that Amazon called spent although Evergrant thought otherwise. Raises
    StoreUnavailable."""
    since = desk.clock.now() - RECENT
    by_account: dict[str, list[CallCount]] = defaultdict(list)
    async with desk.store.transaction() as tx:
        for row in await tx.call_counts.read(since=since, throttled=True):
            by_account[row.account_id].append(row)
        worst = sorted(by_account, key=lambda one: -sum(row.throttled for row in by_account[one]))
        named = {one.id: one.name for one in await tx.accounts.all(id=worst[:_NAMED])}
    for account_id in worst[:_NAMED]:
        name = named.get(account_id, account_id) or "Operations of no account"
        yield kinds.LIMIT_SHARED(f"{name}: {_told(by_account[account_id])}.", subject=account_id)
    if len(worst) > _NAMED:
        yield kinds.LIMIT_SHARED(f"And {len(worst) - _NAMED} accounts more.")


def _told(rows: Sequence[CallCount]) -> str:
    times: dict[str, int] = defaultdict(int)
    for row in rows:
        times[row.operation] += row.throttled
    found = sorted(times.items(), key=lambda item: (-item[1], item[0]))
    told = ", ".join(f"{operation} ({number})" for operation, number in found[:3])
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    last = max(row.last_at for row in rows)
    return f"{told}{more}, last about {last:%Y-%m-%d %H:%M} UTC"


# --- a page after the other -----------------------------------------------------------------------


async def _api_keys(desk: Desk, now: datetime) -> AsyncIterator[ApiKey]:
    after: str | None = None
    while True:
        async with desk.store.transaction() as tx:
            rows = await tx.api_keys.all(revoked_at=None, after=after, limit=_ROUND)
        for row in rows:
            if _lives(row, now):
                yield row
        if len(rows) < _ROUND:
            return
        after = rows[-1].id


async def _connection_keys(
    desk: Desk, now: datetime
) -> AsyncIterator[tuple[ConnectionKey, str, State | None]]:
    """Each with its account's name and state."""
    after: str | None = None
    while True:
        async with desk.store.transaction() as tx:
            rows = await tx.connection_keys.all(revoked_at=None, after=after, limit=_ROUND)
            ids = {row.account_id for row in rows}
            names = {one.id: one.name for one in await tx.accounts.all(id=ids)}
            states = {
                one.account_id: one.state for one in await tx.authorizations.all(account_id=ids)
            }
        for row in rows:
            if _lives(row, now):
                name = names.get(row.account_id, row.account_id)
                yield row, name, states.get(row.account_id)
        if len(rows) < _ROUND:
            return
        after = rows[-1].id


def _lives(key: ApiKey | ConnectionKey, now: datetime) -> bool:
    return key.expires_at is None or key.expires_at > now
