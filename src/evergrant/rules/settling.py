"""What becomes of the changes of a run, from what Amazon said.

Answers for: the end of each change by Amazon's report and status of its feed: accepted, refused
with Amazon's words, back to wait, or uncertain; the way back with its ladder and its end; whether
a refusal only says that Amazon has it already. Does not answer for: reading reports
(``processing_reports``), or for writing anything down.

Sources: Amazon's feeds 2021-06-30 model (DONE says nothing of success; CANCELLED was not begun;
FATAL was aborted, and some, none or all of it may have been applied) and its schema of processing
reports: a message is taken if no error names it, and only as far as messages were processed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType

from evergrant.rules.changes import ChangeKind, ChangeState
from evergrant.rules.feedruns import ladder
from evergrant.rules.processing_reports import ProcessingReport, ReportLine

__all__ = [
    "FATAL",
    "PRESUMED",
    "Reckoning",
    "Sent",
    "Settled",
    "is_already_there",
    "presumed",
    "reckon",
    "returned",
    "uncertain",
]

#: Codes of ours.
FATAL = "fatal"
CANCELLED = "cancelled"
GAVE_UP = "gave_up"
NOT_TOLD = "not_told"
PRESUMED = "presumed"
BESIDE = "beside_refused"

_LONGEST = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One change as the run has it. ``code``: what the run before this one left it with."""

    change_id: str
    kind: ChangeKind
    subject: str
    message_id: int | None
    tries: int
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The end of one change, or (PENDING) that it goes back to wait until ``next_at``."""

    change_id: str
    state: ChangeState
    code: str = ""
    message: str = ""
    attribute: str = ""
    next_at: datetime | None = None


def returned(sent: Sent, now: datetime, *, code: str, message: str) -> Settled:
    """It goes back to wait, for longer each time; refused when it was tried often enough."""
    pause = ladder(sent.tries)
    if pause is None:
        told = f"It was tried {sent.tries} times. Last: {message}"
        return _settled(sent, ChangeState.REFUSED, GAVE_UP, told)
    return Settled(
        change_id=sent.change_id,
        state=ChangeState.PENDING,
        code=code,
        message=message[:_LONGEST],
        next_at=now + pause,
    )


def uncertain(sent: Sent, now: datetime, *, code: str, message: str) -> Settled:
    """Sent, and nobody can tell what became of it."""
    return _settled(sent, ChangeState.UNCERTAIN, code, message)


def presumed(sent: Sent) -> Settled:
    """Amazon still works on the transaction, and for so long that it counts as success."""
    return _settled(
        sent,
        ChangeState.ACCEPTED,
        PRESUMED,
        "Presumed accepted: Amazon took it and names no end of it within the usual time.",
    )


def is_already_there(code: str, message: str) -> bool:
    """Whether a refusal says that Amazon has the very thing already. Believed only where an earlier
    answer was lost: then that one was heard."""
    told = f"{code} {message}".casefold().replace("_", "")
    return any(word in told for word in ("duplicate", "already exist", "already been", "already s"))


# --- a report -------------------------------------------------------------------------------


class _Rest(Enum):
    """What holds for messages that no error names."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # the document as a whole
    CANCELLED = "cancelled"
    ABORTED = "aborted"  # FATAL
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoning:
    """What one report says, ready to be applied to the changes, some at a time."""

    rest: _Rest
    repeatable: bool
    code: str = ""
    words: str = ""  # about the rest
    by_message: Mapping[int, Sequence[ReportLine]] = field(default_factory=dict)
    by_name: Mapping[str, Sequence[ReportLine]] = field(default_factory=dict)

    def settle(self, sent: Sequence[Sent], now: datetime) -> list[Settled]:
        """``sent``: with all changes of each of its messages."""
        messages: dict[int | None, list[Sent]] = defaultdict(list)
        for one in sent:
            messages[one.message_id].append(one)
        ends = []
        for together in messages.values():
            errors = self._errors(together[0])
            for one in together:
                if not errors:
                    ends.append(self._end(one, now))
                elif _is_beside(one, together, errors):
                    ends.append(_beside(one, errors[0], now))
                else:
                    ends.append(_refused(one, errors))
        return ends

    def _errors(self, one: Sent) -> Sequence[ReportLine]:
        named = () if one.message_id is None else self.by_message.get(one.message_id, ())
        return named or self.by_name.get(one.subject, ())

    def _end(self, one: Sent, now: datetime) -> Settled:
        if self.rest is _Rest.ACCEPTED:
            return Settled(change_id=one.change_id, state=ChangeState.ACCEPTED)
        if self.rest is _Rest.REFUSED:
            return _settled(one, ChangeState.REFUSED, self.code, self.words)
        if self.rest is _Rest.CANCELLED:
            return returned(one, now, code=self.code, message=self.words)
        if not self.repeatable:
            return uncertain(one, now, code=self.code, message=self.words)
        if self.rest is _Rest.ABORTED and one.code == FATAL:
            told = f"{self.words} It was sent twice."
            return _settled(one, ChangeState.REFUSED, FATAL, told)
        return returned(one, now, code=self.code, message=self.words)


def reckon(
    status: str,
    report: ProcessingReport | None,
    *,
    messages: int,
    repeatable: bool,
    guessed: bool = False,
) -> Reckoning:
    """``status``: the feed's, as Amazon last said: DONE, CANCELLED or FATAL. ``report`` None:
    there is none. ``messages``: that were sent. ``guessed``: that the feed is ours was found out
    with getFeeds; then the counts have to agree before anything else is believed."""
    if status == "CANCELLED":
        words = "Amazon cancelled the feed before it began with it."
        return Reckoning(rest=_Rest.CANCELLED, repeatable=repeatable, code=CANCELLED, words=words)
    aborted = status == "FATAL"
    code = FATAL if aborted else NOT_TOLD
    rest = _Rest.ABORTED if aborted else _Rest.UNKNOWN
    if report is None or not report.readable:
        why = "there is no report." if report is None else report.reason
        words = f"Amazon {'aborted the feed' if aborted else 'is done with the feed'}, and {why}"
        return Reckoning(rest=rest, repeatable=repeatable, code=code, words=words)
    if _is_another(report, messages, guessed):
        words = (
            f"Amazon's report is about {report.processed} messages and {messages} were sent: it "
            "is another feed's."
        )
        return Reckoning(rest=_Rest.UNKNOWN, repeatable=repeatable, code=NOT_TOLD, words=words)
    errors = [line for line in report.lines if line.severity == "error"]
    by_message: dict[int, list[ReportLine]] = defaultdict(list)
    by_name: dict[str, list[ReportLine]] = defaultdict(list)
    for line in errors:
        name = line.sku or line.order_id
        if line.message_id is not None:
            by_message[line.message_id].append(line)
        elif name:
            by_name[name].append(line)
    named = len(by_message) + len(by_name)
    rest, code, words = _of_the_rest(status, report, messages, named, repeatable)
    return Reckoning(
        rest=rest,
        repeatable=repeatable,
        code=code,
        words=words,
        by_message=MappingProxyType(by_message),
        by_name=MappingProxyType(by_name),
    )


def _of_the_rest(
    status: str, report: ProcessingReport, messages: int, named: int, repeatable: bool
) -> tuple[_Rest, str, str]:
    """What holds for messages that no error names, with its code and words. ``named``: messages
    that one names."""
    aborted = status == "FATAL"
    unsure = (_Rest.ABORTED, FATAL) if aborted else (_Rest.UNKNOWN, NOT_TOLD)
    if not aborted and status != "DONE":
        return *unsure, "Amazon does not say that it is done with the feed."
    if report.processed is None and not repeatable:
        return *unsure, "Amazon's report does not say how many messages were processed."
    if report.fault:
        return _Rest.REFUSED, report.fault_code or "document_refused", report.fault
    if aborted:
        return *unsure, "Amazon aborted the feed; its report does not say what became of this."
    if report.processed is not None and report.processed < messages:
        told = f"Amazon processed {report.processed} of {messages} messages and not all are told."
        return *unsure, told
    if report.refused is not None and report.refused > named:
        return *unsure, f"Amazon refused {report.refused} messages and names {named} of them."
    return _Rest.ACCEPTED, "", ""


def _is_another(report: ProcessingReport, messages: int, guessed: bool) -> bool:
    processed = report.processed
    if processed is None:
        return False
    return processed > messages or (guessed and processed != messages)


# --- one message ----------------------------------------------------------------------------

#: What Amazon calls the part of a listing that a kind sets.
_ATTRIBUTES: Mapping[ChangeKind, str] = MappingProxyType(
    {ChangeKind.STOCK: "fulfillment_availability", ChangeKind.PRICE: "purchasable_offer"}
)


def _is_beside(one: Sent, together: Sequence[Sent], errors: Sequence[ReportLine]) -> bool:
    """Amazon refused the message for another change in it, and for that one alone."""
    mine = _ATTRIBUTES.get(one.kind)
    others = {_ATTRIBUTES.get(other.kind) for other in together} - {mine, None}
    if mine is None or not others:
        return False
    return all(
        names and all(_names_one_of(name, others) for name in names)
        for names in ([part.strip() for part in line.attribute.split(",")] for line in errors)
    )


def _names_one_of(name: str, attributes: set[str | None]) -> bool:
    return name.split(".")[0].split("/")[-1] in attributes


def _beside(one: Sent, error: ReportLine, now: datetime) -> Settled:
    told = f"Nothing is said against it, but what went with it was refused: {error.message}"
    back = returned(one, now, code=BESIDE, message=told)
    if back.state is not ChangeState.PENDING:
        return back
    return Settled(
        change_id=one.change_id,
        state=ChangeState.PENDING,
        code=BESIDE,
        message=back.message,
        next_at=now,
    )


def _refused(one: Sent, errors: Sequence[ReportLine]) -> Settled:
    first = errors[0]
    words = first.message or "Amazon refused it and gave no words."
    more = len(errors) - 1
    if more:
        words = f"{words} (and {more} more)"
    return Settled(
        change_id=one.change_id,
        state=ChangeState.REFUSED,
        code=first.code or "refused",
        message=words[:_LONGEST],
        attribute=first.attribute,
    )


def _settled(one: Sent, state: ChangeState, code: str, message: str) -> Settled:
    return Settled(change_id=one.change_id, state=state, code=code, message=message[:_LONGEST])
