"""THE ACCOUNT BOOK. Accounts, their participations, their flags, closing and reopening.

Answers for: adding, changing, showing and listing accounts, and for telling client instances what
they must know of it (event ``account.changed``). Does not answer for: consent, access tokens, or
any other move of the lifecycle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from evergrant import journal
from evergrant.account_fields import (
    ELSEWHERE,
    FIELDS,
    NewAccount,
    check_account,
    check_against_authorization,
)
from evergrant.accounts.telling import settle_notices, tell, tell_changed
from evergrant.errors import Conflict, NotAllowed, NotFound
from evergrant.intake import (
    Flaws,
    accounts_within,
    check_page,
    differences,
    given_by,
    need,
)
from evergrant.naming import new_id
from evergrant.ports import Bell, Clock
from evergrant.ports.amazon import ReportedParticipation
from evergrant.ports.store import ONE_ACCOUNT_PER_NAME, AlreadyThere, Store, Transaction
from evergrant.ports.things import Account, Authorization, InvitationState, Participation
from evergrant.rules import flags as flag_rules
from evergrant.rules import ids
from evergrant.rules.flags import ALL_ON, Flag
from evergrant.rules.lifecycle import Event, Moved, State, advance
from evergrant.rules.marketplaces import Marketplaces, PartnerKind
from evergrant.rules.participations import MarketplaceChanges, MarketplaceStand, compare
from evergrant.rules.rights import SYSTEM, Caller, Right
from evergrant.spelling import did_you_mean

__all__ = ["AccountView", "Accounts", "NewAccount"]

_MOVED_ON = "Somebody else changed this account at the same moment; look at it again."

#: Fields by which the reception judges whether a grant belongs to an account.
_JUDGED_AT_CONSENT = frozenset(
    {"application_id", "region", "partner_kind", "home_marketplace", "merchant_token"}
)
#: So many accounts are looked at in one go when a list is narrowed by state.
_STRIDE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """One account with all that belongs to it. ``flags_view``: None where unavailable."""

    account: Account
    authorization: Authorization
    participations: tuple[Participation, ...]
    flags_view: Mapping[Flag, bool | None]


class Accounts:
    """Verbs raise NotAllowed without the right, NotFound out of reach, InvalidInput with every
    flaw at once, Conflict when a name is taken or somebody else was faster."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        marketplaces: Marketplaces,
        *,
        bell: Bell | None = None,
    ) -> None:
        """``bell``: rung for events; without one they go out with the next round of the post."""
        self._store = store
        self._clock = clock
        self._marketplaces = marketplaces
        self._bell = bell

    async def add(self, new: NewAccount, *, by: Caller) -> Account:
        """With its authorization (AWAITING). Needs WRITE, and a caller that is not bound to certain
        accounts. Journal: ``account.added``."""
        need(by, Right.WRITE)
        if by.account_ids is not None:
            raise NotAllowed("This key reaches certain accounts only; it adds none.")
        now = self._clock.now()
        flaws = Flaws()
        values = flaws.settle(FIELDS, given_by(new))
        async with self._store.transaction() as tx:
            await check_account(
                tx, self._marketplaces, flaws, values, values["flags"], set(values), by
            )
            flaws.refuse_if_any()
            values["flags"] = {**ALL_ON, **values["flags"]}
            account = Account(
                id=new_id(ids.Kind.ACCOUNT, now), created_at=now, changed_at=now, **values
            )
            try:
                await tx.accounts.add(account)
            except AlreadyThere as taken:
                raise _conflict(taken) from None
            await tx.authorizations.add(
                Authorization(
                    id=new_id(ids.Kind.AUTHORIZATION, now),
                    account_id=account.id,
                    application_id=account.application_id,
                    region=account.region,
                    state=State.AWAITING,
                    changed_at=now,
                )
            )
            await _write(tx, now, by, "account.added", account.id, **_told(values))
        return account

    async def change(self, id: str, changes: Mapping[str, object], *, by: Caller) -> Account:
        """Changes the named fields of ``NewAccount``; ``flags`` may name some only. Application,
        region and partner kind are frozen once the account was authorized. ``oauth_began`` is
        set by an invitation, never here. Another client e-mail takes the open link back: it went
        to the former one. Needs WRITE. Journal: ``account.changed``. Event: ``account.changed``,
        where the client instance must know; when the account goes to another one, to both."""
        need(by, Right.WRITE)
        now = self._clock.now()
        flaws = Flaws()
        flaws.names(changes, FIELDS, ELSEWHERE)
        values = flaws.settle(FIELDS, changes)
        async with self._store.transaction() as tx:
            old, authorization = await _reached(tx, id, by)
            asked = values.get("flags", {})
            if "flags" in values:
                values["flags"] = {**old.flags, **asked}
            changed = differences(old, values)
            whole = {name: values.get(name, getattr(old, name)) for name in FIELDS}
            await check_account(tx, self._marketplaces, flaws, whole, asked, set(changed), by)
            check_against_authorization(flaws, whole, set(changed), authorization)
            flaws.refuse_if_any()
            if not changed:
                return old
            try:
                fresh = await tx.accounts.change(
                    id, {"changed_at": old.changed_at}, **changed, changed_at=now
                )
            except AlreadyThere as taken:
                raise _conflict(taken) from None
            mirrored = {n: changed[n] for n in ("application_id", "region") if n in changed}
            # Whoever stores a grant at this moment judged what the account was: its version tells.
            touched = not _JUDGED_AT_CONSENT.isdisjoint(changed)
            moved = not touched or await _change(tx, authorization, now, **mirrored)
            if fresh is None or not moved:
                raise Conflict(_MOVED_ON)
            if "client_email" in changed:
                # Whoever got the link at the former address is not who is meant any more.
                await _withdraw_letters(tx, id)
            was = {name: getattr(old, name) for name in changed}
            if "flags" in changed:
                changed["flags"] = asked
                was["flags"] = {flag: old.flags.get(flag, True) for flag in asked}
            await _write(tx, now, by, "account.changed", id, was=_told(was), **_told(changed))
            told = await tell_changed(tx, old, fresh, was, changed, now)
        await self._ring(told)
        return fresh

    async def set_flags(self, id: str, flags: Mapping[str, bool], *, by: Caller) -> Account:
        """The named flags; one that is unavailable for this account is InvalidInput. Needs WRITE.
        Journal: ``account.changed``."""
        return await self.change(id, {"flags": flags}, by=by)

    async def get(self, id: str, *, by: Caller) -> AccountView:
        """Needs READ."""
        need(by, Right.READ)
        async with self._store.transaction() as tx:
            account, authorization = await _reached(tx, id, by)
            return await _view(tx, account, authorization)

    async def find(self, text: str, *, by: Caller) -> AccountView:
        """By id or by name. Needs READ."""
        need(by, Right.READ)
        async with self._store.transaction() as tx:
            found = await tx.accounts.get(text) or await tx.accounts.one(name=text.strip())
            if found is None or not _reaches(by, found):
                near = await tx.accounts.all(limit=1000, **accounts_within(by))
                hint = did_you_mean(text, [one.name for one in near])
                raise NotFound(f"There is no account {text!r}.", hint=hint)
            account, authorization = await _reached(tx, found.id, by)
            return await _view(tx, account, authorization)

    async def list(
        self,
        *,
        by: Caller,
        after: str | None = None,
        limit: int = 100,
        application_id: str | None = None,
        client_instance_id: str | None = None,
        partner_kind: str | None = None,
        state: str | None = None,
    ) -> _Views:
        """In order of creation, after the account of that id; none beyond the caller's reach.
        Needs READ."""
        need(by, Right.READ)
        check_page(ids.Kind.ACCOUNT, after, limit)
        flaws = Flaws()
        wanted: dict[str, Any] = {}
        if application_id is not None:
            wanted["application_id"] = application_id
        if client_instance_id is not None:
            wanted["client_instance_id"] = client_instance_id
        if partner_kind is not None:
            wanted["partner_kind"] = flaws.word("partner_kind", partner_kind, PartnerKind)
        wanted_state = None if state is None else flaws.word("state", state, State)
        flaws.refuse_if_any()
        within = accounts_within(by)
        if client_instance_id not in (None, within.get("client_instance_id", client_instance_id)):
            return []
        wanted |= within
        async with self._store.transaction() as tx:
            return await _views(tx, wanted, wanted_state, after, limit)

    async def close(self, id: str, *, by: Caller) -> AccountView:
        """Ends all service for the account and withdraws open invitations.

        What Amazon gave stays sealed, so that reopening can find it; nothing of it is handed out
        while the account is closed. Personal data of the account goes 30 days later. What hangs on
        the notice board about it is settled. Needs WRITE. Raises Conflict when it is closed
        already. Journal: ``account.closed``. Event: ``account.changed``.
        """
        return await self._wish(id, Event.CLOSE, "account.closed", by)

    async def reopen(self, id: str, *, by: Caller) -> AccountView:
        """Back to AWAITING; a grant that still lies in the safe becomes active again as soon as
        Amazon accepts it. When its personal data was removed since, it needs a client e-mail first
        and a new consent afterwards. Needs WRITE. Raises Conflict when it is not closed, and when
        another account holds the same refresh token by now; InvalidInput without a client e-mail.
        Journal: ``account.reopened``. Event: ``account.changed``."""
        return await self._wish(id, Event.REOPEN, "account.reopened", by)

    async def record_participations(
        self,
        tx: Transaction,
        account_id: str,
        reported: Sequence[ReportedParticipation],
        now: datetime,
        *,
        by: Caller = SYSTEM,
    ) -> MarketplaceChanges:
        """What Amazon reports now replaces what it reported before. Gives what changed; writes
        ``account.participations_changed`` when anything did. Marketplaces that no table knows are
        kept as they come."""
        old = await tx.participations.all(account_id=account_id)
        fresh = [self._participation(account_id, row, now) for row in reported]
        for row in fresh:
            await tx.participations.put(row)
        kept = {row.id for row in fresh}
        for gone in old:
            if gone.id not in kept:
                await tx.participations.drop(gone.id)
        changes = compare([_stand(row) for row in old], [_stand(row) for row in fresh])
        if changes.sentences:
            verb = "account.participations_changed"
            await _write(tx, now, by, verb, account_id, changes=list(changes.sentences))
        return changes

    # --- what stands behind the verbs ---

    def _participation(
        self, account_id: str, row: ReportedParticipation, now: datetime
    ) -> Participation:
        known = self._marketplaces.by_id(row.marketplace_id)
        return Participation(
            id=f"{account_id}/{row.marketplace_id}",
            account_id=account_id,
            marketplace_id=row.marketplace_id,
            country_code=known.country_code if known else row.country_code,
            name=row.name,
            store_name=row.store_name,
            domain_name=row.domain_name,
            currency=row.currency,
            participating=row.participating,
            suspended=row.suspended,
            seen_at=now,
        )

    async def _wish(self, id: str, event: Event, verb: str, by: Caller) -> AccountView:
        need(by, Right.WRITE)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            account, authorization = await _reached(tx, id, by)
            decision = advance(authorization.state, event)
            if not isinstance(decision, Moved):
                raise Conflict(_sentence(decision.why))
            if event is Event.REOPEN:
                _refuse_without_email(account)
                await _refuse_taken_over(tx, authorization)
            fresh = await _change(tx, authorization, now, state=decision.to)
            if fresh is None:
                raise Conflict(_MOVED_ON)
            if event is Event.CLOSE:
                await _withdraw_letters(tx, id)
                await settle_notices(tx, id, now)
            await _write(tx, now, by, verb, id, was=authorization.state, state=decision.to)
            before, after = {"state": authorization.state.value}, {"state": decision.to.value}
            told = await tell(tx, account, fresh, before, after, now)
            view = await _view(tx, account, fresh)
        await self._ring(told)
        return view

    async def _ring(self, told: Sequence[str]) -> None:
        if told and self._bell is not None:
            await self._bell.ring(told)


_Views = list[AccountView]


def _conflict(taken: AlreadyThere) -> Exception:
    if taken.constraint == ONE_ACCOUNT_PER_NAME:
        return Conflict("There is an account of this name already.", facts={"field": "name"})
    return taken


def _sentence(why: str) -> str:
    return f"{why[:1].upper()}{why[1:]}."


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    """Of notes the journal says only that they changed: they are free text, and lines stay."""
    return {name: "…" if name == "notes" and value else value for name, value in values.items()}


def _stand(row: Participation) -> MarketplaceStand:
    return MarketplaceStand(
        marketplace_id=row.marketplace_id,
        country_code=row.country_code,
        participating=row.participating,
        suspended=row.suspended,
    )


def _reaches(by: Caller, account: Account) -> bool:
    return by.reaches_account(account.id, account.client_instance_id)


async def _write(
    tx: Transaction, now: datetime, by: Caller, verb: str, account_id: str, **facts: Any
) -> None:
    await journal.write(
        tx, now=now, by=by, verb=verb, subject=account_id, account_id=account_id, **facts
    )


async def _reached(tx: Transaction, id: str, by: Caller) -> tuple[Account, Authorization]:
    account = await tx.accounts.get(id)
    if account is None or not _reaches(by, account):
        raise NotFound("There is no such account.")
    authorization = await tx.authorizations.one(account_id=id)
    assert authorization is not None, f"{id} has no authorization"
    return account, authorization


async def _withdraw_letters(tx: Transaction, account_id: str) -> None:
    for letter in await tx.invitations.all(account_id=account_id, state=InvitationState.OPEN):
        await tx.invitations.change(
            letter.id, {"state": InvitationState.OPEN}, state=InvitationState.WITHDRAWN
        )


def _refuse_without_email(account: Account) -> None:
    if account.client_email:
        return
    flaws = Flaws()
    flaws.add(
        "client_email",
        "is missing: it was removed some time after this account was closed.",
        code="missing",
        hint="Set it first; then reopen the account and send the link.",
    )
    flaws.refuse_if_any()


async def _refuse_taken_over(tx: Transaction, closed: Authorization) -> None:
    """While it was closed its refresh token may have been adopted for another account; with both
    open, one of them would be served the other's shop."""
    grant = await tx.grants.get(closed.grant_id) if closed.grant_id else None
    if grant is None or not grant.token_digest:
        return
    for same in await tx.grants.all(token_digest=grant.token_digest):
        holder = await tx.authorizations.get(same.authorization_id)
        if holder and holder.id != closed.id and holder.state is not State.CLOSED:
            raise Conflict(
                "Another account holds the authorization of this one by now.",
                hint="Close that account first.",
            )


async def _change(
    tx: Transaction, old: Authorization, now: datetime, **values: Any
) -> Authorization | None:
    return await tx.authorizations.change(
        old.id, {"version": old.version}, **values, version=old.version + 1, changed_at=now
    )


async def _view(tx: Transaction, account: Account, authorization: Authorization) -> AccountView:
    found = await tx.participations.all(account_id=account.id)
    return _viewed(account, authorization, found)


def _viewed(
    account: Account, authorization: Authorization, participations: Sequence[Participation]
) -> AccountView:
    return AccountView(
        account=account,
        authorization=authorization,
        participations=tuple(sorted(participations, key=lambda one: one.country_code)),
        flags_view=flag_rules.view(account.flags, account.partner_kind, account.vendor_kind),
    )


async def _views(
    tx: Transaction, wanted: Mapping[str, Any], state: State | None, after: str | None, limit: int
) -> _Views:
    """State stands on another shelf, so accounts are looked through in strides until enough."""
    found: _Views = []
    while len(found) < limit:
        stride = limit if state is None else max(limit, _STRIDE)
        accounts = await tx.accounts.all(after=after, limit=stride, **wanted)
        if not accounts:
            break
        of = [one.id for one in accounts]
        authorizations = {
            one.account_id: one
            for one in await tx.authorizations.all(account_id=of)
            if state is None or one.state is state
        }
        kept = [one for one in accounts if one.id in authorizations][: limit - len(found)]
        rows: dict[str, list[Participation]] = {one.id: [] for one in kept}
        for row in await tx.participations.all(account_id=list(rows)):
            rows[row.account_id].append(row)
        found += [_viewed(one, authorizations[one.id], rows[one.id]) for one in kept]
        if len(accounts) < stride:
            break
        after = of[-1]
    return found
