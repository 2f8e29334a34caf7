"""Adoption: a refresh token that was made elsewhere and is pasted here.

Answers for: trying it at Amazon before anything is stored, and for finding out that it belongs to
another account as far as that can be found out: no call of Amazon's tells whose refresh token it
is. Does not answer for: storing (grants).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from evergrant import journal
from evergrant.accounts import AccountView
from evergrant.consent.grants import MOST_RACES, Given, Grants, NotStorable, Raced
from evergrant.consent.ground import Case, Ground, case_in_reach
from evergrant.consent.looks import Looks
from evergrant.errors import (
    AccountClosed,
    ApplicationRefused,
    Conflict,
    EvergrantError,
    GrantRefused,
)
from evergrant.intake import Flaws, need
from evergrant.naming import new_id
from evergrant.ports.amazon import TokenAnswer
from evergrant.ports.store import Transaction
from evergrant.ports.things import GrantSource
from evergrant.rules import ids
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.invitations import Refusal
from evergrant.rules.lifecycle import State
from evergrant.rules.rights import SYSTEM, Caller, Right
from evergrant.rules.secrecy import Secret, digest
from evergrant.rules.terms import GRANT_TERM

__all__ = ["Adoption"]

_LONGEST = 4096


class Adoption:
    def __init__(self, ground: Ground, grants: Grants, looks: Looks) -> None:
        self._ground = ground
        self._grants = grants
        self._looks = looks

    async def adopt(
        self,
        account_id: str,
        refresh_token: Secret,
        *,
        by: Caller,
        selling_partner_id: str,
        granted_at: datetime | None,
        look: bool,
    ) -> AccountView:
        need(by, Right.WRITE)
        now = self._ground.clock.now()
        pasted = _checked(refresh_token, selling_partner_id, granted_at, now)
        async with self._ground.store.transaction() as tx:
            case = await case_in_reach(tx, account_id, by)
            await self._refuse_mismatch(tx, case, selling_partner_id)
        _refuse_too_old(case, granted_at, now)
        # One at a time, so that one refresh token pasted for two accounts at once is found out.
        async with self._ground.store.exclusive(f"adopt/{digest(pasted)}"):
            answer = await self._tried(case, pasted, now, by=by)
            given = Given(
                id=new_id(ids.Kind.GRANT, now),
                refresh_token=answer.refresh_token or pasted,
                access_token=answer.access_token,
                access_token_expires_at=now + timedelta(seconds=answer.expires_in_s),
                source=GrantSource.ADOPTED,
                selling_partner_id=selling_partner_id,
                granted_at=granted_at,
            )
            outbox_ids = await self._store(case, pasted, given, now, by=by)
        await self._ground.ring(outbox_ids)
        if look:
            await self._looks.after_grant(account_id, given.access_token, grant_id=given.id)
        return await self._ground.accounts.get(account_id, by=SYSTEM)

    async def _refuse_mismatch(self, tx: Transaction, case: Case, selling_partner_id: str) -> None:
        if case.authorization.state is State.CLOSED:
            raise AccountClosed(hint="Reopen the account first.")
        for known, words in (
            (case.account.merchant_token, "its merchant token is"),
            (case.authorization.selling_partner_id, "it was authorized by"),
        ):
            if selling_partner_id and known and known != selling_partner_id:
                raise Conflict(
                    f"This account belongs to another selling partner: {words} {known}, not "
                    f"{selling_partner_id}.",
                    hint="Look whether this is the right account; or add another one.",
                )
        if await self._grants.held_by_other(tx, case, selling_partner_id):
            raise _taken()

    async def _tried(self, case: Case, pasted: Secret, now: datetime, *, by: Caller) -> TokenAnswer:
        """LWA's answer to the pasted refresh token; its refusal goes into the journal."""
        application_id = case.application.id
        client = await self._ground.registry.lwa_client(application_id)
        try:
            answer = await self._ground.lwa.refresh(client, pasted)
        except EvergrantError as error:
            if isinstance(error, ApplicationRefused):
                await self._ground.registry.note_application_trouble(application_id, error)
            # Tells movers that this very one was refused before.
            refused = isinstance(error, GrantRefused)
            which = {"refresh_token_digest": digest(pasted)} if refused else {}
            async with self._ground.store.transaction() as tx:
                await journal.write(
                    tx,
                    now=now,
                    by=by,
                    verb="authorization.adoption_refused",
                    subject=case.authorization.id,
                    account_id=case.account.id,
                    error=error.code,
                    amazon_said=error.reason if isinstance(error, GrantRefused) else error.message,
                    **which,
                )
            raise
        await self._ground.registry.note_application_trouble(application_id, None)
        return answer

    async def _refuse_held_elsewhere(self, tx: Transaction, case: Case, pasted: Secret) -> None:
        """The same refresh token came here for another account: pasted into the wrong form. An
        older one counts as well, because Amazon keeps accepting it beside its successor."""
        for grant in await tx.grants.all(token_digest=digest(pasted)):
            if grant.authorization_id == case.authorization.id:
                continue
            holder = await tx.authorizations.get(grant.authorization_id)
            if holder is not None and holder.state is not State.CLOSED:
                raise _taken()

    async def _store(
        self, tried: Case, pasted: Secret, given: Given, now: datetime, *, by: Caller
    ) -> tuple[str, ...]:
        for _ in range(MOST_RACES):
            try:
                async with self._ground.store.transaction() as tx:
                    case = await case_in_reach(tx, tried.account.id, by)
                    if case.place != tried.place:
                        raise _changed()
                    await self._refuse_mismatch(tx, case, given.selling_partner_id)
                    await self._refuse_held_elsewhere(tx, case, pasted)
                    return await self._grants.store(tx, case, given, now, by=by)
            except NotStorable as refused:
                if refused.refusal is Refusal.ACCOUNT_CLOSED:
                    raise AccountClosed(hint="Reopen the account first.") from None
                raise _taken() from None
            except Raced:
                continue
        raise _changed()


def _changed() -> Conflict:
    return Conflict("This account is being changed by somebody else.", hint="Try again.")


def _taken() -> Conflict:
    return Conflict(
        "This authorization is held by another account here.",
        hint="Look for the selling partner in the list of accounts; close that account first if "
        "this one shall take its place.",
    )


def _checked(
    refresh_token: Secret, selling_partner_id: str, granted_at: datetime | None, now: datetime
) -> Secret:
    flaws = Flaws()
    pasted = refresh_token.reveal().strip()
    if not pasted:
        flaws.add("refresh_token", "is needed and must not be empty.", code="missing")
    elif not pasted.isascii() or not pasted.isprintable() or " " in pasted:
        flaws.add("refresh_token", "holds characters that no refresh token has.", code="malformed")
    elif len(pasted) > _LONGEST:
        flaws.add("refresh_token", f"is longer than {_LONGEST} characters.", code="too_long")
    elif pasted.startswith(("Atza|", "amzn1.")):
        flaws.add(
            "refresh_token",
            "is something else: an access token, a client id or a client secret.",
            code="malformed",
            hint="A refresh token begins with Atzr|; Amazon's console shows it once.",
        )
    flaws.text(
        "selling_partner_id", selling_partner_id, ids.check_selling_partner_id, optional=True
    )
    if granted_at is not None and granted_at.tzinfo is None:
        flaws.add("granted_at", "needs a time zone.", code="malformed")
    elif granted_at is not None and granted_at > now + timedelta(days=1):
        flaws.add("granted_at", "lies in the future.", code="out_of_range")
    flaws.refuse_if_any()
    return Secret(pasted)


def _refuse_too_old(case: Case, granted_at: datetime | None, now: datetime) -> None:
    if granted_at is None or case.application.kind is ApplicationKind.PRIVATE:
        return
    if now >= granted_at + GRANT_TERM:
        flaws = Flaws()
        flaws.add(
            "granted_at",
            "lies more than 365 days back: Amazon ends a grant of a public application then.",
            code="out_of_range",
            hint="Leave it out if the day is not known.",
        )
        flaws.refuse_if_any()
