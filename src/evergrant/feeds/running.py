"""The run: from the plan to Amazon's report, step by step, each written down before the next act.

Answers for: going on after a crash at any step, nothing sent twice that must not be, and every
change of the run coming to an end. Does not answer for: what a document looks like (``kinds``).
"""

from __future__ import annotations

from evergrant.calls import Calls
from evergrant.ports import Bell, Clock
from evergrant.ports.documents import Documents
from evergrant.ports.store import Store
from evergrant.rules.marketplaces import Marketplaces
from evergrant.settings import Cooking
from evergrant.vault import Vault

__all__ = ["Running"]


class Running:
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
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._calls = calls
        self._documents = documents
        self._bell = bell
        self._marketplaces = marketplaces
        self._cooking = cooking
