"""Client secrets of applications: putting a new one into force, and how it stands."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from evergrant.entrances.api.asking import ApplicationId, AsCaller, AtDesk, Paging, answers
from evergrant.entrances.api.strictness import StrictRoute
from evergrant.entrances.api.views import Page, page
from evergrant.entrances.api.views.rotation import (
    PastedSecretView,
    RotationStateView,
    RotationView,
)
from evergrant.entrances.api.wishes import Instant, SecretText, Wish
from evergrant.rules.secrecy import Secret

__all__ = ["router"]

router = APIRouter(prefix="/applications", tags=["applications"], route_class=StrictRoute)


class SecretWish(Wish):
    """A client secret that Amazon's console showed after a rotation there."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "lwa_client_secret": "amzn1.oa2-cs.v1.…",
                    "secret_expires_at": "2026-08-28T09:30:00Z",
                }
            ]
        }
    )

    lwa_client_secret: SecretText = Field(description="Goes in and never comes out again")
    secret_expires_at: Instant | None = Field(
        None, description="As Amazon's console shows it; without it Evergrant reckons, or asks"
    )


@router.post(
    "/{application_id}/secret",
    operation_id="replaceClientSecret",
    responses=answers(404, 409, body=True),
)
async def replace_client_secret(
    desk: AtDesk, caller: AsCaller, application_id: ApplicationId, wish: SecretWish
) -> PastedSecretView:
    """Put a new client secret into force. Needs the right `manage`. Repeating it is safe.

    It is tried with Login with Amazon first: one that is refused is a 422, and without an answer
    from Amazon it is a 503; either way nothing was changed. The client secret before is kept for
    the 7 days that Amazon goes on accepting it.
    """
    pasted = await desk.rotations.paste(
        application_id,
        Secret(wish.lwa_client_secret.get_secret_value().strip()),
        by=caller,
        expires_at=wish.secret_expires_at,
    )
    return PastedSecretView.of(pasted)


@router.post(
    "/{application_id}/rotation",
    operation_id="startRotation",
    status_code=202,
    responses=answers(404, 409),
)
async def start_rotation(
    desk: AtDesk, caller: AsCaller, application_id: ApplicationId
) -> RotationStateView:
    """Have Amazon make a new client secret now. Needs the right `manage`.

    It comes by the application's queue and is put into force by itself. Repeating it is safe: while
    a rotation is under way, and for 7 days after one, the answer is a 409.
    """
    return RotationStateView.of(await desk.rotations.start(application_id, by=caller))


@router.get("/{application_id}/rotation", operation_id="getRotation", responses=answers(404, 409))
async def get_rotation(
    desk: AtDesk, caller: AsCaller, application_id: ApplicationId
) -> RotationStateView:
    """Show how it stands with the client secret. Needs the right `read`, and a key that is not
    narrowed to one client instance."""
    return RotationStateView.of(await desk.rotations.state(application_id, by=caller))


@router.get("/{application_id}/rotations", operation_id="listRotations", responses=answers(404))
async def list_rotations(
    desk: AtDesk, caller: AsCaller, application_id: ApplicationId, wished: Paging
) -> Page[RotationView]:
    """List the rotations of the client secret, oldest first. Needs the right `read`, and a key that
    is not narrowed to one client instance."""
    found = await desk.rotations.history(
        application_id, by=caller, after=wished.after, limit=wished.asked
    )
    return page(found, wished.limit, RotationView.of, lambda one: one.id)
