"""Needs and badges: the table is complete, and every condition has a row that meets it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evergrant.rules import attention as a
from evergrant.rules.attention import AccountSigns, Action, Need, Of, Weight, badges, place
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.notices import NoticeKind

NOW = datetime(2027, 3, 15, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)

FINE = AccountSigns(
    state=State.ACTIVE,
    partner_kind=PartnerKind.SELLER,
    client_email="anna@shop.example",
    merchant_token="A1SELLER",
    granted_at=NOW - 100 * DAY,
    term_ends_at=NOW + 265 * DAY,
    application_id="app_1",
    instance_id="ins_1",
)
LINK = a.LinkSigns(
    made_at=NOW - DAY,
    expires_at=NOW + 13 * DAY,
    open=True,
    letter=a.LetterFate.SENT,
    mailed_at=NOW - DAY,
)
OLD_LINK = dataclasses.replace(LINK, made_at=NOW - 5 * DAY, mailed_at=NOW - 5 * DAY)
OVER_LINK = dataclasses.replace(LINK, expires_at=NOW)
SPENT_LINK = dataclasses.replace(LINK, open=False)


def signs(**values: Any) -> AccountSigns:
    return dataclasses.replace(FINE, **values)


def notice(kind: NoticeKind, subject: str = "acc_1", message: str = "it said so") -> dict[str, Any]:
    sign = a.NoticeSigns(
        id="ntc_1", kind=kind, subject=subject, message=message, first_at=NOW - DAY, last_at=NOW
    )
    return {"notices": (sign,)}


AWAITING = {"state": State.AWAITING, "granted_at": None, "term_ends_at": None}
LAPSED = {"state": State.LAPSED, "term_ends_at": NOW - 3 * DAY}
REVOKED = {"state": State.REVOKED, "refused_at": NOW - 2 * DAY, "refused_reason": "invalid_grant"}

# (what is known, the needs that follow, words of the first, its action, a part of its reason)
CASES: list[tuple[dict[str, Any], list[Need], str, Action | None, str]] = [
    ({}, [], "", None, ""),
    (LAPSED, [Need.LAPSED], "Lapsed 3 days ago", Action.RENEW, "No link is on its way."),
    (
        {**LAPSED, "link": LINK},
        [Need.LAPSED],
        "Lapsed 3 days ago",
        Action.RENEW,
        "The link was mailed yesterday and was not opened yet.",
    ),
    (
        {**LAPSED, "private": True},
        [Need.LAPSED],
        "Lapsed 3 days ago",
        Action.ADOPT,
        "Amazon's own console",
    ),
    (REVOKED, [Need.REVOKED], "Revoked 2 days ago", Action.RENEW, "It said: Invalid_grant."),
    (
        {"term_ends_at": NOW + 9 * DAY},
        [Need.TERM_URGENT],
        "Ends in 9 days",
        Action.RENEW,
        "ends in 9 days",
    ),
    ({"term_ends_at": NOW}, [Need.TERM_URGENT], "Ended today", Action.RENEW, "ended today"),
    (
        {"term_ends_at": NOW + 9 * DAY + timedelta(seconds=1)},
        [Need.TERM_DUE],
        "Ends in 9 days",
        Action.RENEW,
        "no link",
    ),
    ({"term_ends_at": NOW + 30 * DAY}, [Need.TERM_DUE], "Ends in 30 days", Action.RENEW, ""),
    ({"term_ends_at": NOW + 30 * DAY + timedelta(seconds=1)}, [], "", None, ""),
    (
        {"term_ends_at": None, "granted_at": None},
        [Need.UNDATED],
        "End unknown",
        Action.TELL_DAY,
        "does not tell",
    ),
    # One of a public application that Amazon accepted again has a day and no end that is known.
    ({"term_ends_at": None}, [Need.UNDATED], "End unknown", Action.TELL_DAY, ""),
    ({"term_ends_at": None, "private": True}, [], "", None, ""),
    (
        {"finding": "no marketplace takes part"},
        [Need.FINDING],
        "First look found something",
        Action.LOOK_AT_ACCOUNT,
        "No marketplace takes part.",
    ),
    (AWAITING, [Need.NOT_INVITED], "No link sent yet", Action.SEND_LINK, "not been asked"),
    ({**AWAITING, "private": True}, [Need.NOT_INVITED], "Not adopted yet", Action.ADOPT, "paste"),
    ({**AWAITING, "link": LINK}, [], "", None, ""),
    (
        {**AWAITING, "link": OLD_LINK},
        [Need.LINK_SILENT],
        "No answer since 10 March 2027",
        Action.CALL,
        "was not opened yet",
    ),
    (
        {**AWAITING, "link": dataclasses.replace(OLD_LINK, opened_at=NOW)},
        [Need.LINK_SILENT],
        "No answer since 10 March 2027",
        Action.CALL,
        "was opened",
    ),
    (
        {**AWAITING, "link": OVER_LINK},
        [Need.LINK_OVER],
        "Link is over",
        Action.SEND_LINK,
        "14 March",
    ),
    ({**AWAITING, "link": SPENT_LINK}, [Need.LINK_OVER], "Link is over", Action.SEND_LINK, ""),
    (
        {**AWAITING, "link": LINK, "report_at": NOW - DAY, "report_reference": "AB-12"},
        [Need.CONSENT_FAILED],
        "Consent failed",
        Action.LOOK_AT_REPORT,
        "tried yesterday",
    ),
    ({"report_at": NOW - DAY, "report_reference": "AB-12"}, [], "", None, ""),
    (
        {"uncertain": 1, "uncertain_run_id": "run_9"},
        [Need.UNCERTAIN],
        "1 change uncertain",
        Action.DECIDE,
        "it is not sent again",
    ),
    (
        {"uncertain": 1200, "state": State.CLOSED},
        [Need.UNCERTAIN],
        "1,200 changes uncertain",
        Action.DECIDE,
        "they are not sent again",
    ),
    (
        {"refused_lines": 3, "refused_run_id": "run_7"},
        [Need.REFUSED_LINES],
        "3 lines refused",
        Action.LOOK_AT_LINES,
        "in the last 24 hours",
    ),
    (
        {"sweep_lacks": "merchant_token"},
        [Need.NO_SELLER_ID],
        "Merchant token is missing",
        Action.ADD_SELLER_ID,
        "its orders are not read",
    ),
    (
        {"sweep_lacks": "vendor_code"},
        [Need.NO_SELLER_ID],
        "Vendor code is missing",
        Action.ADD_SELLER_ID,
        "",
    ),
    (
        {"sweep_lacks": "tax_data"},
        [Need.ORDERS_LACK],
        "Orders come without a role",
        Action.ADD_ROLE,
        "Tax",
    ),
    ({"sweep_lacks": "personal_data"}, [Need.ORDERS_LACK], "Orders come without a role", None, ""),
    (
        {"paused_at": NOW - DAY, "paused_by": "Grace"},
        [Need.PAUSED],
        "Paused",
        Action.RESUME,
        "Grace paused its work yesterday.",
    ),
    (
        {"merchant_token": ""},
        [Need.NO_MERCHANT_TOKEN],
        "No merchant token",
        Action.ADD_SELLER_ID,
        "another shop",
    ),
    (
        {"partner_kind": PartnerKind.VENDOR},
        [Need.NO_MERCHANT_TOKEN],
        "No vendor code",
        Action.ADD_SELLER_ID,
        "vendor code",
    ),
    ({"partner_kind": PartnerKind.VENDOR, "vendor_codes": ("ABCDE",)}, [], "", None, ""),
    (
        {"application_trouble": "invalid_client", "application_trouble_since": NOW},
        [Need.APPLICATION_REFUSED],
        "Amazon refuses the application",
        Action.LOOK_AT_APPLICATION,
        "Invalid_client.",
    ),
    (
        {"secret_expires_at": NOW},
        [Need.SECRET_DEAD],
        "Client secret is over",
        Action.ROTATE_SECRET,
        "ended today",
    ),
    (
        {"secret_expires_at": NOW + 14 * DAY},
        [Need.SECRET_ENDING],
        "Client secret ends in 14 days",
        Action.ROTATE_SECRET,
        "then its accounts are down",
    ),
    ({"secret_expires_at": NOW + 15 * DAY}, [], "", None, ""),
    (
        {"instance_silent_since": NOW - DAY},
        [Need.INSTANCE_SILENT],
        "Webhooks fail",
        Action.LOOK_AT_INSTANCE,
        "does not take its events",
    ),
    *(
        (notice(kind), [need], a.NEEDS[need].title, a.NEEDS[need].action, "It said so.")
        for kind, need in a.OF_NOTICE.items()
    ),
    (notice(NoticeKind.TERM_ENDING), [], "", None, ""),
    (notice(NoticeKind.GRANT_REFUSED), [], "", None, ""),
    # Nothing but what somebody must decide is left of a closed account.
    ({"state": State.CLOSED, **notice(NoticeKind.FEED_DENIED)}, [], "", None, ""),
    ({"state": State.CLOSED, "merchant_token": "", "finding": "x"}, [], "", None, ""),
    (
        {"state": State.CLOSED, **notice(NoticeKind.FEED_UNCERTAIN)},
        [Need.UNCERTAIN],
        "Outcome unknown",
        Action.DECIDE,
        "",
    ),
    # The worst first, each once.
    (
        {
            **LAPSED,
            **notice(NoticeKind.FEED_UNCERTAIN),
            "uncertain": 2,
            "merchant_token": "",
            "secret_expires_at": NOW,
        },
        [Need.SECRET_DEAD, Need.LAPSED, Need.UNCERTAIN, Need.NO_MERCHANT_TOKEN],
        "Client secret is over",
        Action.ROTATE_SECRET,
        "",
    ),
]


@pytest.mark.parametrize(("known", "needs", "words", "action", "why"), CASES)
def test_badges(
    known: dict[str, Any], needs: list[Need], words: str, action: Action | None, why: str
) -> None:
    found = badges(signs(**known), NOW)
    assert [badge.need for badge in found] == needs
    if not found:
        return
    first = found[0]
    assert first.words == words
    assert action in (None, first.action)
    assert why in first.why
    assert first.label == a.ACTIONS[first.action].label
    assert first.weight is a.NEEDS[first.need].weight
    for badge in found:
        assert badge.why[:1].isupper()
        assert badge.why.endswith((".", "!", "?"))
        assert "  " not in badge.why


def test_every_need_of_an_account_has_a_case() -> None:
    met = {need for _, needs, *_ in CASES for need in needs}
    of_house = set(a.OF_HOUSE.values())
    assert met | of_house == set(Need)


def test_subjects_lead_where_the_action_is_done() -> None:
    def subject(**known: Any) -> str:
        return badges(signs(**known), NOW)[0].subject

    assert subject(uncertain=1, uncertain_run_id="run_9") == "run_9"
    assert subject(refused_lines=1, refused_run_id="run_7") == "run_7"
    assert subject(**notice(NoticeKind.FEED_STUCK, "run_3")) == "run_3"
    assert subject(**notice(NoticeKind.FEED_DENIED, "acc_1")) == ""
    assert subject(application_trouble="x") == "app_1"
    assert subject(secret_expires_at=NOW) == "app_1"
    assert subject(instance_silent_since=NOW) == "ins_1"
    assert subject(**AWAITING, link=LINK, report_at=NOW, report_reference="AB-12") == "AB-12"


def test_who_needs_somebody() -> None:
    assert not a.needs_somebody(badges(FINE, NOW))
    only_shown = badges(signs(merchant_token="", paused_at=NOW, application_trouble="x"), NOW)
    assert len(only_shown) == 3
    assert not a.needs_somebody(only_shown)
    assert a.worst(only_shown) is None
    both = badges(signs(application_trouble="x", **LAPSED), NOW)
    found = a.worst(both)
    assert found is not None
    assert found.need is Need.LAPSED
    assert both[0].need is Need.APPLICATION_REFUSED


def test_the_table() -> None:
    assert [place(need) for need in Need] == list(range(len(Need)))
    for need, facts in a.NEEDS.items():
        assert facts.title, need
        assert facts.weight is not Weight.GOOD, need
        assert len(facts.title) < 40, need
    # What is bad stands before what is quiet.
    weights = [a.NEEDS[need].weight for need in Need if a.NEEDS[need].of is Of.ACCOUNT]
    order = [Weight.BAD, Weight.WARM, Weight.QUIET]
    assert weights == sorted(weights, key=order.index)
    for words in a.ACTIONS.values():
        assert words.label[0].isupper()
        assert words.what.endswith(".")


def test_every_kind_of_notice_is_told_somehow() -> None:
    by_state = {
        NoticeKind.TERM_ENDING,
        NoticeKind.TERM_OVER,
        NoticeKind.TERM_UNKNOWN,
        NoticeKind.GRANT_REFUSED,
    }
    assert set(a.OF_NOTICE) | set(a.OF_HOUSE) | by_state == set(NoticeKind)


def test_badges_of_an_application() -> None:
    found = a.badges_of_application(
        id="app_1",
        trouble="invalid_client",
        trouble_since=NOW,
        secret_expires_at=NOW + DAY,
        now=NOW,
    )
    assert [badge.need for badge in found] == [Need.APPLICATION_REFUSED, Need.SECRET_ENDING]
    assert a.badge_of_notice(Need.QUEUE_TROUBLE, "no right", NOW).why == "No right."
