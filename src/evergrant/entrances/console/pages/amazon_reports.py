"""Reports of Amazon for one account: asked for, followed, and taken away.

Answers for: the form, the list with how far each is, the document as a download, giving one up, and
taking one that Amazon has already. Does not answer for: what a report says; nothing of it is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.responses import Response

from evergrant.entrances.console import trade_words
from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.entrances.report_documents import streamed
from evergrant.errors import EvergrantError, Flaw, InvalidInput, NotFound
from evergrant.ports.things import Account
from evergrant.ports.traded import AmazonReport, AmazonReportStep
from evergrant.rules import ids
from evergrant.rules.amazon_reports import KNOWN, note_of
from evergrant.rules.faults import Fault
from evergrant.rules.rights import Right

__all__ = ["DOORS"]

PAGE = 50
_OPEN = (AmazonReportStep.PLANNED, AmazonReportStep.ASKING, AmazonReportStep.WAITING)


async def reports(asked: Asked) -> Response:
    account = await _account(asked)
    return asked.page("amazon_reports/list.html", **await _facts(asked, account))


async def request(asked: Asked) -> Response:
    account = await _account(asked)
    try:
        made = await asked.desk.amazon_reports.request(
            account.id,
            asked.form.get("report_type", ""),
            by=asked.caller,
            marketplaces=asked.form_list("marketplaces") or None,
            data_from=_day("data_from", asked.form.get("data_from", "")),
            data_until=_day("data_until", asked.form.get("data_until", ""), whole=True),
            options=_options(asked.form.get("options", "")),
        )
    except InvalidInput as error:
        facts = await _facts(asked, account)
        return asked.flawed("amazon_reports/list.html", error, **facts)
    said = f"{made.report_type} is asked for. Amazon takes minutes to hours; this page follows it."
    return asked.back(_home(asked), said)


async def at_amazon(asked: Asked) -> Response:
    """What Amazon has of one type, whoever had it made. A form, as it spends a permit."""
    account = await _account(asked)
    try:
        found = await asked.desk.amazon_reports.list_at_amazon(
            account.id,
            asked.form.get("type", ""),
            by=asked.caller,
            page=asked.form.get("page", ""),
        )
    except InvalidInput as error:
        facts = await _facts(asked, account)
        wrong = {"type": " ".join(flaw.message for flaw in error.flaws)}
        return asked.page("amazon_reports/list.html", 422, flaws=wrong, given=asked.form, **facts)
    except EvergrantError as error:
        return asked.back(_home(asked), f"{error.message} {error.hint or ''}".strip(), "bad")
    return asked.page(
        "amazon_reports/at_amazon.html",
        account=account,
        report_type=asked.form.get("type", ""),
        found=found,
        markets=asked.desk.marketplaces,
    )


async def adopt(asked: Asked) -> Response:
    """One that Amazon made by itself, or for another program."""
    account = await _account(asked)
    try:
        await asked.desk.amazon_reports.adopt(
            account.id, asked.form.get("amazon_report_id", ""), by=asked.caller
        )
    except (InvalidInput, NotFound) as error:
        facts = await _facts(asked, account)
        return asked.page(
            "amazon_reports/list.html",
            422,
            flaws={"amazon_report_id": str(error)},
            given=asked.form,
            **facts,
        )
    except EvergrantError as error:
        return asked.back(_home(asked), f"{error.message} {error.hint or ''}".strip(), "bad")
    return asked.back(_home(asked), "It is taken; its document can be downloaded when it is ready.")


async def cancel(asked: Asked) -> Response:
    report = await _report(asked)
    await asked.desk.amazon_reports.cancel(report.id, by=asked.caller)
    return asked.back(_home(asked), "Nobody waits for it any more.")


async def document(asked: Asked) -> Response:
    """A form, never a link: it spends a permit of Amazon's, and the journal notes who had it."""
    report = await _report(asked)
    return await streamed(asked.desk.amazon_reports.open(report.id, by=asked.caller))


# --- inside ---------------------------------------------------------------------------------------


async def _account(asked: Asked) -> Account:
    view = await asked.desk.accounts.get(asked.path["account_id"], by=asked.caller)
    return view.account


async def _report(asked: Asked) -> AmazonReport:
    report = await asked.desk.amazon_reports.get(asked.path["report_id"], by=asked.caller)
    if report.account_id != asked.path["account_id"]:
        raise NotFound("There is no such report.")
    return report


async def _facts(asked: Asked, account: Account) -> dict[str, Any]:
    found = await asked.desk.amazon_reports.list(
        account.id, by=asked.caller, after=_after(asked), limit=PAGE + 1, newest_first=True
    )
    names = await asked.desk.feeds.ledger.names({one.caller for one in found}, by=asked.caller)
    known = sorted(name for name, one in KNOWN.items() if account.partner_kind in one.partner_kinds)
    return {
        "account": account,
        "reports": found[:PAGE],
        "older": found[PAGE - 1].id if len(found) > PAGE else None,
        "names": names,
        "types": [(name, note_of(name)) for name in known if KNOWN[name].requestable],
        "by_itself": [name for name in known if not KNOWN[name].requestable],
        "countries": [
            (row.country_code, row.name)
            for row in asked.desk.marketplaces.in_region(account.region)
        ],
        "may_personal": asked.may(Right.PERSONAL_DATA),
        "known": KNOWN,
        "open_steps": _OPEN,
        "words": trade_words,
        "markets": asked.desk.marketplaces,
    }


def _day(field: str, text: str, *, whole: bool = False) -> datetime | None:
    """The beginning of a day in UTC, or of the day after; None: not said. Raises InvalidInput."""
    if not text.strip():
        return None
    try:
        at = datetime.fromisoformat(text.strip())
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return at + timedelta(days=1) if whole else at
    except (ValueError, OverflowError):
        raise InvalidInput(
            flaws=[Flaw("is no day; write 2026-11-21.", field=field, code="not_an_instant")]
        ) from None


def _options(text: str) -> Mapping[str, str] | None:
    """Lines of ``name=value``. Raises InvalidInput."""
    found: dict[str, str] = {}
    for line in filter(None, (one.strip() for one in text.splitlines())):
        name, sign, value = line.partition("=")
        if not sign or not name.strip():
            raise InvalidInput(
                flaws=[Flaw("is lines of name=value.", field="options", code="wrong_shape")]
            )
        found[name.strip()] = value.strip()
    return found or None


def _after(asked: Asked) -> str | None:
    try:
        given = asked.query.get("after", "")
        return ids.check(ids.Kind.AMAZON_REPORT, given) if given else None
    except (Fault, InvalidInput):
        return None


def _home(asked: Asked) -> str:
    return f"/console/accounts/{asked.path['account_id']}/reports"


_REPORTS = "/console/accounts/{account_id}/reports"
DOORS = (
    Door("GET", _REPORTS, reports, Right.AMAZON_READ),
    Door("POST", _REPORTS, request, Right.AMAZON_READ),
    Door("POST", f"{_REPORTS}/adopt", adopt, Right.AMAZON_READ),
    Door("POST", f"{_REPORTS}/at-amazon", at_amazon, Right.AMAZON_READ),
    Door("POST", f"{_REPORTS}/{{report_id}}/cancel", cancel, Right.AMAZON_READ),
    Door("POST", f"{_REPORTS}/{{report_id}}/document", document, Right.AMAZON_READ),
)
