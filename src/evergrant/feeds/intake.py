"""The hatch: changes come in, each line is judged, good ones are taken.

Answers for: one answer per line, taking all good lines of a batch in one commit, the same batch
handed in twice. Does not answer for: what a wish may hold (``rules.wishes``), or for when it goes.
"""

from __future__ import annotations

from evergrant.ports import Bell, Clock
from evergrant.ports.store import Store
from evergrant.rules.marketplaces import Marketplaces
from evergrant.vault import Vault

__all__ = ["Taking"]


class Taking:
    def __init__(
        self, *, store: Store, clock: Clock, vault: Vault, bell: Bell, marketplaces: Marketplaces
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._bell = bell
        self._marketplaces = marketplaces
