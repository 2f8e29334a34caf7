"""THE READING ROOM. Asks Amazon for reports, waits for them, and streams them to whoever asked.

Answers for: one request from the asking to the document, any type, within the limits. Does not
answer for: what a report says; nothing of it is kept. Not to be confused with the reports to Dev
Support, which the reception writes.
"""

from __future__ import annotations

from evergrant.calls import Calls
from evergrant.ports import Clock
from evergrant.ports.documents import Documents
from evergrant.ports.store import Store
from evergrant.rules.marketplaces import Marketplaces

__all__ = ["AmazonReports"]


class AmazonReports:
    """One per process and event loop."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        calls: Calls,
        documents: Documents,
        marketplaces: Marketplaces,
    ) -> None:
        self._store = store
        self._clock = clock
        self._calls = calls
        self._documents = documents
        self._marketplaces = marketplaces
