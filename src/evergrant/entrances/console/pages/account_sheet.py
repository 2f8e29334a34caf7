"""What every page about one account has in common: its head, its tabs, what stands on top.

Answers for: gathering that, and for answers that several of these pages give. Has no doors of its
own. Does not answer for: what is on each page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from evergrant.entrances.console.actions import POPUPS, address_of, label_of
from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.attention import worst
from evergrant.rules.flags import Flag
from evergrant.rules.rights import Right
from evergrant.rules.secrecy import scrub

__all__ = ["DOORS", "FLAG_WORDS", "WHY_UNAVAILABLE", "harmless", "home_of", "sheet"]

#: What a switch is called in a narrow column, and in full.
FLAG_WORDS: dict[Flag, tuple[str, str]] = {
    Flag.UPDATE_STOCK: ("Stock", "Update stock"),
    Flag.UPDATE_PRICE: ("Price", "Update price"),
    Flag.SHIP_ORDERS: ("Ship", "Ship orders"),
    Flag.UPLOAD_INVOICES: ("Invoice", "Upload invoices"),
    Flag.CANCEL_ORDERS: ("Cancel", "Cancel orders"),
    Flag.REFUND_ORDERS: ("Refund", "Refund orders"),
}
#: Said of a switch that is neither on nor off; only vendors have such.
WHY_UNAVAILABLE: dict[Flag, str] = {
    Flag.UPDATE_STOCK: "Not available: a retail vendor has no stock of its own at Amazon.",
    Flag.UPDATE_PRICE: "Not available: Amazon sets the prices of what vendors supply.",
    Flag.SHIP_ORDERS: "Not available for this kind of account.",
    Flag.UPLOAD_INVOICES: "Not available for this kind of account.",
    Flag.CANCEL_ORDERS: "Not available for this kind of account.",
    Flag.REFUND_ORDERS: "Not available: Amazon refunds its own customers.",
}


def home_of(account_id: str) -> str:
    return f"/console/accounts/{account_id}"


def harmless(form: Mapping[str, str]) -> dict[str, str]:
    """What was typed, to be shown once more: a secret in the wrong field does not come back."""
    return {name: scrub(value) for name, value in form.items()}


async def sheet(asked: Asked, template: str, status: int = 200, **facts: Any) -> Response:
    """A page about the account that the address names. Raises NotFound."""
    desk, by = asked.desk, asked.caller
    account_id = asked.path["account_id"]
    view = facts.pop("view", None) or await desk.accounts.get(account_id, by=by)
    account = view.account
    row = await desk.overview.account(account_id, by=by)
    application = await desk.registry.application(account.application_id, by=by)
    private = application.kind is ApplicationKind.PRIVATE
    return asked.page(
        template,
        status,
        view=view,
        account=account,
        authorization=view.authorization,
        row=row,
        application=application,
        private=private,
        instance=await desk.registry.instance(account.client_instance_id, by=by),
        home=home_of(account_id),
        tabs=_tabs(home_of(account_id), asked.request.url.path),
        may_write=asked.may(Right.WRITE),
        next_step=worst(row.badges),
        address_of=address_of,
        label_of=label_of,
        popups=POPUPS,
        flag_words=FLAG_WORDS,
        why_unavailable=WHY_UNAVAILABLE,
        **facts,
    )


def _tabs(home: str, here: str) -> list[tuple[str, str, None, bool]]:
    return [
        (words, f"{home}{path}", None, here == f"{home}{path}")
        for words, path in (
            ("Overview", ""),
            ("Consent", "/consent"),
            ("Feeds and orders", "/feeds"),
            ("Calls and limits", "/calls"),
            ("Events", "/events"),
            ("Connection keys", "/keys"),
            ("Journal", "/journal"),
        )
    ]


DOORS: tuple[Door, ...] = ()
