"""Where each action that helps is done, as an address of the console.

Answers for: the address beside a badge, on the overview as on an account's own pages, and its words
for whoever may look there and do no more. Does not answer for: which action helps
(``rules.attention``), or for who may do it (the door).
"""

from __future__ import annotations

from evergrant.rules.attention import Action, Badge
from evergrant.rules.rights import Caller, Right

__all__ = ["POPUPS", "address_of", "label_of"]

#: Opened in a window of its own, as the page behind stays in use.
POPUPS = frozenset({Action.CALL})

_OF_ACCOUNT = {
    Action.RENEW: "/invite",
    Action.SEND_LINK: "/invite",
    Action.ADOPT: "/adopt",
    Action.CALL: "/renew",
    Action.CORRECT_EMAIL: "/edit#f-client_email",
    Action.ADD_SELLER_ID: "/edit#seller-id",
    Action.TELL_DAY: "/granted",
    Action.LOOK_AT_REPORT: "/consent#reports",
    Action.RESUME: "/feeds",
    Action.LOOK_AT_ACCOUNT: "",
    Action.ADD_ROLE: "",
}
_OF_SUBJECT = {
    Action.DECIDE: "/console/feeds/runs/{}",
    Action.LOOK_AT_LINES: "/console/feeds/runs/{}",
    Action.LOOK_AT_RUN: "/console/feeds/runs/{}",
    Action.ROTATE_SECRET: "/console/applications/{}",
    Action.LOOK_AT_APPLICATION: "/console/applications/{}",
    Action.LOOK_AT_INSTANCE: "/console/instances/{}",
}

#: What takes more than a look at the page to which it leads, and what others do there.
_TAKES = {
    Action.DECIDE: (Right.AMAZON_WRITE, "See the run"),
    Action.ROTATE_SECRET: (Right.MANAGE, "See the application"),
}


def label_of(badge: Badge, caller: Caller) -> str:
    """The words of what helps; where the caller may only look, that is what they say."""
    right, looking = _TAKES.get(badge.action, (None, ""))
    return badge.label if right is None or caller.may(right) else looking


def address_of(action: Action, account_id: str | None = None, subject: str = "") -> str:
    """``subject``: what a badge names besides the account: a run, an application, an instance."""
    if action in _OF_SUBJECT and subject:
        return _OF_SUBJECT[action].format(subject)
    if account_id is None:
        return "/console/journal" if action is Action.LOOK_AT_MAIL else "/console"
    if action in _OF_SUBJECT:
        return f"/console/feeds/accounts/{account_id}"
    return f"/console/accounts/{account_id}{_OF_ACCOUNT.get(action, '')}"
