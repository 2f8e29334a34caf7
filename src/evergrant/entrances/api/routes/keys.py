"""Connection keys (one account, for SDKs), API keys (a program), and who the caller is."""

from __future__ import annotations

from fastapi import APIRouter, Response

from evergrant.entrances.api.asking import (
    AccountId,
    ApiKeyId,
    AsCaller,
    AtDesk,
    ConnectionKeyId,
    Paging,
    answers,
)
from evergrant.entrances.api.strictness import StrictRoute
from evergrant.entrances.api.views import (
    AddedApiKeyView,
    AddedConnectionKeyView,
    ApiKeyView,
    CallerView,
    ConnectionKeyView,
    Page,
    page,
)
from evergrant.entrances.api.wishes import ApiKeyWish, ConnectionKeyWish, RotationWish

__all__ = ["router"]

router = APIRouter(tags=["keys"], route_class=StrictRoute)


@router.get("/whoami", operation_id="whoAmI", responses=answers())
async def who_am_i(caller: AsCaller) -> CallerView:
    """Show whom this API key stands for, and its rights. Needs no right."""
    return CallerView.of(caller)


@router.get(
    "/accounts/{account_id}/connection-keys",
    operation_id="listConnectionKeys",
    responses=answers(404),
)
async def list_connection_keys(
    desk: AtDesk, caller: AsCaller, account_id: AccountId
) -> Page[ConnectionKeyView]:
    """List the connection keys of an account, revoked ones too. Needs the right `read`."""
    found = await desk.people.connection_keys(account_id, by=caller)
    return Page(items=[ConnectionKeyView.of(one) for one in found], next=None)


@router.post(
    "/accounts/{account_id}/connection-keys",
    operation_id="addConnectionKey",
    status_code=201,
    responses=answers(404, 409, body=True),
)
async def add_connection_key(
    desk: AtDesk, caller: AsCaller, account_id: AccountId, wish: ConnectionKeyWish
) -> AddedConnectionKeyView:
    """Make a connection key; it is shown this once. Needs the right `write`.

    An SDK sends it as its refresh token to POST /auth/o2/token. Repeating it makes another key:
    if an answer got lost, revoke the key that nobody has.
    """
    made = await desk.people.add_connection_key(
        account_id, name=wish.name, expires_at=wish.expires_at, by=caller
    )
    return AddedConnectionKeyView.of_new(made)


@router.post(
    "/accounts/{account_id}/connection-keys/{connection_key_id}/rotate",
    operation_id="rotateConnectionKey",
    status_code=201,
    responses=answers(404, 409, body=True),
)
async def rotate_connection_key(
    desk: AtDesk,
    caller: AsCaller,
    account_id: AccountId,
    connection_key_id: ConnectionKeyId,
    wish: RotationWish,
) -> AddedConnectionKeyView:
    """Replace a connection key; the new one is shown this once. Needs the right `write`.

    The old key works on for `overlap_s` seconds, a week unless you say otherwise. Repeating it is a
    409, which names the new key under `facts`: a key is rotated once. If an answer got lost, rotate
    the new key.
    """
    made = await desk.people.rotate_connection_key(
        connection_key_id,
        account_id=account_id,
        overlap=wish.overlap,
        expires_at=wish.expires_at,
        by=caller,
    )
    return AddedConnectionKeyView.of_new(made)


@router.delete(
    "/accounts/{account_id}/connection-keys/{connection_key_id}",
    operation_id="revokeConnectionKey",
    status_code=204,
    responses=answers(404),
)
async def revoke_connection_key(
    desk: AtDesk, caller: AsCaller, account_id: AccountId, connection_key_id: ConnectionKeyId
) -> Response:
    """Revoke a connection key; it works for a second more at most. Needs the right `write`.
    Repeating it is safe.
    """
    await desk.people.revoke_connection_key(connection_key_id, account_id=account_id, by=caller)
    return Response(status_code=204)


@router.get("/api-keys", operation_id="listApiKeys", responses=answers())
async def list_api_keys(desk: AtDesk, caller: AsCaller, wished: Paging) -> Page[ApiKeyView]:
    """List API keys, revoked ones too. Needs the right `audit`, which `manage` holds."""
    found = await desk.people.api_keys(by=caller, after=wished.after, limit=wished.asked)
    return page(found, wished.limit, ApiKeyView.of, lambda one: one.id)


@router.post(
    "/api-keys", operation_id="addApiKey", status_code=201, responses=answers(404, body=True)
)
async def add_api_key(desk: AtDesk, caller: AsCaller, wish: ApiKeyWish) -> AddedApiKeyView:
    """Make an API key; it is shown this once. Needs the right `manage`.

    Nobody gives rights that they lack. `account_ids` have to belong to the client instance if one
    is named too. `manage` and `data_plane` are for keys that reach everything, and `personal_data`
    needs `amazon_read` or `amazon_write` beside it. Repeating it makes another key: if an answer
    got lost, revoke the key that nobody has.
    """
    made = await desk.people.add_api_key(
        name=wish.name,
        rights=wish.rights,
        client_instance_id=wish.client_instance_id,
        account_ids=wish.account_ids,
        expires_at=wish.expires_at,
        by=caller,
    )
    return AddedApiKeyView.of_new(made)


@router.get("/api-keys/{api_key_id}", operation_id="getApiKey", responses=answers(404))
async def get_api_key(desk: AtDesk, caller: AsCaller, api_key_id: ApiKeyId) -> ApiKeyView:
    """Show one API key, never its secret. Needs the right `audit`, which `manage` holds."""
    return ApiKeyView.of(await desk.people.api_key(api_key_id, by=caller))


@router.post(
    "/api-keys/{api_key_id}/rotate",
    operation_id="rotateApiKey",
    status_code=201,
    responses=answers(404, 409, body=True),
)
async def rotate_api_key(
    desk: AtDesk, caller: AsCaller, api_key_id: ApiKeyId, wish: RotationWish
) -> AddedApiKeyView:
    """Replace an API key; the new one is shown this once. Needs the right `manage`.

    It has the same name, rights and reach; nobody rotates a key of rights that they lack. The old
    key works on for `overlap_s` seconds, a week unless you say otherwise. Repeating it is a 409,
    which names the new key under `facts`: a key is rotated once. If an answer got lost, rotate the
    new key.
    """
    made = await desk.people.rotate_api_key(
        api_key_id, overlap=wish.overlap, expires_at=wish.expires_at, by=caller
    )
    return AddedApiKeyView.of_new(made)


@router.delete(
    "/api-keys/{api_key_id}",
    operation_id="revokeApiKey",
    status_code=204,
    responses=answers(404),
)
async def revoke_api_key(desk: AtDesk, caller: AsCaller, api_key_id: ApiKeyId) -> Response:
    """Revoke an API key; it works for a second more at most. Needs the right `manage`.
    Repeating it is safe.
    """
    await desk.people.revoke_api_key(api_key_id, by=caller)
    return Response(status_code=204)
