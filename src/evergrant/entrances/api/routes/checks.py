"""Checks: what is missing or wrong, and what somebody has to review and sign before going live."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from evergrant import checks
from evergrant.entrances.api.asking import AsCaller, AtDesk, WithSettings, answers
from evergrant.entrances.api.strictness import StrictRoute
from evergrant.entrances.api.views.checks import ChecksView, ReviewView
from evergrant.entrances.api.wishes import SignOffWish, WithdrawalWish
from evergrant.intake import need_everywhere
from evergrant.rules.rights import Right

__all__ = ["router"]

router = APIRouter(prefix="/checks", tags=["checks"], route_class=StrictRoute)

Item = Annotated[
    str, Path(pattern="^[a-z][a-z-]{0,39}$", description="Name of the item: `local-settings`")
]


@router.get("", operation_id="getChecks", responses=answers())
async def get_checks(
    desk: AtDesk,
    settings: WithSettings,
    caller: AsCaller,
    live: Annotated[
        bool,
        Query(description="Also ask Login with Amazon once per application, and the mail relay"),
    ] = False,
) -> ChecksView:
    """Look for what is missing or wrong. Needs the right `read`; with `live`, `manage`.

    Nothing is changed. Workers and the database's schema are looked at by `evergrant check` alone.
    """
    need_everywhere(caller, Right.MANAGE if live else Right.READ)
    return ChecksView.of(await checks.look_at(desk, settings, live=live))


@router.post("/{item}/sign-off", operation_id="signOff", responses=answers(404, 409, body=True))
async def sign_off(
    desk: AtDesk, settings: WithSettings, caller: AsCaller, item: Item, wish: SignOffWish
) -> ReviewView:
    """Sign that somebody looked at an item and found it right. Needs the right `sign_off`.

    What is there now is signed; when it changes, the signature does not stand any more. With
    `digest`, nothing is signed when something changed since you looked. Repeating it signs anew.
    """
    signed = await checks.sign_off(
        desk,
        settings,
        item,
        by=caller,
        subject=wish.subject,
        name=wish.name,
        note=wish.note,
        digest=wish.digest,
    )
    return ReviewView.of(signed)


@router.post(
    "/{item}/withdraw", operation_id="withdrawSignOff", responses=answers(404, 409, body=True)
)
async def withdraw(
    desk: AtDesk, settings: WithSettings, caller: AsCaller, item: Item, wish: WithdrawalWish
) -> ReviewView:
    """Take a signature back. Needs the right `sign_off`. Repeating it is a 404."""
    await desk.reviews.withdraw(item, by=caller, subject=wish.subject, note=wish.note)
    return ReviewView.of(await checks.item_of(desk, settings, item, wish.subject))
