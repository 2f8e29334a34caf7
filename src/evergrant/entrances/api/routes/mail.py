"""What relays say of letters that they had taken."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import ConfigDict, Field, StrictBool

from evergrant.bounces import Bounced, BounceOutcome
from evergrant.entrances.api.asking import AsCaller, AtDesk, answers
from evergrant.entrances.api.strictness import StrictRoute
from evergrant.entrances.api.views import View
from evergrant.entrances.api.wishes import Notes, Text, Wish

__all__ = ["router"]

router = APIRouter(prefix="/mail", tags=["records"], route_class=StrictRoute)


class BounceWish(Wish):
    """What a relay reports of a letter of Evergrant."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "message_id": "<out_01k9z4h6q8w2e5r7t9y1a3s5d7@connect.northwind.example>",
                    "reason": "550 5.1.1 no such user",
                    "permanent": True,
                }
            ]
        }
    )

    message_id: Annotated[
        Text, Field(description="Of our letter: `<out_…@connect.example>`, also without brackets")
    ]
    reason: Annotated[Notes, Field(description="What the mail server said")] = ""
    permanent: Annotated[
        StrictBool, Field(description="False: the relay still tries; that is noted and no more")
    ]


class BounceView(View):
    letter_id: str
    topic: str
    to: str
    account_id: str | None
    outcome: BounceOutcome = Field(
        description="`not_arrived`: marked, and on the notice board; `known`: nothing changed; "
        "`delayed`: noted"
    )
    reason: str

    @classmethod
    def of(cls, taken: Bounced) -> BounceView:
        return cls(
            letter_id=taken.item.id,
            topic=taken.item.topic,
            to=taken.item.to,
            account_id=taken.item.account_id,
            outcome=taken.outcome,
            reason=taken.reason,
        )


@router.post("/bounces", operation_id="takeBounce", responses=answers(404, 409, body=True))
async def take_bounce(desk: AtDesk, caller: AsCaller, wish: BounceWish) -> BounceView:
    """Tell that a letter did not arrive. Needs the right `write` and reach of everything.

    For relays that report by webhook. The letter is found by its Message-ID. Repeating it is safe.
    """
    return BounceView.of(
        await desk.bounces.take(wish.message_id, wish.reason, permanent=wish.permanent, by=caller)
    )
