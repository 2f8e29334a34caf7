"""Client instances: the installations that hear of their accounts."""

from __future__ import annotations

from fastapi import APIRouter, Response

from evergrant.entrances.api.asking import AsCaller, AtDesk, InstanceId, Paging, answers
from evergrant.entrances.api.strictness import StrictRoute
from evergrant.entrances.api.views import (
    AddedInstanceView,
    InstanceView,
    Page,
    SigningSecretView,
    page,
)
from evergrant.entrances.api.wishes import InstanceChange, InstanceWish

__all__ = ["router"]

router = APIRouter(prefix="/instances", tags=["instances"], route_class=StrictRoute)


@router.get("", operation_id="listInstances", responses=answers())
async def list_instances(desk: AtDesk, caller: AsCaller, wished: Paging) -> Page[InstanceView]:
    """List client instances. Needs the right `read`."""
    found = await desk.registry.instances(by=caller, after=wished.after, limit=wished.asked)
    return page(found, wished.limit, InstanceView.of, lambda one: one.id)


@router.post("", operation_id="addInstance", status_code=201, responses=answers(409, body=True))
async def add_instance(
    desk: AtDesk, caller: AsCaller, wish: InstanceWish, response: Response
) -> AddedInstanceView:
    """Add a client instance; its signing secret is shown this once. Needs the right `manage`.

    Repeating it is safe: names are unique. If the answer got lost, POST …/signing-secret gives a
    fresh secret.
    """
    added = await desk.registry.add_instance(wish.new(), by=caller)
    response.headers["location"] = f"/v1/instances/{added.instance.id}"
    return AddedInstanceView.of_added(added)


@router.get("/{instance_id}", operation_id="getInstance", responses=answers(404))
async def get_instance(desk: AtDesk, caller: AsCaller, instance_id: InstanceId) -> InstanceView:
    """Show one client instance. Needs the right `read`."""
    return InstanceView.of(await desk.registry.instance(instance_id, by=caller))


@router.patch(
    "/{instance_id}", operation_id="changeInstance", responses=answers(404, 409, body=True)
)
async def change_instance(
    desk: AtDesk, caller: AsCaller, instance_id: InstanceId, change: InstanceChange
) -> InstanceView:
    """Change a client instance. Needs the right `manage`. Repeating it is safe."""
    changed = await desk.registry.change_instance(instance_id, change.changes(), by=caller)
    return InstanceView.of(changed)


@router.post(
    "/{instance_id}/signing-secret",
    operation_id="renewSigningSecret",
    status_code=201,
    responses=answers(404, 409),
)
async def renew_signing_secret(
    desk: AtDesk, caller: AsCaller, instance_id: InstanceId
) -> SigningSecretView:
    """Make a fresh signing secret. Needs the right `manage`.

    For 24 hours events are signed with the former one as well. Repeating it makes another: keep
    the last answer.
    """
    return SigningSecretView.of(await desk.registry.renew_signing_secret(instance_id, by=caller))
