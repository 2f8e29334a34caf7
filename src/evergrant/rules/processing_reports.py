"""Amazon's processing reports: what became of the messages of one feed.

Answers for: reading a report in any of its shapes (JSON of listings feeds, XML of order feeds,
tab-separated text of flat files), decided by what it is and not by the feed's type, however it is
packed and encoded; whether the whole document was refused. Does not answer for: what becomes of
the changes (``settling``), or for which feed the report is of: the identifier in its header is at
times another one than createFeed gave, so nobody looks at it.

Sources: Amazon's schema "listings-feed-processing-report-schema-v2"; for the XML and the text there
is none: their shape is that of reports which sellers showed. Success has no line in any of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from evergrant.rules.faults import Fault
from evergrant.rules.received_text import printable, text_of
from evergrant.rules.report_xml import Node, tree_of

__all__ = ["ProcessingReport", "ReportLine", "Severity", "line", "read"]

Severity = Literal["error", "warning", "info"]

_NUMBER = re.compile(r"\s*([0-9]{1,18})\s*", re.ASCII)
_SEVERITIES: Mapping[str, Severity] = {"error": "error", "warning": "warning", "info": "info"}
_XML_REPORTS = ("ProcessingReport", "EasyShipProcessingReport")
_ERROR_CODE = "error-code"
_LONGEST_NAME = 200
_MOST = 10**18
_SILENT = "Amazon processed none of the messages and gave no reason."


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLine:
    """One thing that Amazon has to say. ``message_id`` None: it names no message of the feed."""

    message_id: int | None
    severity: Severity
    code: str = ""
    message: str = ""
    attribute: str = ""  # that Amazon names; several with a comma
    sku: str = ""
    order_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingReport:
    """``readable`` False: nothing is known but ``reason``, in our words. ``fault``: Amazon refused
    the document as a whole, in its words, and did nothing of what it says; ``fault_code`` is
    Amazon's. Counts are Amazon's, of messages; None: it does not say. A message that is in no line
    of severity "error" was taken, as far as Amazon processed it."""

    readable: bool
    processed: int | None = None
    accepted: int | None = None
    refused: int | None = None
    lines: tuple[ReportLine, ...] = ()
    fault: str = ""
    fault_code: str = ""
    reason: str = ""


def read(content: bytes, content_type: str = "") -> ProcessingReport:
    """Of any bytes; raises nothing. ``content_type`` is a hint for encodings, no more."""
    try:
        text = text_of(content, content_type)
        if not text:
            raise Fault("empty", "The report is empty.")
        if text[0] in "{[":
            return _with_fault(_of_json(text))
        if text[0] == "<":
            return _with_fault(_of_xml(tree_of(text)))
        return _with_fault(_of_table(text))
    except Fault as fault:
        return ProcessingReport(readable=False, reason=fault.message)


def _with_fault(report: ProcessingReport) -> ProcessingReport:
    """With what makes the whole document a refused one: an error that names no message, or silence,
    where nothing was taken. An error without a message beside messages that were taken is a line
    like others."""
    taken = bool(report.accepted or (report.accepted is None and report.processed))
    blame = next(
        (one for one in report.lines if one.message_id is None and one.severity == "error"), None
    )
    if blame is not None and not taken:
        words = blame.message or f"Amazon gave the code {blame.code or '(none)'} and no words."
        return replace(report, fault=words, fault_code=blame.code)
    if report.processed == 0 and not taken and not report.lines:
        return replace(report, fault=_SILENT)
    return report


# --- JSON -----------------------------------------------------------------------------------


def _of_json(text: str) -> ProcessingReport:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Fault("broken_json", _json_words(error)) from None
    if not isinstance(document, dict) or not isinstance(document.get("issues"), list):
        said = _errors_in(document)
        words = f": {said}" if said else ", it has no list of issues."
        raise Fault("no_report", f"The document is JSON and no processing report{words}")
    summary = document.get("summary")
    counts = summary if isinstance(summary, dict) else {}
    return ProcessingReport(
        readable=True,
        processed=_count(counts.get("messagesProcessed")),
        accepted=_count(counts.get("messagesAccepted")),
        refused=_count(counts.get("messagesInvalid")),
        lines=tuple(_issues(document["issues"])),
    )


def _json_words(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        cut = error.pos >= len(error.doc) or error.msg.startswith("Unterminated")
        if cut:
            return "The document is JSON that was cut off."
        return f"The document is not JSON: {error.msg} at character {error.pos}."
    return "The document is JSON that is nested too deeply or holds a number without end."


def _errors_in(document: object) -> str:
    """Amazon's words, where it answered with an error in the place of a report."""
    errors = document.get("errors") if isinstance(document, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(first, dict):
        return ""
    return printable(f"{_word(first.get('code'))} {_word(first.get('message'))}", 300)


def _issues(issues: Iterable[object]) -> Iterator[ReportLine]:
    """Raises Fault: a line that nobody can read could be of any message."""
    for issue in issues:
        if not isinstance(issue, dict):
            raise Fault("no_report", "The report is JSON with an issue that is no object.")
        yield line(issue)


def line(issue: Mapping[str, Any]) -> ReportLine:
    """One issue, of a report or of the answer to a single submission."""
    return ReportLine(
        message_id=_count(issue.get("messageId")) or None,
        severity=_severity(_word(issue.get("severity"))),
        code=printable(_word(issue.get("code")), _LONGEST_NAME),
        message=printable(_word(issue.get("message"))),
        attribute=printable(_attribute(issue), _LONGEST_NAME),
        sku=printable(_word(issue.get("sku")), _LONGEST_NAME),
    )


def _attribute(issue: Mapping[str, Any]) -> str:
    names = issue.get("attributeNames")
    if isinstance(names, list):
        return ", ".join(_word(name) for name in names)
    return _word(issue.get("attributeName"))


# --- XML ------------------------------------------------------------------------------------


def _of_xml(root: Node) -> ProcessingReport:
    """The reports in an envelope of order feeds, or one that stands alone, as that of Easy Ship."""
    found = [node for name in _XML_REPORTS for node in root.below(name)]
    if not found:
        said = printable(f"{root.value('Code')} {root.value('Message')}", 300)
        words = f": {said}" if said else "."
        raise Fault(
            "no_report",
            f"The document is XML of <{printable(root.name, 60)}> and no processing report{words}",
        )
    counted = [_summary(node) for node in found]
    results = [_result(one) for node in found for one in node.all("Result")]
    return ProcessingReport(
        readable=True,
        processed=_sum(counts.value("MessagesProcessed") for counts in counted),
        accepted=_sum(counts.value("MessagesSuccessful") for counts in counted),
        refused=_sum(counts.value("MessagesWithError") for counts in counted),
        lines=tuple(results),
    )


def _summary(report: Node) -> Node:
    """Where the counts stand: in an element of their own, or beside the results."""
    return next(iter(report.all("ProcessingSummary")), report)


def _sum(texts: Iterable[str]) -> int | None:
    """None when one of them does not say."""
    counts = [_count(text) for text in texts]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _result(result: Node) -> ReportLine:
    told = next(iter(result.all("AdditionalInfo")), result)
    return ReportLine(
        message_id=_count(result.value("MessageID")) or None,
        severity=_severity(result.value("ResultCode")),
        code=printable(result.value("ResultMessageCode"), _LONGEST_NAME),
        message=printable(result.value("ResultDescription")),
        sku=printable(told.value("SKU"), _LONGEST_NAME),
        order_id=printable(told.value("AmazonOrderID"), _LONGEST_NAME),
    )


# --- text -----------------------------------------------------------------------------------


def _of_table(text: str) -> ProcessingReport:
    """Some lines of counts, an empty one, then a table: one record of the file is one message."""
    rows = [[cell.strip().strip('"') for cell in line.split("\t")] for line in text.splitlines()]
    processed, accepted = _told(rows, "processed"), _told(rows, "successful")
    if processed is None or accepted is None:
        raise Fault(
            "no_report",
            "The document is neither JSON nor XML nor a text that begins with the counts of a "
            "processing report.",
        )
    heads = [at for at, row in enumerate(rows) if _ERROR_CODE in _named(row)]
    columns = _named(rows[heads[0]]) if heads else []
    below = rows[heads[0] + 1 :] if heads else []
    lines = tuple(_record(dict(zip(columns, row, strict=False))) for row in below if any(row))
    return ProcessingReport(
        readable=True,
        processed=processed,
        accepted=accepted,
        refused=max(processed - accepted, 0),
        lines=lines,
    )


def _named(row: list[str]) -> list[str]:
    return [cell.lower().replace("_", "-") for cell in row]


def _told(rows: list[list[str]], what: str) -> int | None:
    """The number in the line "Number of records <what>"."""
    for row in rows:
        words = " ".join(row).strip().lower()
        if words.startswith("number of records") and what in words:
            return _count(words.rpartition(what)[2].strip(" :"))
    return None


def _record(cells: Mapping[str, str]) -> ReportLine:
    return ReportLine(
        message_id=_count(cells.get("original-record-number")) or None,
        severity=_severity(cells.get("error-type", "")),
        code=printable(cells.get(_ERROR_CODE, ""), _LONGEST_NAME),
        message=printable(cells.get("error-message", "")),
        sku=printable(cells.get("sku", ""), _LONGEST_NAME),
        order_id=printable(cells.get("order-id", ""), _LONGEST_NAME),
    )


# --- what all of them hold ------------------------------------------------------------------


def _count(value: object) -> int | None:
    """A number that is none below zero, as number or as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() and 0 <= value < _MOST else None
    if isinstance(value, int):
        return value if 0 <= value < _MOST else None
    found = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    return int(found[1]) if found else None


def _word(value: object) -> str:
    """Codes come as text or as numbers."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and -_MOST < value < _MOST else ""


def _severity(word: str) -> Severity:
    """A word that we do not know is an error: nobody may believe that such a message was taken."""
    return _SEVERITIES.get(word.strip().lower(), "error")
