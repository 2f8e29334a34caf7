"""The notice board: what somebody of the house has to know or do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from evergrant.entrances.api.asking import AsCaller, AtDesk, Paging, answers
from evergrant.entrances.api.strictness import StrictRoute
from evergrant.entrances.api.views import Page, page
from evergrant.entrances.api.views.told import NoticeView
from evergrant.rules.notices import NoticeKind

__all__ = ["router"]

router = APIRouter(prefix="/notices", tags=["notices"], route_class=StrictRoute)

NoticeId = Annotated[str, Path(pattern="^ntc_[0-9a-z]{26}$", description="`ntc_…`")]


@router.get("", operation_id="listNotices", responses=answers(404))
async def list_notices(
    desk: AtDesk,
    caller: AsCaller,
    wished: Paging,
    account_id: Annotated[str | None, Query(pattern="^acc_[0-9a-z]{26}$")] = None,
    kind: NoticeKind | None = None,
    settled: Annotated[bool, Query(description="Those that are settled as well")] = False,
) -> Page[NoticeView]:
    """List notices within reach, oldest first. Needs the right `read`."""
    found = await desk.notices.list(
        by=caller,
        open_only=not settled,
        account_id=account_id,
        kind=kind,
        after=wished.after,
        limit=wished.asked,
    )
    return page(found, wished.limit, NoticeView.of, lambda one: one.id)


@router.get("/{notice_id}", operation_id="getNotice", responses=answers(404))
async def get_notice(desk: AtDesk, caller: AsCaller, notice_id: NoticeId) -> NoticeView:
    """Show one notice. Needs the right `read`."""
    return NoticeView.of(await desk.notices.get(notice_id, by=caller))


@router.post("/{notice_id}/settle", operation_id="settleNotice", responses=answers(404))
async def settle_notice(desk: AtDesk, caller: AsCaller, notice_id: NoticeId) -> NoticeView:
    """Note that somebody has seen to it. Needs the right `write`. Repeating it is safe.

    When what it tells goes on, it comes back as a new one.
    """
    return NoticeView.of(await desk.notices.settle(notice_id, by=caller))
