"""Accounts: one selling partner in one region."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from evergrant.entrances.api.asking import AccountId, AsCaller, AtDesk, Paging, answers
from evergrant.entrances.api.showing import view_of, views_of
from evergrant.entrances.api.strictness import StrictRoute
from evergrant.entrances.api.views import AccountView, Page, page
from evergrant.entrances.api.wishes import AccountChange, AccountWish
from evergrant.errors import Flaw, InvalidInput
from evergrant.intake import need
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.rights import Right

__all__ = ["router"]

router = APIRouter(prefix="/accounts", tags=["accounts"], route_class=StrictRoute)


@router.get("", operation_id="listAccounts", responses=answers())
async def list_accounts(
    desk: AtDesk,
    caller: AsCaller,
    wished: Paging,
    application_id: Annotated[str | None, Query(pattern="^app_[0-9a-z]{26}$")] = None,
    client_instance_id: Annotated[str | None, Query(pattern="^ins_[0-9a-z]{26}$")] = None,
    partner_kind: PartnerKind | None = None,
    state: Annotated[State | None, Query(description="Of the authorization")] = None,
) -> Page[AccountView]:
    """List accounts within reach, filtered. Needs the right `read`."""
    found = await desk.accounts.list(
        by=caller,
        after=wished.after,
        limit=wished.asked,
        application_id=application_id,
        client_instance_id=client_instance_id,
        partner_kind=partner_kind,
        state=state,
    )
    shown = await views_of(desk, found)
    return page(shown, wished.limit, lambda one: one, lambda one: one.id)


@router.post("", operation_id="addAccount", status_code=201, responses=answers(409, body=True))
async def add_account(
    desk: AtDesk, caller: AsCaller, wish: AccountWish, response: Response
) -> AccountView:
    """Add an account. Nothing is mailed yet. Needs the rights `write` and `read`.

    Repeating it is safe: names are unique, so a second attempt is a 409.
    """
    # It is shown afterwards: who may not see it must be refused before, not after.
    need(caller, Right.READ)
    added = await desk.accounts.add(wish.new(), by=caller)
    response.headers["location"] = f"/v1/accounts/{added.id}"
    return await _seen(desk, caller, added.id)


@router.get("/{account_id}", operation_id="getAccount", responses=answers(404))
async def get_account(desk: AtDesk, caller: AsCaller, account_id: AccountId) -> AccountView:
    """Show one account with its authorization and marketplaces. Needs the right `read`."""
    return await _seen(desk, caller, account_id)


@router.patch("/{account_id}", operation_id="changeAccount", responses=answers(404, 409, body=True))
async def change_account(
    desk: AtDesk, caller: AsCaller, account_id: AccountId, change: AccountChange
) -> AccountView:
    """Change an account, or mail its link. Needs the rights `write` and `read`.

    `oauth_began: true` mails the consent link.

    Application, region and partner kind are frozen once the account was authorized. Repeating it
    is safe: a link is mailed only when `oauth_began` turns true. Other members are saved before
    the link is made; if that is refused, they stay saved and the problem says why.
    """
    before = await desk.accounts.get(account_id, by=caller)
    began = before.account.oauth_began
    if change.sends_link() is False and began:
        raise InvalidInput(
            flaws=[
                Flaw(
                    "is true and cannot be set back: the link was made.",
                    field="oauth_began",
                    code="not_changeable",
                    hint="Leave it away. POST …/close ends the account's work; "
                    "POST …/invitation mails a fresh link, and the older one stops working.",
                )
            ]
        )
    if changes := change.changes():
        await desk.accounts.change(account_id, changes, by=caller)
    if change.sends_link() and not began:
        await desk.consent.invite(account_id, by=caller)
    return await _seen(desk, caller, account_id)


@router.post("/{account_id}/close", operation_id="closeAccount", responses=answers(404, 409))
async def close_account(desk: AtDesk, caller: AsCaller, account_id: AccountId) -> AccountView:
    """Close an account: no access tokens are handed out any more. Needs the right `write`."""
    return await view_of(desk, await desk.accounts.close(account_id, by=caller))


@router.post("/{account_id}/reopen", operation_id="reopenAccount", responses=answers(404, 409))
async def reopen_account(desk: AtDesk, caller: AsCaller, account_id: AccountId) -> AccountView:
    """Reopen a closed account. Needs the right `write`."""
    return await view_of(desk, await desk.accounts.reopen(account_id, by=caller))


async def _seen(desk: AtDesk, caller: AsCaller, account_id: str) -> AccountView:
    return await view_of(desk, await desk.accounts.get(account_id, by=caller))
