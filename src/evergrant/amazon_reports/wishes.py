"""What somebody wants a report of, settled against the account.

Answers for: every flaw of a wish at once. Does not answer for: who may (the room).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from evergrant.intake import Flaws
from evergrant.ports.things import Account
from evergrant.rules import amazon_reports as rules
from evergrant.rules.amazon_reports import ReportWish
from evergrant.rules.faults import Fault
from evergrant.rules.marketplaces import Marketplaces

__all__ = ["checked_type", "settled"]


def checked_type(flaws: Flaws, report_type: str) -> str:
    return flaws.check("report_type", rules.check_type, report_type) or ""


def settled(
    account: Account,
    report_type: str,
    marketplaces: Collection[str] | None,
    data_from: datetime | None,
    data_until: datetime | None,
    options: Mapping[str, object] | None,
    *,
    now: datetime,
    table: Marketplaces,
) -> ReportWish:
    """As Amazon may be asked. Raises InvalidInput."""
    flaws = Flaws()
    name = checked_type(flaws, report_type)
    if name:
        _judge_type(flaws, name, account)
    ids = _marketplaces(flaws, account, marketplaces, table)
    since = flaws.instant("data_from", data_from)
    until = flaws.instant("data_until", data_until)
    taken: dict[str, str] = {}
    try:
        if not (flaws.has("data_from") or flaws.has("data_until")):
            rules.check_span(name, since, until, now)
        taken = rules.check_options(options or {})
    except Fault as fault:
        flaws.add(fault.field, fault.message, code=fault.code, hint=fault.hint)
    flaws.refuse_if_any()
    return ReportWish(
        report_type=name,
        marketplace_ids=ids,
        data_from=since,
        data_until=until,
        options=taken,
    )


def _judge_type(flaws: Flaws, name: str, account: Account) -> None:
    known = rules.facts_of(name)
    if known is not None and not known.requestable:
        flaws.add(
            "report_type",
            "is made by Amazon itself and cannot be asked for.",
            code="not_requestable",
            hint="List those that Amazon has (`evergrant amazon-report list --at-amazon`), then "
            "open one.",
        )
    if flaw := rules.kind_flaw(name, account.partner_kind):
        flaws.add("report_type", flaw, code="other_partner_kind")


def _marketplaces(
    flaws: Flaws, account: Account, given: Collection[str] | None, table: Marketplaces
) -> tuple[str, ...]:
    if given is None:
        return (table.by_country(account.home_marketplace).marketplace_id,)
    if isinstance(given, str) or not 1 <= len(given) <= rules.MOST_MARKETPLACES:
        flaws.add(
            "marketplaces",
            f"must be a list of 1 to {rules.MOST_MARKETPLACES}.",
            code="out_of_range",
            hint="Leave it out for the home marketplace.",
        )
        return ()
    found: list[str] = []
    for text in given:
        row = table.by_id(text.strip())
        try:
            row = row or table.by_country(text)
        except Fault as fault:
            flaws.add("marketplaces", fault.message, code=fault.code, hint=fault.hint)
            continue
        if row.region is not account.region:
            flaws.add(
                "marketplaces",
                f"{row.country_code} lies in another region than the account.",
                code="other_region",
                hint=f"The account's region is {account.region.value}.",
            )
        elif row.marketplace_id not in found:
            found.append(row.marketplace_id)
    return tuple(found)
