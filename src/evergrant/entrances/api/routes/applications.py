"""Applications and their integration credentials."""

from __future__ import annotations

from fastapi import APIRouter, Response

from evergrant.entrances.api.asking import ApplicationId, AsCaller, AtDesk, Paging, answers
from evergrant.entrances.api.strictness import StrictRoute
from evergrant.entrances.api.views import ApplicationView, CredentialsView, Page, page
from evergrant.entrances.api.wishes import ApplicationChange, ApplicationWish, CredentialsWish

__all__ = ["router"]

router = APIRouter(prefix="/applications", tags=["applications"], route_class=StrictRoute)


@router.get("", operation_id="listApplications", responses=answers())
async def list_applications(
    desk: AtDesk, caller: AsCaller, wished: Paging
) -> Page[ApplicationView]:
    """List applications. Needs the right `read`."""
    found = await desk.registry.applications(by=caller, after=wished.after, limit=wished.asked)
    return page(found, wished.limit, ApplicationView.of, lambda one: one.id)


@router.post("", operation_id="addApplication", status_code=201, responses=answers(409, body=True))
async def add_application(
    desk: AtDesk, caller: AsCaller, wish: ApplicationWish, response: Response
) -> ApplicationView:
    """Add an application. Needs the right `manage`.

    Repeating it is safe: names and Amazon's ids are unique, so a second attempt is a 409.
    """
    added = await desk.registry.add_application(wish.new(), by=caller)
    response.headers["location"] = f"/v1/applications/{added.id}"
    return ApplicationView.of(added)


@router.get("/{application_id}", operation_id="getApplication", responses=answers(404))
async def get_application(
    desk: AtDesk, caller: AsCaller, application_id: ApplicationId
) -> ApplicationView:
    """Show one application. Needs the right `read`."""
    return ApplicationView.of(await desk.registry.application(application_id, by=caller))


@router.patch(
    "/{application_id}",
    operation_id="changeApplication",
    responses=answers(404, 409, body=True),
)
async def change_application(
    desk: AtDesk, caller: AsCaller, application_id: ApplicationId, change: ApplicationChange
) -> ApplicationView:
    """Change an application. Needs the right `manage`. Repeating it is safe."""
    changed = await desk.registry.change_application(application_id, change.changes(), by=caller)
    return ApplicationView.of(changed)


@router.get("/{application_id}/credentials", operation_id="getCredentials", responses=answers(404))
async def get_credentials(
    desk: AtDesk, caller: AsCaller, application_id: ApplicationId
) -> CredentialsView:
    """Show integration credentials. Never a secret of them.

    Needs the right `read`, and a key that is not narrowed to one client instance.
    """
    found = await desk.registry.credentials(application_id, by=caller)
    return CredentialsView.of(found, desk.clock.now())


@router.put(
    "/{application_id}/credentials",
    operation_id="setCredentials",
    responses=answers(404, 409, body=True),
)
async def set_credentials(
    desk: AtDesk, caller: AsCaller, application_id: ApplicationId, wish: CredentialsWish
) -> CredentialsView:
    """Set integration credentials. Needs the right `manage`. Repeating it is safe.

    Secrets are sealed at once and cannot be read back. A replaced client secret is kept as the
    previous one for 7 days, as long as Amazon goes on accepting it.
    """
    stored = await desk.registry.set_credentials(application_id, wish.given(), by=caller)
    return CredentialsView.of(stored, desk.clock.now())
