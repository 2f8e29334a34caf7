"""Applications: what the house has registered at Amazon.

Answers for: listing, adding, showing and changing them. Does not answer for: their credentials and
client secrets (`credentials`), or for accounts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.responses import Response

from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.errors import Conflict, Flaw, InvalidInput, NotFound
from evergrant.notifications import Subscribed
from evergrant.ports.things import Application, IntegrationCredentials
from evergrant.ports.watched import Notice, Rotation, RotationSource, RotationStep
from evergrant.registry import NewApplication
from evergrant.rotation import RotationState
from evergrant.rules import terms
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.notices import KINDS, NoticeKind
from evergrant.rules.rights import Right
from evergrant.rules.terms import SecretPhase

__all__ = ["DOORS", "SecretClock", "clock_of"]

_PAGE = 100
_KINDS = (
    (ApplicationKind.PUBLIC.value, "Public: customers authorize it"),
    (ApplicationKind.PRIVATE.value, "Private: for accounts of one company alone"),
)
_STATUS = (
    (ApplicationStatus.DRAFT.value, "Draft: not published by Amazon yet"),
    (ApplicationStatus.PUBLISHED.value, "Published"),
)
_BETA = (
    ("", "by its status (drafts only)"),
    ("yes", "always"),
    ("no", "never"),
)
_TRUTH = {"yes": True, "no": False}
_PHASES = {
    SecretPhase.UNKNOWN: "quiet",
    SecretPhase.OK: "good",
    SecretPhase.NOTICE: "warm",
    SecretPhase.URGENT: "bad",
    SecretPhase.DEAD: "bad",
}
#: What hangs about an application as a whole.
_NOTICES = (
    NoticeKind.APPLICATION_REFUSED,
    NoticeKind.SECRET_DEAD,
    NoticeKind.ROTATION_STUCK,
    NoticeKind.SECRET_ENDING,
    NoticeKind.QUEUE_TROUBLE,
    NoticeKind.NOTIFICATIONS_TROUBLE,
)
SOURCES = {
    RotationSource.ASKED: "Evergrant asked Amazon for it",
    RotationSource.SENT: "rotated in Amazon's console, came by the queue",
    RotationSource.PASTED: "pasted by an operator",
}
STEPS = {
    RotationStep.ASKING: ("warm", "Amazon is being asked"),
    RotationStep.ASKED: ("warm", "on its way to the queue"),
    RotationStep.RECEIVED: ("warm", "received, being tried"),
    RotationStep.PROMOTED: ("good", "in force"),
    RotationStep.DONE: ("good", "done"),
    RotationStep.FAILED: ("quiet", "came to nothing"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretClock:
    """How much of a client secret's life is left. ``share``: 0 to 100, for a bar; None where nobody
    knows."""

    kind: str  # a badge's
    words: str
    days: int | None = None
    share: int | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationRow:
    application: Application
    credentials: IntegrationCredentials | None
    clock: SecretClock
    accounts: int


def clock_of(credentials: IntegrationCredentials | None, now: datetime) -> SecretClock:
    if credentials is None or not credentials.secret_set:
        return SecretClock(kind="bad", words="not set")
    ends_at = credentials.secret_expires_at
    phase = terms.secret_phase(now, ends_at)
    if ends_at is None:
        return SecretClock(kind="quiet", words="end unknown")
    left = max(ends_at - now, timedelta())
    # By the calendar, as everywhere else: a secret that ends tomorrow morning has one day left.
    days = max((ends_at.astimezone(UTC).date() - now.astimezone(UTC).date()).days, 0)
    share = min(100, round(100 * (left / terms.SECRET_TERM)))
    words = "over" if phase is SecretPhase.DEAD else _days(days)
    return SecretClock(kind=_PHASES[phase], words=words, days=days, share=share, ends_at=ends_at)


def _days(number: int) -> str:
    return "ends today" if not number else f"{number} day{'s' * (number > 1)} left"


async def listed(asked: Asked) -> Response:
    after = asked.query.get("after") or None
    found = await asked.desk.registry.applications(by=asked.caller, after=after, limit=_PAGE)
    async with asked.desk.store.transaction() as tx:
        own = {one.id: one for one in await tx.credentials.all(id=[one.id for one in found])}
        counts = await tx.boards.accounts_of(applications=[one.id for one in found])
        rows = [
            ApplicationRow(
                application=one,
                credentials=own.get(one.id),
                clock=clock_of(own.get(one.id), asked.now),
                accounts=counts.get(one.id, 0),
            )
            for one in found
        ]
    further = found[-1].id if len(found) == _PAGE else None
    return asked.page("applications/list.html", rows=rows, further=further)


# --- one of them ----------------------------------------------------------------------------------


async def shown(asked: Asked) -> Response:
    desk, by = asked.desk, asked.caller
    application = await desk.registry.application(asked.path["application_id"], by=by)
    credentials, state = await _standing(asked, application)
    rotations: Sequence[Rotation] = await desk.rotations.history(application.id, by=by, limit=1000)
    subscribed: Sequence[Subscribed] = await desk.notifications.of_application(
        application.id, by=by
    )
    async with desk.store.transaction() as tx:
        accounts = await tx.accounts.count(application_id=application.id)
        troubled = {one.account_id for row in subscribed for one in row.troubled}
        names = {one.id: one.name for one in await tx.accounts.all(id=sorted(troubled))}
    return asked.page(
        "applications/one.html",
        application=application,
        credentials=credentials,
        clock=clock_of(credentials, asked.now),
        state=state,
        rotations=list(reversed(rotations))[:20],
        sources=SOURCES,
        steps=STEPS,
        subscribed=subscribed,
        account_names=names,
        accounts=accounts,
        notices=await _notices(asked, application.id),
        kinds_of_notice=KINDS,
        login_uri=asked.settings.login_uri,
        redirect_uri=asked.settings.redirect_uri,
        usual_days=asked.settings.reminder_days,
    )


async def _standing(
    asked: Asked, application: Application
) -> tuple[IntegrationCredentials | None, RotationState | None]:
    try:
        credentials = await asked.desk.registry.credentials(application.id, by=asked.caller)
    except NotFound:
        return None, None
    return credentials, await asked.desk.rotations.state(application.id, by=asked.caller)


async def _notices(asked: Asked, application_id: str) -> list[Notice]:
    return [
        one
        for kind in _NOTICES
        for one in await asked.desk.notices.list(by=asked.caller, kind=kind, limit=500)
        if one.application_id == application_id
    ]


# --- adding and changing --------------------------------------------------------------------------


async def new_form(asked: Asked) -> Response:
    return await _form(asked, None)


async def add(asked: Asked) -> Response:
    try:
        added = await asked.desk.registry.add_application(
            NewApplication(**_given(asked)), by=asked.caller
        )
    except (InvalidInput, Conflict) as refused:
        return await _form(asked, None, refused)
    return asked.back(
        f"/console/applications/{added.id}/credentials",
        f"“{added.name}” is added. Now its integration credentials.",
    )


async def edit_form(asked: Asked) -> Response:
    application = await asked.desk.registry.application(
        asked.path["application_id"], by=asked.caller
    )
    return await _form(asked, application)


async def change(asked: Asked) -> Response:
    application = await asked.desk.registry.application(
        asked.path["application_id"], by=asked.caller
    )
    try:
        await asked.desk.registry.change_application(application.id, _given(asked), by=asked.caller)
    except (InvalidInput, Conflict) as refused:
        return await _form(asked, application, refused)
    return asked.back(f"/console/applications/{application.id}", "Saved.")


async def _form(
    asked: Asked, application: Application | None, refused: InvalidInput | Conflict | None = None
) -> Response:
    facts: dict[str, Any] = {
        "application": application,
        "kinds": _KINDS,
        "statuses": _STATUS,
        "beta": _BETA,
        "chosen": _chosen(asked, application, typed=refused is not None),
        "partner_kinds": tuple((kind.value, f"{kind.value}s") for kind in PartnerKind),
        "beta_of": _beta_of(application),
        "days": _days_of(application),
        "login_uri": asked.settings.login_uri,
        "redirect_uri": asked.settings.redirect_uri,
        "usual_days": asked.settings.reminder_days,
    }
    if refused is None:
        return asked.page("applications/edit.html", **facts)
    return asked.flawed("applications/edit.html", refused, **facts)


def _chosen(asked: Asked, application: Application | None, *, typed: bool) -> list[str]:
    if typed:
        return asked.form_list("partner_kinds")
    return [PartnerKind.SELLER] if application is None else sorted(application.partner_kinds)


def _beta_of(application: Application | None) -> dict[str, str]:
    words = {True: "yes", False: "no", None: ""}
    if application is None:
        return {"sellers": "", "vendors": ""}
    return {
        "sellers": words[application.beta_for_sellers],
        "vendors": words[application.beta_for_vendors],
    }


def _days_of(application: Application | None) -> str:
    if application is None or application.reminder_days is None:
        return ""
    return ", ".join(map(str, application.reminder_days)) or "none"


def _given(asked: Asked) -> dict[str, Any]:
    """The form as the register wants it. Raises InvalidInput."""
    form = asked.form
    texts = ("name", "kind", "status", "application_id", "developer_name", "developer_id")
    return {
        **{name: form.get(name, "") for name in (*texts, "login_uri", "redirect_uri")},
        "partner_kinds": asked.form_list("partner_kinds"),
        "beta_for_sellers": _TRUTH.get(form.get("beta_for_sellers", "")),
        "beta_for_vendors": _TRUTH.get(form.get("beta_for_vendors", "")),
        "reminder_days": _days_given(form.get("reminder_days", "")),
    }


def _days_given(text: str) -> list[int] | None:
    """``30, 14, 2, 0``; "none": no reminders; nothing: those of the settings."""
    parts = text.replace(",", " ").lower().split()
    if not parts or parts == ["none"]:
        return [] if parts else None
    if not all(part.isascii() and part.isdigit() and len(part) < 5 for part in parts):
        raise InvalidInput(
            flaws=[
                Flaw(
                    "takes days before the end.",
                    field="reminder_days",
                    hint="Write 30, 14, 2, 0; “none” for no reminders; nothing for the usual ones.",
                )
            ]
        )
    return [int(part) for part in parts]


DOORS = (
    Door("GET", "/console/applications", listed, Right.READ),
    Door("GET", "/console/applications/new", new_form, Right.MANAGE),
    Door("POST", "/console/applications/new", add, Right.MANAGE),
    Door("GET", "/console/applications/{application_id}", shown, Right.READ),
    Door("GET", "/console/applications/{application_id}/edit", edit_form, Right.MANAGE),
    Door("POST", "/console/applications/{application_id}/edit", change, Right.MANAGE),
)
