"""The changes' socket: the wishes of all accounts, which are very many rows.

Answers for: the verbs that the store has for them, each of them one statement for many rows. Does
not answer for: what a change holds (``traded``), or for any other shelf (``store``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from evergrant.ports.traded import Change, ChangeCount, Outcome, Pick, Plannable
from evergrant.rules.changes import ChangeKind, ChangeState

__all__ = ["Changes"]


class Changes(Protocol):
    """The wishes of all accounts: very many rows, so every verb is one statement for many."""

    async def add_all(self, changes: Sequence[Change]) -> None:
        """PENDING ones. Raises AlreadyThere for an id that is taken."""
        ...

    async def supersede(self, account_id: str, by: Sequence[Change], now: datetime) -> int:
        """Earlier PENDING changes of this account (by their ids) of the same kind, marketplace,
        subject and key as one of ``by`` become SUPERSEDED by it, by the latest of several; gives
        how many. What a run has, and what somebody else changes at this moment, stays as it is.
        Whoever asks holds the account's row of ``work``: plans wait for that, so nothing of it is
        claimed meanwhile."""
        ...

    async def get(self, id: str) -> Change | None: ...

    async def read(
        self,
        *,
        account_id: str | None = None,
        states: Collection[ChangeState] | None = None,
        kind: ChangeKind | None = None,
        subject: str | None = None,
        reference: str | None = None,
        run_id: str | None = None,
        intake_id: str | None = None,
        after: str | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[Change]:
        """In order of ids, which is that in which they came in, or the other way round; ``after``:
        behind this one, in that order."""
        ...

    async def known(
        self, account_id: str, kind: ChangeKind, keys: Collection[str]
    ) -> dict[str, list[Change]]:
        """Every change of this kind with one of these keys, by key, the oldest first; SUPERSEDED
        and WITHDRAWN ones are left out. Holds the account's row of ``work`` where there is one, so
        that two who hand in the same at once see each other."""
        ...

    async def counts(
        self, account_ids: Collection[str] | None = None, *, settled_since: datetime | None = None
    ) -> list[ChangeCount]:
        """Of all that is open (PENDING, IN_FLIGHT, UNCERTAIN), and with ``settled_since`` of what
        was settled since then. None: of every account."""
        ...

    async def busy(self, *, refused_since: datetime) -> list[str]:
        """Ids of accounts, in their order, of which something is open (PENDING, IN_FLIGHT,
        UNCERTAIN), or was REFUSED since."""
        ...

    async def plannable(
        self,
        account_id: str,
        kinds: Collection[ChangeKind],
        now: datetime,
        *,
        after: tuple[str, str, str, str] | None = None,
        limit: int = 5_000,
        together: Collection[str] = (),
        only_zero: bool = False,
    ) -> list[Plannable]:
        """PENDING changes that may go now (``next_at`` is not later), in the order of
        (marketplace_id, subject, kind, id); from behind ``after``, which is such a place. Changes
        whose subject is in flight in their lane are left out, but for what the runs ``together``
        have, which are of the same plan. ``only_zero``: only those about a subject of whose stock
        somebody wishes zero in this marketplace, whatever its last wish is."""
        ...

    async def held_up(
        self, account_id: str, now: datetime, *, together: Collection[str] = ()
    ) -> list[tuple[ChangeKind, str, int, datetime | None]]:
        """Why PENDING changes of this account are not plannable: (kind, ``in_flight`` or
        ``later``, how many, when the first of them may go); ``together`` as there."""
        ...

    async def claim(
        self,
        account_id: str,
        run_id: str,
        picks: Sequence[Pick],
        superseded: Mapping[str, str],
        now: datetime,
        *,
        together: Collection[str] = (),
    ) -> list[str]:
        """Those picks that are still PENDING become IN_FLIGHT in this run, with one more try; what
        ``superseded`` names (change -> the later one that takes its place) becomes SUPERSEDED where
        still PENDING, unless the later one is a pick that could not be claimed, or was refused or
        withdrawn. Gives the ids of the picks that were claimed. A subject that came into flight in
        the lane meanwhile, with another run, is not claimed; ``together``: the runs of the same
        plan, which may have one SKU for several marketplaces. Holds the account's row of ``work``
        where there is one; what somebody else changes at this moment is not claimed."""
        ...

    async def of_run(
        self, run_id: str, *, after: int = 0, limit: int = 5_000, in_flight: bool = True
    ) -> list[Change]:
        """In the order of message ids, those of one message in the order of ids; ``in_flight``:
        only those that this run still has to settle. A page ends with a whole message, so it may
        be longer than ``limit``."""
        ...

    async def settle(self, run_id: str, outcomes: Sequence[Outcome], now: datetime) -> int:
        """Ends what is IN_FLIGHT in this run, or sends it back to wait (PENDING); gives how many.
        What somebody else settled before is left as it is. A change that goes back while a later
        one of the same kind, marketplace and key is there becomes SUPERSEDED by it, if the kind
        says how a thing is to be (``STATE_SETTING``)."""
        ...

    async def settle_rest(self, run_id: str, outcome: Outcome, now: datetime) -> int:
        """As ``settle`` for all that is still IN_FLIGHT in this run; ``change_id`` is not looked
        at."""
        ...

    async def decide(
        self, ids: Collection[str], expecting: ChangeState, outcome: Outcome, now: datetime
    ) -> int:
        """Moves changes that are still in this state, whatever run they belong to: what a person
        withdrew or decided."""
        ...

    async def purge(self, before: datetime, kinds: Collection[ChangeKind], *, limit: int) -> int:
        """Forgets settled changes of these kinds that were settled before; gives how many."""
        ...
