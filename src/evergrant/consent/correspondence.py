"""Facts of letters: what the print shop must know at the moment of delivery.

Answers for: opening links for letters that carry one, and for saying that a letter has become
pointless. Does not answer for: words, or for who gets a letter.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from evergrant.consent.digest import Digest
from evergrant.consent.ground import Ground, case_of, host_of, one_line
from evergrant.consent.invitations import Invitations
from evergrant.consent.renewals import Renewals
from evergrant.consent.values import LetterFacts
from evergrant.ports.store import Transaction
from evergrant.ports.things import Authorization, InvitationState, OutboxItem, SupportReport
from evergrant.rules.lifecycle import State

__all__ = ["Correspondence"]

_LONGEST_VALUE = 500


class Correspondence:
    def __init__(self, ground: Ground, invitations: Invitations) -> None:
        self._ground = ground
        self._invitations = invitations
        self._digest = Digest(ground, Renewals(ground, invitations))

    async def letter_facts(self, item: OutboxItem) -> LetterFacts | None:
        now = self._ground.clock.now()
        if item.topic == "operators_digest":
            return await self._digest.letter_facts(item, now)
        async with self._ground.store.transaction() as tx:
            if item.topic == "support_report":
                return await self._of_report(tx, item)
            if item.topic == "secret_incident":
                return await self._of_incident(tx, item)
            return await self._of_invitation(tx, item, now)

    async def _of_report(self, tx: Transaction, item: OutboxItem) -> LetterFacts | None:
        report = await tx.reports.get(item.subject)
        if report is None or report.resolved_at is not None:
            return None
        return LetterFacts(
            facts={
                "reference": report.reference,
                "account_name": item.facts.get("account_name") or "-",
                "what": report.facts.get("happened") or report.reason.replace("_", " "),
                "blame": report.blame,
                "advice": report.facts.get("advice", ""),
                "rows": _rows(report),
            }
        )

    async def _of_incident(self, tx: Transaction, item: OutboxItem) -> LetterFacts | None:
        """Of the application as it is now: an incident that is over is no letter any more."""
        application = await tx.applications.get(item.subject)
        credentials = await tx.credentials.get(item.subject)
        if application is None or credentials is None or not credentials.trouble:
            return None
        return LetterFacts(
            facts={
                "application_id": application.id,
                "application_name": application.name,
                "amazon_said": credentials.trouble,
                "since_at": credentials.trouble_since or item.created_at,
                "secret_ends_at": credentials.secret_expires_at,
                "accounts": await tx.authorizations.count(
                    application_id=application.id, state=State.ACTIVE
                ),
            }
        )

    async def _of_invitation(
        self, tx: Transaction, item: OutboxItem, now: datetime
    ) -> LetterFacts | None:
        invitation = await tx.invitations.get(item.subject)
        if (
            invitation is None
            or invitation.state is not InvitationState.OPEN
            or now >= invitation.expires_at
        ):
            return None
        case = await case_of(tx, invitation.account_id)
        told = _instants(item.facts)
        if item.topic == "authorization_ending":
            ending = _ending(case.authorization, told["ends_at"], now)
            if ending is None:
                return None
            told |= ending
        facts = {
            "house_name": self._ground.house.name,
            "support_email": self._ground.house.support_email,
            "account_name": case.account.name,
            "application_name": case.application.name,
            "partner_kind": case.account.partner_kind.value,
            "central_host": host_of(self._ground.consent_origin(case.account)),
            "client_email": invitation.email,
            "expires_at": invitation.expires_at,
            **told,
        }
        return LetterFacts(facts=facts, link=await self._invitations.link_of(tx, invitation))


def _ending(
    authorization: Authorization, ends_at: datetime, now: datetime
) -> dict[str, Any] | None:
    """How far off the end is when the letter goes, which may be days after it was written; None
    when that end is none any more: renewed, revoked, closed, or the term was set anew."""
    if authorization.state not in (State.ACTIVE, State.LAPSED):
        return None
    if authorization.term_ends_at != ends_at:
        return None
    # Amazon may end it some hours before our clock does.
    over = authorization.state is State.LAPSED or now >= ends_at
    days_left = (ends_at.astimezone(UTC).date() - now.astimezone(UTC).date()).days
    return {"days_left": max(days_left, 0), "over": over}


def _instants(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of an item as the room that wrote it meant them: instants lie there as text."""
    return {
        name: datetime.fromisoformat(value)
        if name.endswith("_at") and isinstance(value, str)
        else value
        for name, value in facts.items()
    }


def _rows(report: SupportReport) -> list[tuple[str, str]]:
    """What is known, as a table: one line each, what stands elsewhere in the letter left out."""
    known = {
        "reason": report.reason,
        "at": report.at.isoformat(timespec="seconds"),
        "account": report.account_id,
        "handshake": report.handshake_id,
        **report.facts,
    }
    return [
        (name.replace("_", " "), one_line(str(value), _LONGEST_VALUE))
        for name, value in known.items()
        if value not in (None, "") and name not in ("advice", "happened")
    ]
