"""What a batch of changes is answered, line by line."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from evergrant.entrances.api.views.pages import View
from evergrant.errors import Flaw
from evergrant.feeds.taken import LineAnswer, Taken, Withdrawn
from evergrant.rules.changes import ChangeState
from evergrant.rules.wishes.earlier import LineFate

__all__ = ["LineFlawView", "LineView", "NoteView", "TakenView", "WithdrawnView"]


class LineFlawView(View):
    """One thing that is wrong with a line."""

    code: str
    field: str | None = Field(description="Null: the line as a whole")
    message: str
    hint: str | None

    @classmethod
    def of(cls, flaw: Flaw) -> LineFlawView:
        return cls(code=flaw.code, field=flaw.field, message=flaw.message, hint=flaw.hint)


class LineView(View):
    """What one line was answered."""

    line: int = Field(description="Its place in the batch, from 1")
    rows: list[int] = Field(description="Of a CSV file: its rows; the names are row 1")
    outcome: LineFate = Field(
        description="`taken`; `duplicate`: it was handed in before, and nothing is added; "
        "`superseded`: a later line of the batch says it anew; `refused`"
    )
    kind: str = Field(description="Empty where it could not be read")
    reference: str
    change_id: str = Field(description="`chg_…`; of a duplicate: the change that is there already")
    of_line: int | None = Field(description="The line that it repeats, or that takes its place")
    flaws: list[LineFlawView] = Field(description="Why it was refused: all of it")

    @classmethod
    def of(cls, answer: LineAnswer, rows: Sequence[int] = ()) -> LineView:
        return cls(
            line=answer.line,
            rows=list(rows),
            outcome=answer.fate,
            kind=answer.kind,
            reference=answer.reference,
            change_id=answer.change_id,
            of_line=answer.of_line or None,
            flaws=[LineFlawView.of(flaw) for flaw in answer.flaws],
        )


class NoteView(View):
    """Why changes that were taken wait."""

    code: str = Field(description="For example `switched_off`, `not_authorized`, `lapsed`")
    kind: str = Field(description="Changes of this kind; empty: all of them")
    message: str


class TakenView(View):
    """What a batch was answered."""

    intake_id: str
    account_id: str
    repeated: bool = Field(
        description="True: the same idempotency key came before; this is the answer of then, and "
        "nothing was taken now"
    )
    lines: int
    taken: int
    duplicates: int = Field(description="Lines that came before; nothing was added")
    superseded: int = Field(description="Lines that a later one of this batch says anew")
    refused: int
    notes: list[NoteView] = Field(description="Why what was taken waits; empty: it goes")
    items: list[LineView] = Field(description="In the order of the lines")

    @classmethod
    def of(cls, taken: Taken, rows: Sequence[Sequence[int]] = ()) -> TakenView:
        placed = rows if len(rows) == len(taken.answers) else [()] * len(taken.answers)
        return cls(
            intake_id=taken.intake_id,
            account_id=taken.account_id,
            repeated=taken.repeated,
            lines=taken.lines,
            taken=taken.taken,
            duplicates=taken.duplicates,
            superseded=taken.superseded,
            refused=taken.refused,
            notes=[
                NoteView(code=note.code, kind=note.kind, message=note.message)
                for note in taken.notes
            ],
            items=[
                LineView.of(answer, of) for answer, of in zip(taken.answers, placed, strict=True)
            ],
        )


class WithdrawnView(View):
    """What became of changes that were to be taken back."""

    withdrawn: list[str]
    left: dict[str, ChangeState] = Field(
        description="Those that were under way or over already, with the state that they are in"
    )

    @classmethod
    def of(cls, done: Withdrawn) -> WithdrawnView:
        return cls(withdrawn=list(done.withdrawn), left=dict(done.left))
