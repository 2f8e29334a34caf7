"""Consent links, the state of the authorization, adopted refresh tokens."""

from __future__ import annotations

from fastapi import APIRouter

from evergrant.entrances.api.asking import AccountId, AsCaller, AtDesk, answers
from evergrant.entrances.api.showing import view_of
from evergrant.entrances.api.strictness import StrictRoute
from evergrant.entrances.api.views import (
    AccountView,
    AuthorizationHistoryView,
    GrantView,
    InvitationView,
    LinkView,
    Page,
)
from evergrant.entrances.api.wishes import AdoptWish, GrantedAtWish
from evergrant.intake import need
from evergrant.rules.rights import Right

__all__ = ["router"]

router = APIRouter(prefix="/accounts", tags=["authorizations"], route_class=StrictRoute)


@router.post(
    "/{account_id}/invitation",
    operation_id="sendLink",
    status_code=201,
    responses=answers(404, 409),
)
async def send_link(desk: AtDesk, caller: AsCaller, account_id: AccountId) -> InvitationView:
    """Mail a fresh consent link to the client e-mail. Needs the right `write`.

    Sets `oauth_began`. An account that was authorized before gets a renewal letter. Repeating it
    mails another letter, and the link of the older one stops working.
    """
    return InvitationView.of(await desk.consent.invite(account_id, by=caller))


@router.get("/{account_id}/invitations", operation_id="listInvitations", responses=answers(404))
async def list_invitations(
    desk: AtDesk, caller: AsCaller, account_id: AccountId
) -> Page[InvitationView]:
    """List the letters of an account. Oldest first, without their links. Needs `read`."""
    found = await desk.consent.invitations(account_id, by=caller)
    return Page(items=[InvitationView.of(one) for one in found], next=None)


@router.get("/{account_id}/link", operation_id="getLink", responses=answers(404, 409))
async def get_link(desk: AtDesk, caller: AsCaller, account_id: AccountId) -> LinkView:
    """Show the consent link for copying, without a mail. Needs the right `write`.

    It is the link of the open invitation; where there is none, one is made and `oauth_began` is
    set. A secret: whoever holds the link can connect a shop to this account.
    """
    return LinkView.of(await desk.consent.link(account_id, by=caller))


@router.get("/{account_id}/authorization", operation_id="getAuthorization", responses=answers(404))
async def get_authorization(
    desk: AtDesk, caller: AsCaller, account_id: AccountId
) -> AuthorizationHistoryView:
    """Show the authorization with the history of its grants. Needs `read`."""
    seen = await desk.accounts.get(account_id, by=caller)
    grants = await desk.consent.grants(account_id, by=caller)
    shown = await view_of(desk, seen)
    return AuthorizationHistoryView(
        account_id=account_id,
        authorization=shown.authorization,
        grants=[GrantView.of(one) for one in grants],
    )


@router.post(
    "/{account_id}/adopt",
    operation_id="adoptRefreshToken",
    responses=answers(404, 409, 502, body=True),
)
async def adopt_refresh_token(
    desk: AtDesk, caller: AsCaller, account_id: AccountId, wish: AdoptWish
) -> AccountView:
    """Take over a refresh token from elsewhere. Needs the right `write`.

    For private applications and for moving in. Amazon is asked for an access token first: nothing
    is stored when it refuses. Repeating it is safe.
    """
    adopted = await desk.consent.adopt(
        account_id,
        wish.secret(),
        by=caller,
        selling_partner_id=wish.selling_partner_id,
        granted_at=wish.granted_at,
    )
    return await view_of(desk, adopted)


@router.put(
    "/{account_id}/granted-at",
    operation_id="noteGrantedAt",
    responses=answers(404, 409, body=True),
)
async def note_granted_at(
    desk: AtDesk, caller: AsCaller, account_id: AccountId, wish: GrantedAtWish
) -> AccountView:
    """Tell when the partner gave consent. Needs the rights `write` and `read`.

    For a refresh token that was taken over without its date, or that Amazon accepts again after
    its term: the end of the term follows from it. Repeating it is safe.
    """
    # It is shown afterwards: who may not see it must be refused before, not after.
    need(caller, Right.READ)
    await desk.watch.note_granted_at(account_id, wish.granted_at, by=caller)
    return await view_of(desk, await desk.accounts.get(account_id, by=caller))
