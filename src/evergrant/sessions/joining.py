"""Becoming an operator: by an invitation, or as the first one of a house.

Answers for: the invitation, its letter's facts and its link; the code of the first start. Does not
answer for: the words of the letter, or for signing in afterwards.

An invitation's link is good for seven days and once, and looking at it spends nothing. The link
lies sealed in the safe until then; its row knows the digest. A newer invitation to the same address
takes the place of an older one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from evergrant import journal, vault
from evergrant.errors import Conflict, FirstStartRefused, InvitationRefused, NotAllowed, NotFound
from evergrant.intake import Flaws, check_page, need_everywhere
from evergrant.naming import new_id
from evergrant.outbox import put_mail
from evergrant.people import caller_of
from evergrant.ports.signed_in import OperatorInvitation
from evergrant.ports.store import ONE_OPEN_INVITATION_PER_EMAIL, AlreadyThere, Transaction
from evergrant.ports.things import OutboxItem
from evergrant.rules import ids
from evergrant.rules.rights import RIGHTS_OF_ROLE, Caller, Right, Role
from evergrant.rules.secrecy import Secret, digest
from evergrant.sessions.ground import Ground
from evergrant.sessions.sign_in import tell_signed_in
from evergrant.sessions.values import Browser, NewInvitation, OperatorLetter, SignedIn

__all__ = ["INVITATION_LETTER", "JOIN_PATH", "Joining"]

INVITATION_LETTER = "operator_invitation"
#: The page of the console that takes such a link.
JOIN_PATH = "/console/join/"

_LINK = re.compile(r"egi_[A-Za-z0-9_-]{43}")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_MISREAD = str.maketrans({"o": "0", "i": "1", "l": "1"})
_FIRST_CODE_LENGTH = 25
#: The lock behind which a house gets its first operator.
_ONE_FIRST = "first operator"


class Joining:
    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    # --- inviting ---

    async def invite(self, *, name: str, email: str, role: str, by: Caller) -> OperatorInvitation:
        need_everywhere(by, Right.MANAGE)
        now = self._ground.clock.now()
        made = await self._checked(name, email, role, now, by)
        link = Secret(f"egi_{secrets.token_urlsafe(32)}")
        async with self._ground.store.transaction() as tx:
            if await tx.operators.one(email=made[1]) is not None:
                raise Conflict(
                    "There is an operator with this e-mail address already.",
                    facts={"field": "email"},
                )
            await self._withdraw_older(tx, made[1], now)
            invitation = OperatorInvitation(
                id=new_id(ids.Kind.OPERATOR_INVITATION, now),
                name=made[0],
                email=made[1],
                role=made[2],
                link_digest=digest(link),
                invited_by=by.name or self._ground.house.name,
                created_at=now,
                expires_at=now + self._ground.signing_in.invitation_life,
            )
            try:
                await tx.operator_invitations.add(invitation)
            except AlreadyThere as taken:
                if taken.constraint != ONE_OPEN_INVITATION_PER_EMAIL:
                    raise
                raise Conflict("Somebody else invites this person just now.") from None
            await self._ground.vault.put(
                tx,
                vault.operator_invitation_link(invitation.id),
                link,
                now=now,
                expires_at=invitation.expires_at,
            )
            item = await put_mail(
                tx,
                now=now,
                topic=INVITATION_LETTER,
                subject=invitation.id,
                to=invitation.email,
                language=self._ground.house.operators_language,
                facts={},
            )
            await self._tell(tx, "operator.invited", invitation, now, by)
        await self._ground.bell.ring([item.id])
        return invitation

    async def _checked(
        self, name: str, email: str, role: str, now: datetime, by: Caller
    ) -> tuple[str, str, Role]:
        flaws = Flaws()
        checked_name = flaws.text("name", name, ids.check_name)
        checked_email = flaws.text("email", email, ids.check_email).lower()
        checked_role = flaws.word("role", role, Role)
        flaws.refuse_if_any()
        assert checked_role is not None
        refuse_more_than_own(checked_role, by)
        return checked_name, checked_email, checked_role

    async def _withdraw_older(self, tx: Transaction, email: str, now: datetime) -> None:
        for older in await tx.operator_invitations.all(
            email=email, accepted_at=None, withdrawn_at=None
        ):
            await tx.operator_invitations.change(
                older.id, {"accepted_at": None, "withdrawn_at": None}, withdrawn_at=now
            )
            await self._ground.vault.drop(tx, vault.operator_invitation_link(older.id))

    async def invitations(
        self, *, by: Caller, after: str | None = None, limit: int = 100
    ) -> list[OperatorInvitation]:
        need_everywhere(by, Right.AUDIT)
        check_page(ids.Kind.OPERATOR_INVITATION, after, limit)
        async with self._ground.store.transaction() as tx:
            return await tx.operator_invitations.all(after=after, limit=limit)

    async def withdraw(self, id: str, *, by: Caller) -> OperatorInvitation:
        need_everywhere(by, Right.MANAGE)
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            found = await tx.operator_invitations.get(id)
            if found is None:
                raise NotFound("There is no such invitation.")
            withdrawn = await tx.operator_invitations.change(
                id, {"accepted_at": None, "withdrawn_at": None}, withdrawn_at=now
            )
            if withdrawn is None:
                if found.withdrawn_at is not None:
                    return found
                raise Conflict("This invitation was accepted; disable the operator instead.")
            await self._ground.vault.drop(tx, vault.operator_invitation_link(id))
            await self._tell(tx, "operator.invitation_withdrawn", withdrawn, now, by)
        return withdrawn

    async def link(self, id: str, *, by: Caller) -> NewInvitation:
        need_everywhere(by, Right.MANAGE)
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            invitation = await tx.operator_invitations.get(id)
            if invitation is None:
                raise NotFound("There is no such invitation.")
            link = await self._link_of(tx, invitation, now)
            if link is None:
                raise Conflict("This invitation opens nothing any more; make a new one.")
            await self._tell(tx, "operator.invitation_link_shown", invitation, now, by)
        return NewInvitation(invitation=invitation, link=link)

    async def letter(self, item: OutboxItem) -> OperatorLetter | None:
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            invitation = await tx.operator_invitations.get(item.subject)
            link = None if invitation is None else await self._link_of(tx, invitation, now)
        if invitation is None or link is None:
            return None
        return OperatorLetter(
            facts={
                "operator_name": invitation.name,
                "invited_by": invitation.invited_by,
                "expires_at": invitation.expires_at,
            },
            link=link,
        )

    async def _link_of(
        self, tx: Transaction, invitation: OperatorInvitation, now: datetime
    ) -> Secret | None:
        if not invitation.is_open(now):
            return None
        link = await self._ground.vault.open(tx, vault.operator_invitation_link(invitation.id))
        if link is None:
            return None
        return Secret(f"{self._ground.house.public_url}{JOIN_PATH}{link.reveal()}")

    async def _tell(
        self, tx: Transaction, verb: str, invitation: OperatorInvitation, now: datetime, by: Caller
    ) -> None:
        facts: Mapping[str, Any] = {
            "name": invitation.name,
            "email": invitation.email,
            "role": invitation.role,
            "expires_at": invitation.expires_at,
        }
        await journal.write(tx, now=now, by=by, verb=verb, subject=invitation.id, **facts)

    # --- accepting ---

    async def look_up(self, link: Secret) -> OperatorInvitation:
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            return await self._open_one(tx, link, now)

    async def _open_one(self, tx: Transaction, link: Secret, now: datetime) -> OperatorInvitation:
        """By the link as a whole, or its secret part. Raises InvitationRefused."""
        text = link.reveal().strip().rpartition("/")[2]
        found = (
            await tx.operator_invitations.one(link_digest=digest(text))
            if _LINK.fullmatch(text)
            else None
        )
        if found is None:
            raise InvitationRefused("unknown", "There is no such invitation.")
        if found.accepted_at is not None:
            raise InvitationRefused("accepted", "This invitation was accepted before.")
        if found.withdrawn_at is not None:
            raise InvitationRefused("withdrawn", "This invitation was withdrawn.")
        if not found.is_open(now):
            raise InvitationRefused("expired", "This invitation is too old.")
        return found

    async def accept(self, link: Secret, password: Secret, browser: Browser) -> SignedIn:
        now = self._ground.clock.now()
        invitation = await self.look_up(link)
        # Outside of any transaction: hashing a password takes its time.
        operator = await self._ground.people.prepare_operator(
            name=invitation.name,
            email=invitation.email,
            role=invitation.role,
            password=password,
        )
        async with self._ground.store.transaction() as tx:
            by = caller_of(operator)
            await self._ground.people.enter_operator(tx, operator, by=by)
            accepted = await tx.operator_invitations.change(
                invitation.id,
                {"accepted_at": None, "withdrawn_at": None},
                accepted_at=now,
                operator_id=operator.id,
            )
            if accepted is None:
                raise InvitationRefused("accepted", "This invitation was used just now.")
            await self._ground.vault.drop(tx, vault.operator_invitation_link(invitation.id))
            await self._tell(tx, "operator.invitation_accepted", accepted, now, by)
            signed_in = await self._ground.open_session(tx, operator, browser, now)
            await tell_signed_in(tx, signed_in, now)
        return signed_in

    # --- the first start ---

    async def nobody_works_here(self) -> bool:
        return not await self._has_operators()

    async def first_start_code(self) -> Secret | None:
        now = self._ground.clock.now()
        store = self._ground.store
        if await self._has_operators():
            return None
        async with store.exclusive(_ONE_FIRST), store.transaction() as tx:
            if await tx.operators.count():
                return None
            code = await self._ground.vault.open(tx, vault.first_start_code())
            if code is None:
                code = Secret(_first_code())
                await self._ground.vault.put(tx, vault.first_start_code(), code, now=now)
        return code

    async def admit_first(
        self, code: Secret, name: str, email: str, password: Secret, browser: Browser
    ) -> SignedIn:
        now = self._ground.clock.now()
        await self._check_first(code)
        operator = await self._ground.people.prepare_operator(
            name=name, email=email, role=Role.ADMIN, password=password
        )
        async with self._ground.store.exclusive(_ONE_FIRST):
            await self._check_first(code)
            async with self._ground.store.transaction() as tx:
                by = caller_of(operator)
                await self._ground.vault.drop(tx, vault.first_start_code())
                await self._ground.people.enter_operator(tx, operator, by=by)
                await journal.write(
                    tx,
                    now=now,
                    by=by,
                    verb="operator.first_admitted",
                    subject=operator.id,
                    address=browser.address,
                )
                signed_in = await self._ground.open_session(tx, operator, browser, now)
                await tell_signed_in(tx, signed_in, now)
        return signed_in

    async def _has_operators(self) -> bool:
        async with self._ground.store.transaction() as tx:
            return bool(await tx.operators.count())

    async def _check_first(self, code: Secret) -> None:
        typed = Secret(_typed_code(code.reveal()))
        async with self._ground.store.transaction() as tx:
            known = await self._ground.vault.open(tx, vault.first_start_code())
            taken = await tx.operators.count()
        if taken or known is None or Secret(_typed_code(known.reveal())) != typed:
            raise FirstStartRefused(
                hint="The code stands where the server was started, and `evergrant operator "
                "first` shows it. Once there is an operator, others are invited."
            )


def refuse_more_than_own(role: Role, by: Caller) -> None:
    """Nobody gives rights that they lack. Raises NotAllowed."""
    lacking = [right.value for right in RIGHTS_OF_ROLE[role] if not by.may(right)]
    if lacking:
        raise NotAllowed(
            f"The role {role.value!r} holds rights that you do not have: "
            f"{', '.join(sorted(lacking))}."
        )


def _first_code() -> str:
    """125 random bits, in groups that somebody can read out."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_FIRST_CODE_LENGTH))
    return "-".join(body[at : at + 5] for at in range(0, _FIRST_CODE_LENGTH, 5))


def _typed_code(text: str) -> str:
    return re.sub(r"[\s-]", "", text[:200]).lower().translate(_MISREAD)
