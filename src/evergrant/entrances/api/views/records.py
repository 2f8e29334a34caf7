"""Support reports, the journal, marketplaces."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field, JsonValue

from evergrant.entrances.api.views.pages import View
from evergrant.ports.things import JournalLine, SupportReport
from evergrant.rules.marketplaces import Marketplace, Marketplaces, Region

__all__ = ["JournalLineView", "MarketplaceView", "ReportView"]


class ReportView(View):
    """A failed authorization, as Dev Support needs it. It holds no secret."""

    id: str
    reference: str
    at: datetime
    reason: str
    blame: str
    account_id: str | None
    handshake_id: str | None
    facts: dict[str, JsonValue]
    resolved_at: datetime | None

    @classmethod
    def of(cls, report: SupportReport) -> ReportView:
        return cls(
            id=report.id,
            reference=report.reference,
            at=report.at,
            reason=report.reason,
            blame=report.blame,
            account_id=report.account_id,
            handshake_id=report.handshake_id,
            facts=dict(report.facts),
            resolved_at=report.resolved_at,
        )


class JournalLineView(View):
    id: int
    at: datetime
    caller: str = Field(description="`api_key:key_…`, `operator:opr_…`, `partner`, `system`, …")
    verb: str
    subject: str
    account_id: str | None
    facts: dict[str, JsonValue]

    @classmethod
    def of(cls, line: JournalLine) -> JournalLineView:
        return cls(
            id=line.id,
            at=line.at,
            caller=line.caller,
            verb=line.verb,
            subject=line.subject,
            account_id=line.account_id,
            facts=dict(line.facts),
        )


class MarketplaceView(View):
    country_code: str
    marketplace_id: str
    name: str
    region: Region
    endpoint: str
    seller_central: str = Field(description="Origin of Seller Central; empty: none known")
    vendor_central: str = Field(description="Origin of Vendor Central; empty: none known")
    currency: str

    @classmethod
    def of(cls, row: Marketplace, table: Marketplaces) -> MarketplaceView:
        return cls(
            country_code=row.country_code,
            marketplace_id=row.marketplace_id,
            name=row.name,
            region=row.region,
            endpoint=table.endpoint(row.region),
            seller_central=row.seller_central,
            vendor_central=row.vendor_central,
            currency=row.currency,
        )
