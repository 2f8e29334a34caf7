"""What a batch is answered, line by line, and how that is kept and told again.

Answers for: the values of the hatch's answers, and their form within ``Intake.answer``: what is not
told by the changes themselves. Does not answer for: deciding any of it (the hatch).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evergrant.errors import Flaw
from evergrant.ports.things import Account, Authorization
from evergrant.ports.traded import AccountWork, Change, Intake
from evergrant.rules.changes import FLAGS, ChangeKind, ChangeState
from evergrant.rules.secrecy import scrub
from evergrant.rules.waits import SENTENCES, STATES, Why
from evergrant.rules.wishes import Refused, Wish
from evergrant.rules.wishes.earlier import KEY_FIELDS, LineFate, Verdict

__all__ = [
    "Line",
    "LineAnswer",
    "Note",
    "Taken",
    "Withdrawn",
    "kept",
    "notes_of",
    "refused_for",
    "retold",
]

#: A line as it is handed in: fields by name, or why nobody could make a line of it.
Line = Mapping[str, Any] | Refused

_LONGEST_REFERENCE = 100
_HINTS = {
    ChangeKind.REFUND: "A further refund needs a reference of its own.",
    ChangeKind.INVOICE: "An invoice number stands for one document.",
    ChangeKind.CANCELLATION: "An order is cancelled once. Withdraw the earlier change if it still "
    "waits.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LineAnswer:
    """``line`` from 1. ``change_id``: of a taken line; of a duplicate, the change that it repeats.
    ``of_line``: the line of the batch that overtook this one or that it repeats. ``kind``: as it
    was written, "" where it was not readable."""

    line: int
    fate: LineFate
    kind: str = ""
    reference: str = ""
    change_id: str = ""
    of_line: int = 0
    flaws: tuple[Flaw, ...] = ()

    @classmethod
    def of(cls, wish: Wish, verdict: Verdict, changes: Mapping[int, Change]) -> LineAnswer:
        """``changes``: by line; none of them when nothing was stored."""
        there = changes.get(verdict.of_line if verdict.fate is LineFate.DUPLICATE else verdict.line)
        flaws: tuple[Flaw, ...] = ()
        if verdict.fate is LineFate.REFUSED:
            earlier = verdict.of or f"line {verdict.of_line}"
            flaws = (
                Flaw(
                    f"was handed in before with other content ({earlier}).",
                    field=KEY_FIELDS[wish.kind],
                    code="conflict",
                    hint=_HINTS.get(wish.kind),
                ),
            )
        return cls(
            line=verdict.line,
            fate=verdict.fate,
            kind=wish.kind.value,
            reference=wish.reference,
            change_id=verdict.of if verdict.fate is LineFate.DUPLICATE and verdict.of
            else there.id if there else "",
            of_line=verdict.of_line,
            flaws=flaws,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that makes taken changes wait. ``code``: a word of ``rules.waits.Why``; ``kind``
    "": all of them."""

    code: str
    message: str
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one batch was answered. ``intake_id`` "": it was only judged. ``repeated``: the batch
    had come before, and this is the answer of then."""

    intake_id: str
    account_id: str
    lines: int
    taken: int
    duplicates: int
    superseded: int
    refused: int
    answers: tuple[LineAnswer, ...] = field(repr=False)
    notes: tuple[Note, ...] = ()
    repeated: bool = False

    @classmethod
    def of(
        cls,
        intake: Intake,
        answers: Sequence[LineAnswer],
        notes: Sequence[Note],
        *,
        repeated: bool = False,
    ) -> Taken:
        counts = Counter(answer.fate for answer in answers)
        return cls(
            intake_id=intake.id,
            account_id=intake.account_id,
            lines=len(answers),
            taken=counts[LineFate.TAKEN],
            duplicates=counts[LineFate.DUPLICATE],
            superseded=counts[LineFate.SUPERSEDED],
            refused=counts[LineFate.REFUSED],
            answers=tuple(answers),
            notes=tuple(notes),
            repeated=repeated,
        )

    def numbers(self) -> dict[str, Any]:
        """For the journal: nothing of what the lines hold."""
        kinds = Counter(answer.kind for answer in self.answers if answer.fate is LineFate.TAKEN)
        return {
            "lines": self.lines,
            "taken": self.taken,
            "duplicates": self.duplicates,
            "superseded": self.superseded,
            "refused": self.refused,
            "kinds": dict(sorted(kinds.items())),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """``left``: what could not be taken back any more, and the state that it is in."""

    withdrawn: tuple[str, ...]
    left: Mapping[str, ChangeState]


def refused_for(line: int, whole: Line, why: Refused) -> LineAnswer:
    """The answer to a line that could not be read. Of what it holds only kind and reference are
    told back, as far as they look like such."""
    given = whole.given if isinstance(whole, Refused) else whole
    known = {kind.value for kind in ChangeKind}
    kind = str(given.get("kind", "")).strip().lower()
    reference = given.get("reference")
    plain = reference.strip() if isinstance(reference, str) else ""
    return LineAnswer(
        line=line,
        fate=LineFate.REFUSED,
        kind=kind if kind in known else "",
        reference=scrub(plain)[:_LONGEST_REFERENCE] if plain.isprintable() else "",
        flaws=tuple(
            Flaw(fault.message, field=fault.field, code=fault.code, hint=fault.hint)
            for fault in why.faults
        ),
    )


def notes_of(
    account: Account,
    authorization: Authorization,
    work: AccountWork | None,
    answers: Iterable[LineAnswer],
) -> list[Note]:
    """Why what was taken waits, as far as that is known at the hatch."""
    kinds = [
        kind
        for kind in ChangeKind
        if kind.value in {answer.kind for answer in answers if answer.fate is LineFate.TAKEN}
    ]
    if not kinds:
        return []
    notes = []
    if (why := STATES.get(authorization.state)) is not None:
        notes.append(Note(code=why.value, message=SENTENCES[why]))
    if work is not None and work.paused_at is not None:
        notes.append(Note(code=Why.PAUSED.value, message=SENTENCES[Why.PAUSED]))
    notes += [
        Note(
            code=Why.SWITCHED_OFF.value,
            message=f"The switch {FLAGS[kind].value!r} is off: they wait until it is on.",
            kind=kind.value,
        )
        for kind in kinds
        if not account.flags.get(FLAGS[kind], True)
    ]
    return notes


# --- kept and told again ----------------------------------------------------------------------


def kept(intake: Intake, taken: Taken) -> Intake:
    """The intake with its answer in plain JSON."""
    told = [_plain(answer) for answer in taken.answers if answer.fate is not LineFate.TAKEN]
    return replace(
        intake,
        lines=taken.lines,
        taken=taken.taken,
        refused=taken.refused,
        answer={"lines": told} if told else {},
    )


def retold(intake: Intake, changes: Iterable[Change]) -> list[LineAnswer]:
    """The answers of then. A change that was forgotten since is told without its id."""
    told = {one["line"]: _answer(one) for one in intake.answer.get("lines", ())}
    for change in changes:
        told[change.line] = LineAnswer(
            line=change.line,
            fate=LineFate.TAKEN,
            kind=change.kind.value,
            reference=change.reference,
            change_id=change.id,
        )
    return [
        told.get(line) or LineAnswer(line=line, fate=LineFate.TAKEN)
        for line in range(1, intake.lines + 1)
    ]


def _plain(answer: LineAnswer) -> dict[str, Any]:
    plain: dict[str, Any] = {"line": answer.line, "fate": answer.fate.value}
    for name in ("kind", "reference", "change_id", "of_line"):
        if value := getattr(answer, name):
            plain[name] = value
    if answer.flaws:
        plain["flaws"] = [
            {
                name: value
                for name in ("code", "field", "message", "hint")
                if (value := getattr(flaw, name)) is not None
            }
            for flaw in answer.flaws
        ]
    return plain


def _answer(plain: Mapping[str, Any]) -> LineAnswer:
    return LineAnswer(
        line=plain["line"],
        fate=LineFate(plain["fate"]),
        kind=plain.get("kind", ""),
        reference=plain.get("reference", ""),
        change_id=plain.get("change_id", ""),
        of_line=plain.get("of_line", 0),
        flaws=tuple(Flaw(**one) for one in plain.get("flaws", ())),
    )
