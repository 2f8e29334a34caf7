"""Amazon's reports: which types there are, what may be asked for, and what an answer means.

Answers for: what is known of each type, judging a wish, bodies and queries of the Reports API, the
reading of its answers, and when to look again. Does not answer for: asking (the reading room), or
for what stands in a report.

Sources: Amazon's reports 2021-06-30 model (statuses, 1 to 25 marketplaces, CANCELLED also means
that there is no data, reports are kept for 90 days); its page "report-type-values" and the table of
types in jlevers/selling-partner-api (`report_types`). That order reports take about 30 days at a
time is what users report; 31 let a whole month through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from evergrant.rules.amazon_report_types import KNOWN, ReportType
from evergrant.rules.faults import Fault
from evergrant.rules.instants import read_instant
from evergrant.rules.marketplaces import PartnerKind

__all__ = [
    "GIVE_UP",
    "KEPT",
    "KNOWN",
    "LOOK_AFTER",
    "LOOK_BEFORE",
    "MOST_MARKETPLACES",
    "MOST_THROTTLES",
    "MOST_TRIES",
    "MOST_UNKNOWN",
    "PARTNER_PAUSE",
    "FoundReport",
    "ReportFate",
    "ReportType",
    "ReportWish",
    "asked_body",
    "check_options",
    "check_span",
    "check_type",
    "facts_of",
    "fate_of",
    "file_name",
    "kind_flaw",
    "look_query",
    "next_look",
    "next_try",
    "note_of",
    "ours_among",
    "read_found",
    "read_list",
    "stamp",
    "throttled_until",
]

MOST_MARKETPLACES = 25
MOST_OPTIONS = 50
_LONGEST_OPTION = 1_000
_LONGEST_TYPE = 120
#: Amazon forgets a report after so long.
KEPT = timedelta(days=90)
#: A report that is not there after so long is given up.
GIVE_UP = timedelta(days=3)
#: Nobody knows whether createReport was heard: no call lasts longer than this.
LOOK_AFTER = timedelta(minutes=5)
#: Amazon's clock and ours may differ by so much.
LOOK_BEFORE = timedelta(minutes=2)
#: The selling partner has to act first; looked at again after this.
PARTNER_PAUSE = timedelta(hours=1)
MOST_TRIES = 8
#: A type that a marketplace does not have is answered with 429 again and again.
MOST_THROTTLES = 8
#: Right after it was made, Amazon may not know a report yet.
MOST_UNKNOWN = 4

_ENDINGS = {"text/csv": "csv", "application/json": "json", "application/pdf": "pdf"}
_LOOKS = tuple(timedelta(seconds=one) for one in (30, 30, 60, 60, 120, 180, 300))
_LONGEST_LOOK = timedelta(minutes=10)
_TRIES = tuple(timedelta(minutes=one) for one in (1, 2, 5, 15, 30, 60))
_THROTTLED = tuple(timedelta(minutes=one) for one in (2, 4, 8, 15, 30, 60))


class ReportFate(StrEnum):
    """What became of a report, by Amazon's ``processingStatus``."""

    WAITING = "waiting"
    DONE = "done"
    EMPTY = "empty"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportWish:
    """What Amazon is to make a report of."""

    report_type: str
    marketplace_ids: tuple[str, ...]
    data_from: datetime | None = None
    data_until: datetime | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundReport:
    """One report as Amazon tells of it."""

    report_id: str
    report_type: str
    status: str
    document_id: str = ""
    marketplace_ids: tuple[str, ...] = ()
    data_from: datetime | None = None
    data_until: datetime | None = None
    made_at: datetime | None = None
    schedule_id: str = ""


# --- what may be asked for --------------------------------------------------------------------


def facts_of(report_type: str) -> ReportType | None:
    """None: Amazon may have it, but nobody told us of it."""
    return KNOWN.get(report_type)


def note_of(report_type: str) -> str:
    """What somebody who asks for this type ought to know; empty: nothing."""
    known = KNOWN.get(report_type)
    if known is None:
        return (
            "Evergrant does not know this type: Amazon decides whether there is one, and 429 is "
            "its answer to some that there are not."
        )
    notes = []
    if not known.requestable:
        notes.append("Amazon makes it by itself; it can be listed and opened, not asked for.")
    if known.restricted:
        notes.append("It holds personal data, so its document takes a restricted data token.")
    if known.longest is not None:
        notes.append(f"It covers {known.longest.days} days at most.")
    return " ".join(notes)


def check_type(text: str) -> str:
    """The type's name as Amazon writes it. Raises Fault."""
    name = text.strip().upper().replace("-", "_")
    fine = name.isascii() and name.replace("_", "").isalnum() and not name[:1].isdigit()
    if not fine or not 4 <= len(name) <= _LONGEST_TYPE or "_" not in name:
        raise Fault(
            "bad_report_type",
            "is not the name of a type of Amazon's reports.",
            hint="It looks like GET_MERCHANT_LISTINGS_ALL_DATA.",
        )
    return name


def kind_flaw(report_type: str, partner_kind: PartnerKind) -> str:
    """Why such an account cannot have this type; empty: it can, as far as we know."""
    known = KNOWN.get(report_type)
    if known is None or partner_kind in known.partner_kinds:
        return ""
    others = " and ".join(f"{kind.value}s" for kind in sorted(known.partner_kinds))
    return f"is for {others}; this account is a {partner_kind.value}."


def check_span(
    report_type: str, data_from: datetime | None, data_until: datetime | None, now: datetime
) -> None:
    """Raises Fault with the field that is wrong."""
    known = KNOWN.get(report_type)
    if data_from is not None and data_from > now:
        raise Fault("out_of_range", "lies in the future.", field="data_from")
    if data_from is not None and data_until is not None and data_until < data_from:
        raise Fault("out_of_range", "lies before data_from.", field="data_until")
    if known is None or known.longest is None or data_from is None:
        return
    if (data_until or now) - data_from > known.longest:
        raise Fault(
            "span_too_long",
            f"makes the span longer than {known.longest.days} days, which is all that Amazon "
            "takes for this type.",
            field="data_from",
            hint="Ask for several reports, one behind the other.",
        )


def check_options(given: Mapping[str, object]) -> dict[str, str]:
    """As Amazon takes them: text by text. Raises Fault."""
    if len(given) > MOST_OPTIONS:
        raise Fault("out_of_range", f"may hold {MOST_OPTIONS} at most.", field="options")
    settled = {}
    for name, value in given.items():
        if isinstance(value, bool):
            text = "true" if value else "false"
        elif isinstance(value, (str, int)):
            text = str(value)
        else:
            raise Fault("wrong_type", f"{name[:80]!r} must be text.", field="options")
        if not name or len(name) > _LONGEST_OPTION or len(text) > _LONGEST_OPTION:
            raise Fault("out_of_range", f"{name[:80]!r} is too long.", field="options")
        settled[name] = text
    return settled


# --- what Amazon is asked ---------------------------------------------------------------------


def file_name(report_type: str, id: str, content_type: str) -> str:
    """Of a document, by what Amazon says of it."""
    plain = content_type.partition(";")[0].strip().lower()
    ending = _ENDINGS.get(plain, "xml" if "xml" in plain else "txt" if "text" in plain else "bin")
    return f"{report_type}-{id}.{ending}"


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def asked_body(wish: ReportWish) -> dict[str, Any]:
    """The body of createReport."""
    body: dict[str, Any] = {
        "reportType": wish.report_type,
        "marketplaceIds": list(wish.marketplace_ids),
    }
    if wish.data_from is not None:
        body["dataStartTime"] = stamp(wish.data_from)
    if wish.data_until is not None:
        body["dataEndTime"] = stamp(wish.data_until)
    if wish.options:
        body["reportOptions"] = dict(wish.options)
    return body


def look_query(report_type: str, since: datetime | None) -> list[tuple[str, str]]:
    """The query of getReports: the first page, as long as may be."""
    query = [("reportTypes", report_type), ("pageSize", "100")]
    return [*query, ("createdSince", stamp(since))] if since is not None else query


# --- what Amazon answers ----------------------------------------------------------------------


def read_found(told: object) -> FoundReport | None:
    """One report of an answer; None when it is none."""
    if not isinstance(told, Mapping):
        return None
    report_id, status = told.get("reportId"), told.get("processingStatus")
    if not _is_id(report_id) or not isinstance(status, str):
        return None
    ids = told.get("marketplaceIds")
    document_id = told.get("reportDocumentId")
    schedule_id = told.get("reportScheduleId")
    return FoundReport(
        report_id=str(report_id),
        report_type=str(told.get("reportType", ""))[:_LONGEST_TYPE],
        status=status[:40],
        document_id=str(document_id) if _is_id(document_id) else "",
        marketplace_ids=tuple(one for one in ids if isinstance(one, str))
        if isinstance(ids, list)
        else (),
        data_from=read_instant(told.get("dataStartTime")),
        data_until=read_instant(told.get("dataEndTime")),
        made_at=read_instant(told.get("createdTime")),
        schedule_id=schedule_id if isinstance(schedule_id, str) else "",
    )


def read_list(told: object) -> tuple[list[FoundReport], str]:
    """The reports of an answer of getReports, and the token of the next page or nothing."""
    if not isinstance(told, Mapping) or not isinstance(told.get("reports"), list):
        return [], ""
    token = told.get("nextToken")
    found = [read_found(one) for one in told["reports"]]
    return [one for one in found if one is not None], token if isinstance(token, str) else ""


def fate_of(status: str) -> ReportFate:
    """A status that nobody knows is one to wait in."""
    return {"DONE": ReportFate.DONE, "CANCELLED": ReportFate.EMPTY, "FATAL": ReportFate.FAILED}.get(
        status, ReportFate.WAITING
    )


def ours_among(
    found: Sequence[FoundReport], wish: ReportWish, asked_at: datetime, known: frozenset[str]
) -> FoundReport | None:
    """That which came of a createReport whose answer was lost, if any: made since, of the same
    type, marketplaces and span, by nobody's schedule, and none that we know of already. Of several
    the earliest: they say the same."""
    since = asked_at - LOOK_BEFORE
    fitting = [
        one
        for one in found
        if one.report_id not in known
        and one.report_type == wish.report_type
        and not one.schedule_id
        and one.made_at is not None
        and one.made_at >= since
        and (not one.marketplace_ids or set(one.marketplace_ids) == set(wish.marketplace_ids))
        and _same_day(one.data_from, wish.data_from)
        and _same_day(one.data_until, wish.data_until)
    ]
    return min(fitting, key=lambda one: (one.made_at or since, one.report_id), default=None)


def _same_day(told: datetime | None, wished: datetime | None) -> bool:
    """Amazon may round a span to days of the marketplace, and fills in what was not said."""
    return told is None or wished is None or abs(told - wished) <= timedelta(days=1)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 300 and value.isprintable()


# --- when to look again -----------------------------------------------------------------------


def next_look(now: datetime, looks: int) -> datetime:
    """After so many looks at a report that is being made."""
    return now + (_LOOKS[looks] if looks < len(_LOOKS) else _LONGEST_LOOK)


def next_try(now: datetime, tries: int) -> datetime:
    """After so many tries that came to nothing for Amazon's sake."""
    return now + _TRIES[min(tries, len(_TRIES) - 1)]


def throttled_until(now: datetime, tries: int) -> datetime:
    return now + _THROTTLED[min(tries, len(_THROTTLED) - 1)]
