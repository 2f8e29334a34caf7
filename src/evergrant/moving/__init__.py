"""THE MOVERS. Whole books in and out: applications, credentials, instances, accounts, grants.

Answers for: reading what another integration's database exported, saying line by line what would
be done with it, doing that, and for writing our own books out. Does not answer for: what may be
registered (the rooms decide, as for everybody).
"""

from __future__ import annotations

from evergrant.accounts import Accounts
from evergrant.consent import Consent
from evergrant.ports import Clock
from evergrant.ports.store import Store
from evergrant.registry import Registry
from evergrant.rules.marketplaces import Marketplaces
from evergrant.vault import Vault

__all__ = ["Moving"]


class Moving:
    """One per process."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: Vault,
        registry: Registry,
        accounts: Accounts,
        consent: Consent,
        marketplaces: Marketplaces,
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._registry = registry
        self._accounts = accounts
        self._consent = consent
        self._marketplaces = marketplaces
