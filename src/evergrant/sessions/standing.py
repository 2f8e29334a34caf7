"""What admins see and do about operators and their sessions.

Answers for: lists of sessions, ending them, roles, unlocking, and letting somebody in again. Does
not answer for: adding operators (``joining``) or disabling them (the key rack).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from evergrant import journal
from evergrant.errors import NotFound
from evergrant.intake import Flaws, need_everywhere
from evergrant.people.operators import end_sessions, keep_an_admin
from evergrant.ports.signed_in import OperatorSession
from evergrant.ports.things import Operator
from evergrant.rules.rights import Caller, CallerKind, Right, Role
from evergrant.sessions.ground import Ground
from evergrant.sessions.joining import refuse_more_than_own
from evergrant.sessions.lockout import Lockout

__all__ = ["KEPT_AFTER_END", "Standing"]

#: A session that is over is shown, and knows its network address, for so long.
KEPT_AFTER_END = timedelta(days=30)
_ROUND = 1000


class Standing:
    def __init__(self, ground: Ground, lockout: Lockout) -> None:
        self._ground = ground
        self._lockout = lockout

    async def sessions(self, *, by: Caller, operator_id: str | None) -> list[OperatorSession]:
        own = by.id if by.kind is CallerKind.OPERATOR else None
        if operator_id is None or operator_id != own:
            need_everywhere(by, Right.AUDIT)
        now = self._ground.clock.now()
        wanted: dict[str, Any] = {} if operator_id is None else {"operator_id": operator_id}
        async with self._ground.store.transaction() as tx:
            operators = {one.id: one for one in await tx.operators.all()}
            rows = await tx.operator_sessions.all(ended_at=None, **wanted)
        living = [one for one in rows if self._ground.lives(one, operators[one.operator_id], now)]
        return sorted(living, key=lambda one: one.seen_at, reverse=True)

    async def revoke(self, session_id: str, *, by: Caller) -> OperatorSession:
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            session = await tx.operator_sessions.get(session_id)
            if session is None or not _is_own(session.operator_id, by):
                # Who may not end it is not told whether it exists.
                need_everywhere(by, Right.MANAGE)
            if session is None:
                raise NotFound("There is no such session.")
            ended = await tx.operator_sessions.change(
                session_id, {"ended_at": None}, ended_at=now, ended_by=str(by)
            )
            if ended is not None:
                await journal.write(
                    tx,
                    now=now,
                    by=by,
                    verb="operator.session_revoked",
                    subject=session.operator_id,
                    session_id=session_id,
                )
        return ended or session

    async def revoke_all(self, operator_id: str, *, by: Caller, but: str | None) -> int:
        if not _is_own(operator_id, by):
            need_everywhere(by, Right.MANAGE)
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            if await tx.operators.get(operator_id) is None:
                raise NotFound("There is no such operator.")
            ended = await end_sessions(tx, operator_id, now, by, but=but)
            if ended:
                await journal.write(
                    tx,
                    now=now,
                    by=by,
                    verb="operator.sessions_revoked",
                    subject=operator_id,
                    sessions=ended,
                )
        return ended

    async def unlock(self, operator_id: str, *, by: Caller) -> Operator:
        need_everywhere(by, Right.MANAGE)
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            operator = await tx.operators.get(operator_id)
            if operator is None:
                raise NotFound("There is no such operator.")
            if await self._lockout.unlock(tx, operator):
                await journal.write(
                    tx, now=now, by=by, verb="operator.unlocked", subject=operator_id
                )
        return operator

    async def locked(self, *, by: Caller) -> Mapping[str, datetime]:
        need_everywhere(by, Right.AUDIT)
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            return await self._lockout.locked(tx, await tx.operators.all(), now)

    async def change_role(self, operator_id: str, role: str, *, by: Caller) -> Operator:
        need_everywhere(by, Right.MANAGE)
        flaws = Flaws()
        wanted = flaws.word("role", role, Role)
        flaws.refuse_if_any()
        assert wanted is not None
        refuse_more_than_own(wanted, by)
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            operator = await tx.operators.get(operator_id)
            if operator is None:
                raise NotFound("There is no such operator.")
            if operator.role is wanted:
                return operator
            if wanted is not Role.ADMIN:
                await keep_an_admin(tx, operator_id)
            changed = await tx.operators.change(operator_id, role=wanted)
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="operator.role_changed",
                subject=operator_id,
                email=operator.email,
                role=wanted,
                role_before=operator.role,
            )
        return changed or operator

    async def enable(self, operator_id: str, *, by: Caller) -> Operator:
        need_everywhere(by, Right.MANAGE)
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            operator = await tx.operators.get(operator_id)
            if operator is None:
                raise NotFound("There is no such operator.")
            if operator.disabled_at is None:
                return operator
            refuse_more_than_own(operator.role, by)
            await end_sessions(tx, operator_id, now, by)
            enabled = await tx.operators.change(operator_id, disabled_at=None)
            await journal.write(
                tx,
                now=now,
                by=by,
                verb="operator.enabled",
                subject=operator_id,
                email=operator.email,
            )
        return enabled or operator

    async def tidy(self) -> int:
        """Forgets sessions long over, and counts that nobody adds to; gives how many went."""
        now = self._ground.clock.now()
        async with self._ground.store.transaction() as tx:
            over = await tx.operator_sessions.all(
                before=("ends_at", now - KEPT_AFTER_END), limit=_ROUND
            )
            gone = await tx.operator_sessions.drop_all([one.id for one in over])
            stale = await tx.sign_in_counts.all(
                before=("tried_at", now - timedelta(days=2)), limit=_ROUND
            )
            gone += await tx.sign_in_counts.drop_all([one.id for one in stale])
        return gone


def _is_own(operator_id: str, by: Caller) -> bool:
    return by.kind is CallerKind.OPERATOR and by.id == operator_id
