"""How getFeeds and getReports filter and page, and how both show a document.

Answers for: the filters of Amazon's feeds and reports models of 2021-06-30, which are the same but
for names; the nextToken that holds its query and stands alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from amazon_emulator.apis import paging
from amazon_emulator.apis.operations import Call, Denied
from amazon_emulator.trade.documents.documents import Document, Documents
from amazon_emulator.trade.processings import KEPT

__all__ = ["MOST", "Wanted", "checked_list", "document_view"]

MOST = 10


def checked_list(call: Call, name: str, *, needed: bool = False) -> tuple[str, ...]:
    """One to ten texts; empty when left out. Raises Denied."""
    if call.query(name) is None and not needed:
        return ()
    values = tuple(call.queries(name))
    if not 1 <= len(values) <= MOST:
        raise Denied.invalid(
            f"Value at '{name}' failed to satisfy constraint: Member must have length from 1 to "
            f"{MOST}"
        )
    return values


@dataclass(frozen=True)
class Wanted:
    """The filters of one listing. ``below``: instant and number of the last one shown before."""

    types: tuple[str, ...]
    statuses: tuple[str, ...]
    marketplace_ids: tuple[str, ...]
    since: datetime
    until: datetime
    page_size: int
    below: tuple[datetime, int] | None = None

    @classmethod
    def read(cls, call: Call, operation: str, types: str, statuses: Sequence[str]) -> Wanted:
        """Raises Denied for what the model does not allow."""
        mark = call.query("nextToken")
        if mark is not None:
            if len(call.asking.query) > 1:
                raise Denied.invalid("nextToken must be the only parameter.")
            return cls._again(paging.read_mark(call, operation, mark))
        if call.query(types) is None:
            raise Denied.invalid(f"Either '{types}' or 'nextToken' is required.")
        chosen = tuple(call.queries("processingStatuses"))
        if call.query("processingStatuses") is not None and (
            not chosen or not set(chosen) <= set(statuses)
        ):
            raise Denied.invalid(
                f"Value at 'processingStatuses' failed to satisfy constraint: Member must satisfy "
                f"enum value set: [{', '.join(statuses)}]"
            )
        since = call.instant("createdSince") or call.now - KEPT
        until = call.instant("createdUntil") or call.now
        if since > until:
            raise Denied.invalid("'createdSince' must not be later than 'createdUntil'")
        return cls(
            checked_list(call, types, needed=True),
            chosen,
            checked_list(call, "marketplaceIds"),
            max(since, call.now - KEPT + timedelta(microseconds=1)),
            until,
            call.number("pageSize", 10, 1, 100),
        )

    def holds(
        self,
        type: str,
        status: str,
        marketplace_ids: Sequence[str],
        created_at: datetime,
        number: int,
    ) -> bool:
        return (
            type in self.types
            and (not self.statuses or status in self.statuses)
            and (not self.marketplace_ids or bool(set(self.marketplace_ids) & set(marketplace_ids)))
            and self.since <= created_at <= self.until
            and (self.below is None or (created_at, number) < self.below)
        )

    def next_mark(self, call: Call, operation: str, created_at: datetime, number: int) -> str:
        facts = {
            "types": self.types,
            "statuses": self.statuses,
            "marketplaceIds": self.marketplace_ids,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "pageSize": self.page_size,
            "below": [created_at.isoformat(), number],
        }
        return paging.next_mark(call, operation, facts)

    @classmethod
    def _again(cls, facts: dict[str, Any]) -> Wanted:
        created_at, number = facts["below"]
        return cls(
            tuple(facts["types"]),
            tuple(facts["statuses"]),
            tuple(facts["marketplaceIds"]),
            datetime.fromisoformat(facts["since"]),
            datetime.fromisoformat(facts["until"]),
            facts["pageSize"],
            (datetime.fromisoformat(created_at), number),
        )


def document_view(
    call: Call, document: Document, name: str, encoding_header: bool
) -> dict[str, Any]:
    """A document as getFeedDocument and getReportDocument show it."""
    documents = call.stage.of(Documents)
    view = {
        name: document.document_id,
        "url": documents.download_url(call.stage, document, call.now, encoding_header),
    }
    if document.compression is not None:
        view["compressionAlgorithm"] = document.compression
    return view
