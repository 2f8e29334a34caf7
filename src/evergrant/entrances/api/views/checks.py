"""Findings, and the list of what has to be reviewed before going live."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field, JsonValue

from evergrant.checks import Finding, Reviewed, Survey
from evergrant.checks.kinds import FINDINGS, Severity
from evergrant.entrances.api.views.pages import View
from evergrant.errors import Blame
from evergrant.rules.reviews import About, ReviewState, plain

__all__ = ["ChecksView", "FindingView", "ReviewView"]


class FindingView(View):
    code: str = Field(description="Stable: `EG041`")
    severity: Severity
    blame: Blame = Field(description="Who has to act")
    title: str
    message: str
    hint: str
    subject: str = Field(description="A setting's name or a thing's id; may be empty")

    @classmethod
    def of(cls, finding: Finding) -> FindingView:
        return cls(
            code=finding.code,
            severity=finding.severity,
            blame=finding.blame,
            title=FINDINGS[finding.code].title,
            message=finding.message,
            hint=finding.hint,
            subject=finding.subject,
        )


class ReviewView(View):
    """One item of the list, about the house or about one thing, as it stands now."""

    item: str
    title: str
    about: About
    look: str = Field(description="What a person looks at")
    subject: str = Field(description="`app_…` or `ins_…`; empty where it is about the house")
    subject_name: str
    by_machine: bool = Field(description="Decided by looking; nobody signs it")
    state: ReviewState
    says: str = Field(description="What is wrong, where the machine decides")
    looked_at: dict[str, JsonValue] = Field(description="The very values; none is a secret")
    digest: str = Field(description="Of these values: send it when you sign")
    signed_by: str = Field(description="The person's name")
    signed_as: str = Field(description="The caller: `api_key:key_…`, `operator:opr_…`, …")
    signed_at: datetime | None
    note: str

    @classmethod
    def of(cls, one: Reviewed) -> ReviewView:
        return cls(
            item=one.item,
            title=one.title,
            about=one.about,
            look=one.look,
            subject=one.subject,
            subject_name=one.subject_name,
            by_machine=one.by_machine,
            state=one.state,
            says=one.says,
            looked_at=plain(one.looked_at),
            digest=one.digest,
            signed_by=one.signed_by,
            signed_as=one.signed_as,
            signed_at=one.signed_at,
            note=one.note,
        )


class ChecksView(View):
    ready: bool = Field(description="No finding is an error, and every item is reviewed")
    findings: list[FindingView] = Field(description="Worst first")
    reviews: list[ReviewView]

    @classmethod
    def of(cls, survey: Survey) -> ChecksView:
        return cls(
            ready=survey.is_ready,
            findings=[FindingView.of(one) for one in survey.findings],
            reviews=[ReviewView.of(one) for one in survey.items],
        )
