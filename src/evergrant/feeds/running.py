"""The run: from the plan to Amazon's report, step by step, each written down before the next act.

Answers for: going on after a crash at any step, nothing sent twice that must not be, and every
change of the run coming to an end; what people do with a run. Does not answer for: what a document
looks like (``kinds``), or for when a run has its turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from evergrant.calls import Calls
from evergrant.errors import NotFound
from evergrant.feeds.kinds import CallKind, FeedKind, TransactionKind
from evergrant.ports import Bell, Clock
from evergrant.ports.documents import Documents
from evergrant.ports.store import Store
from evergrant.ports.traded import FeedRun
from evergrant.rules.feedruns import Path
from evergrant.rules.marketplaces import Marketplaces
from evergrant.rules.rights import Caller
from evergrant.settings import Cooking
from evergrant.vault import Vault

__all__ = ["Running"]


class Running:
    """``kinds``: what each path looks like; None: as ``kinds.table`` says."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: Vault,
        calls: Calls,
        documents: Documents,
        bell: Bell,
        marketplaces: Marketplaces,
        cooking: Cooking,
        kinds: Mapping[Path, FeedKind | CallKind | TransactionKind] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._calls = calls
        self._documents = documents
        self._bell = bell
        self._marketplaces = marketplaces
        self._cooking = cooking
        self._kinds = kinds

    async def go(self, run_id: str) -> FeedRun:
        """Takes the run as far as it can go now; ``next_at`` says when to come again (None: it is
        over, or a person decides). Whoever else works on it at the same time is left to it.
        Raises NotFound, StoreUnavailable."""
        raise NotFound("There is no such run.")

    async def decide(self, run_id: str, happened: bool, *, by: Caller, note: str = "") -> FeedRun:
        """What nobody could tell: whether Amazon carried out the changes of this run that are
        uncertain. True: they count as accepted; False: they go back to wait. Needs AMAZON_WRITE.
        Raises NotFound, NotAllowed, Conflict (nothing of it is uncertain)."""
        raise NotFound("There is no such run.")

    async def cancel(self, run_id: str, *, by: Caller) -> FeedRun:
        """Stops a run that Amazon did not begin with; its changes go back to wait. Needs
        AMAZON_WRITE. Raises NotFound, NotAllowed, Conflict (Amazon works on it, or it is over)."""
        raise NotFound("There is no such run.")

    async def note_finished(self, account_id: str, feed_id: str, now: datetime) -> FeedRun | None:
        """Amazon says that it is done with this feed: its run is due at once. None: no open run
        of ours."""
        return None
