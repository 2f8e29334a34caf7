"""The log-in leg: Amazon sends the browser to our log-in URI before it confirms a consent.

Answers for: telling which handshake such a call belongs to, sending the browser on to Amazon and
nowhere else, and for those who come without a handshake (Amazon's "Re-authorize" begins here).
Does not answer for: the callback.

Amazon's call carries nothing of ours, so the browser's cookie must tell what it belongs to. Where
that leaves a doubt the browser is turned away: a guess could connect a shop to another's account.
Sources: Amazon's pages "website-authorization-workflow", "renew-authorizations".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from evergrant import journal
from evergrant.consent.ground import Case, Ground, begun_by_whom, case_of
from evergrant.consent.handshakes import (
    COOKIE_LIFE_S,
    LIVE,
    beta_of,
    facts_of,
    state_of,
    trouble_of,
)
from evergrant.consent.invitations import Invitations
from evergrant.consent.queries import LogIn as Query
from evergrant.consent.queries import read_log_in
from evergrant.consent.reports import Reports, Trouble
from evergrant.consent.values import NeedsProof, Onward
from evergrant.ports.store import Transaction
from evergrant.ports.things import Handshake, HandshakeStep
from evergrant.rules import ids
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.invitations import (
    ConfirmAt,
    LoginFacts,
    Refusal,
    Refuse,
    SendOn,
    judge_callback_uri,
    judge_login,
)
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import Region
from evergrant.rules.secrecy import Secret, digest
from evergrant.rules.urls import add_query

__all__ = ["Attempt", "LogIn"]

#: One shop may be connected in each of Amazon's regions.
_MOST_LETTERS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A handshake of this browser, with what its account expects."""

    handshake: Handshake
    case: Case

    def expects(self, selling_partner_id: str) -> bool:
        """Its account is known to be this shop."""
        return bool(selling_partner_id) and selling_partner_id in (
            self.case.account.merchant_token,
            self.case.authorization.selling_partner_id,
        )

    def allows(self, selling_partner_id: str) -> bool:
        """Nothing that is known says that it is another shop."""
        return not selling_partner_id or all(
            known in ("", selling_partner_id)
            for known in (
                self.handshake.selling_partner_id,
                self.case.account.merchant_token,
                self.case.authorization.selling_partner_id,
            )
        )


class LogIn:
    def __init__(self, ground: Ground, reports: Reports, invitations: Invitations) -> None:
        self._ground = ground
        self._reports = reports
        self._invitations = invitations

    async def log_in(self, query: str, browser: str | None) -> Onward | NeedsProof:
        now = self._ground.clock.now()
        asked = read_log_in(query)
        async with self._ground.store.transaction() as tx:
            attempts = await self._attempts(tx, browser, now)
            step: Onward | NeedsProof | Trouble
            if attempts and browser is not None:
                step = await self._warm(tx, attempts, asked, browser, now)
                outbox_ids: list[str] = []
            else:
                step, outbox_ids = await self._cold(tx, asked, now)
            if isinstance(step, Trouble):
                filed = await self._reports.file(tx, step, now)
                outbox_ids.extend(filed.outbox_ids)
        await self._ground.ring(outbox_ids)
        if isinstance(step, Trouble):
            raise step.refusal(filed.report)
        return step

    # --- with a handshake ---------------------------------------------------------------------

    async def _attempts(self, tx: Transaction, browser: str | None, now: datetime) -> list[Attempt]:
        """What this browser began lately and did not end: the live ones, else the expired."""
        if browser is None:
            return []
        since = ids.make(ids.Kind.HANDSHAKE, now - timedelta(seconds=COOKIE_LIFE_S), bytes(10))
        begun = await tx.handshakes.all(after=since, browser_digest=digest(browser), step=LIVE)
        live = [handshake for handshake in begun if now < handshake.expires_at]
        return [
            Attempt(handshake=handshake, case=await case_of(tx, handshake.account_id))
            for handshake in live or begun
        ]

    async def _warm(
        self, tx: Transaction, attempts: list[Attempt], asked: Query, browser: str, now: datetime
    ) -> Onward | Trouble:
        origins = self._ground.marketplaces.central_origins()
        confirm = judge_callback_uri(asked.amazon_callback_uri, origins, min(origins))
        named = "" if isinstance(confirm, Refuse) else confirm.application_id
        attempt = _chosen(attempts, asked.selling_partner_id, named)
        if attempt is None:
            return _several_at_once(attempts, asked)
        handshake, case = attempt.handshake, attempt.case
        verdict = judge_login(
            LoginFacts(
                amazon_callback_uri=asked.amazon_callback_uri,
                amazon_state_present=bool(asked.amazon_state),
                selling_partner_id=asked.selling_partner_id,
            ),
            facts_of(self._ground, handshake, case, same_browser=True),
            origins,
            now,
        )
        if isinstance(verdict, SendOn) and handshake.selling_partner_id not in (
            "",
            asked.selling_partner_id,
        ):
            verdict = Refuse(Refusal.SELLING_PARTNER_CHANGED)
        if isinstance(verdict, SendOn) and not attempt.allows(asked.selling_partner_id):
            # The callback would be refused, and Amazon had connected another shop with us by then.
            verdict = Refuse(Refusal.WRONG_SELLING_PARTNER)
        if isinstance(verdict, Refuse):
            return trouble_of(
                verdict.reason,
                account=case.account,
                handshake=handshake,
                facts={
                    "selling_partner_reported": asked.selling_partner_id,
                    "amazon_callback_uri": asked.amazon_callback_uri,
                },
            )
        return await self._send_on(tx, attempt, asked, verdict, browser, now)

    async def _send_on(
        self,
        tx: Transaction,
        attempt: Attempt,
        asked: Query,
        verdict: SendOn,
        browser: str,
        now: datetime,
    ) -> Onward | Trouble:
        handshake, case = attempt.handshake, attempt.case
        changed = await tx.handshakes.change(
            handshake.id,
            expecting={"step": LIVE, "selling_partner_id": handshake.selling_partner_id},
            step=HandshakeStep.LOGGED_IN,
            selling_partner_id=asked.selling_partner_id or handshake.selling_partner_id,
        )
        if changed is None:
            return trouble_of(Refusal.STATE_SPENT, account=case.account, handshake=handshake)
        await journal.write(
            tx,
            now=now,
            by=await begun_by_whom(tx, handshake),
            verb="handshake.logged_in",
            subject=handshake.id,
            account_id=case.account.id,
            selling_partner_id=asked.selling_partner_id,
        )
        # Amazon wants the flag of a draft back; it adds it to its own call as well.
        beta = asked.beta or beta_of(case.application, case.account.partner_kind)
        location = add_query(
            verdict.url,
            [
                ("state", state_of(handshake.id, browser).reveal()),
                ("redirect_uri", handshake.redirect_uri),
                *([("version", "beta")] if beta else []),
            ],
            raw_pairs=[("amazon_state", asked.amazon_state)],
        )
        return Onward(location=Secret(location), handshake_id=handshake.id)

    # --- without one --------------------------------------------------------------------------

    async def _cold(
        self, tx: Transaction, asked: Query, now: datetime
    ) -> tuple[NeedsProof | Trouble, list[str]]:
        """The shop's id in such a call is a claim that anybody can type. So a known shop gets a
        letter at the address on file, and the browser in front of us learns nothing."""
        origins = self._ground.marketplaces.central_origins()
        if not asked.amazon_callback_uri:
            return trouble_of(Refusal.CALLBACK_URI_MISSING), []
        confirm = judge_callback_uri(asked.amazon_callback_uri, origins, min(origins))
        if isinstance(confirm, Refuse):
            trouble = trouble_of(
                confirm.reason, facts={"amazon_callback_uri": asked.amazon_callback_uri}
            )
            return trouble, []
        cases = await self._claimed(tx, asked.selling_partner_id, confirm)
        items = [await self._invitations.write_again(tx, case, now) for case in cases]
        filed = await self._reports.file(tx, _cold_arrival(asked, confirm, cases), now)
        outbox_ids = [item.id for item in items if item is not None]
        return (
            NeedsProof(reference=filed.report.reference),
            [*outbox_ids, *filed.outbox_ids],
        )

    async def _claimed(
        self, tx: Transaction, selling_partner_id: str, confirm: ConfirmAt
    ) -> list[Case]:
        """The accounts that such a call may be about: those that a letter can help."""
        if not selling_partner_id:
            return []
        held = await tx.authorizations.all(selling_partner_id=selling_partner_id)
        expected = await tx.accounts.all(merchant_token=selling_partner_id)
        named = {row.account_id for row in held} | {account.id for account in expected}
        cases = [await case_of(tx, account_id) for account_id in sorted(named)]
        cases = [
            case
            for case in cases
            if case.authorization.state is not State.CLOSED
            and case.application.kind is ApplicationKind.PUBLIC
            and confirm.application_id in ("", case.application.application_id)
        ]
        regions = self._regions_at(confirm.url)
        nearer = [case for case in cases if case.account.region in regions]
        return (nearer or cases)[:_MOST_LETTERS]

    def _regions_at(self, url: str) -> set[Region]:
        return {
            row.region
            for row in self._ground.marketplaces.rows
            for origin in (row.seller_central, row.vendor_central)
            if origin and url.startswith(f"{origin}/")
        }


def _chosen(
    attempts: list[Attempt], selling_partner_id: str, amazon_application_id: str
) -> Attempt | None:
    """The attempt that the call belongs to; None when that would be a guess."""
    if len({attempt.case.account.id for attempt in attempts}) == 1:
        fitting = [one for one in attempts if one.allows(selling_partner_id)]
        return (fitting or attempts)[-1]
    fitting = [
        one
        for one in attempts
        if one.allows(selling_partner_id)
        and amazon_application_id in ("", one.case.application.application_id)
    ]
    fitting = [one for one in fitting if one.expects(selling_partner_id)] or fitting
    return fitting[-1] if len({one.case.account.id for one in fitting}) == 1 else None


def _several_at_once(attempts: list[Attempt], asked: Query) -> Trouble:
    newest = attempts[-1]
    return trouble_of(
        Refusal.SEVERAL_AT_ONCE,
        account=newest.case.account,
        handshake=newest.handshake,
        facts={
            "accounts": ", ".join(sorted({one.case.account.name for one in attempts})),
            "selling_partner_reported": asked.selling_partner_id,
        },
    )


def _cold_arrival(asked: Query, confirm: ConfirmAt, cases: list[Case]) -> Trouble:
    if not cases:
        return trouble_of(
            Refusal.UNKNOWN_SELLING_PARTNER,
            facts={
                "selling_partner_reported": asked.selling_partner_id,
                "amazon_application_id": confirm.application_id,
            },
        )
    return trouble_of(
        Refusal.PROOF_NEEDED,
        account=cases[0].account,
        told_by_mail=False,
        facts={
            "selling_partner_reported": asked.selling_partner_id,
            "letters_to": ", ".join(case.account.client_email for case in cases),
        },
    )
