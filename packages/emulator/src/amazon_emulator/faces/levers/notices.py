"""Levers of notifications: on their way, made up, and those of client secrets; manners of services.

Answers for: reading the wish. Queues themselves are moved by `queues`.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from amazon_emulator.clock import stamp
from amazon_emulator.faces.levers.making import application_of, partner_of
from amazon_emulator.faces.levers.wishes import Wish, WrongWish
from amazon_emulator.marketplaces import REGIONS, Region
from amazon_emulator.stage import Stage
from amazon_emulator.trade.delegations import Delegations
from amazon_emulator.trade.queues import notices, rotation
from amazon_emulator.trade.queues.manners import Manners
from amazon_emulator.trade.queues.notices import Post
from amazon_emulator.trade.queues.notification_types import TYPES
from amazon_emulator.trade.queues.queues import why_not
from amazon_emulator.trade.queues.subscriptions import Subscriptions

__all__ = [
    "LEVERS",
    "change_manners",
    "delay",
    "delegate",
    "double",
    "enrol",
    "enrolments",
    "lose",
    "make_notice",
    "manners",
    "subscriptions",
]


# --- on their way ---------------------------------------------------------------------------------


def delay(stage: Stage, wish: Wish) -> dict[str, Any]:
    """From now on a notification reaches its queue {seconds} after it was sent; 0: at once."""
    seconds = wish.number("seconds")
    wish.done()
    if not 0 <= seconds <= notices.LONGEST_DELAY_S:
        raise WrongWish("'seconds' must be from 0 to a year")
    stage.of(Post).delay_s = seconds
    return _post_view(stage)


def lose(stage: Stage, wish: Wish) -> dict[str, Any]:
    """The next notifications never arrive {times: 1}."""
    times = wish.count("times", 1) or 0
    wish.done()
    stage.of(Post).lose = times
    return _post_view(stage)


def double(stage: Stage, wish: Wish) -> dict[str, Any]:
    """The next notifications arrive twice {times: 1}, as two messages with one NotificationId."""
    times = wish.count("times", 1) or 0
    wish.done()
    stage.of(Post).double = times
    return _post_view(stage)


def _post_view(stage: Stage) -> dict[str, Any]:
    wishes = stage.of(Post)
    return {
        "delay_seconds": wishes.delay_s,
        "lose": wishes.lose,
        "duplicate": wishes.double,
        "under_way": [
            {"notification_type": notice.notification_type, "arrives_at": stamp(due_at)}
            for due_at, notice in wishes.under_way.values()
        ],
    }


# --- notifications --------------------------------------------------------------------------------


def make_notice(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Sends a notification to the subscribed {notification_type, selling_partner_id, payload,
    payload_version?, application_id?, region?}; gives how many subscriptions there are."""
    name = wish.choice("notification_type", tuple(TYPES))
    partner = partner_of(stage, wish.text("selling_partner_id"))
    payload = wish.raw("payload")
    version = wish.text("payload_version", "1.0")
    application_id = wish.maybe("application_id")
    application = application_of(stage, application_id) if application_id else None
    region: Region | None = wish.choice("region", (*REGIONS, None), None)
    wish.done()
    notices.tell(
        stage,
        name,
        partner,
        payload,
        stage.clock.now(),
        payload_version=version,
        application=application,
        region=region,
    )
    found = stage.of(Subscriptions).to(
        name,
        application.application_id if application else None,
        partner.selling_partner_id,
        region,
    )
    return {"subscriptions": len(found)}


def subscriptions(stage: Stage, wish: Wish) -> dict[str, Any]:
    """All destinations and subscriptions."""
    content = stage.of(Subscriptions).as_json()
    return {"count": len(content["subscriptions"]), **content}


# --- client secrets and tokens --------------------------------------------------------------------


def enrol(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Where an application's client-secret notices go {new_secret_queue_arn?, expiry_queue_arn?},
    as set in the Developer Console; null or left out: none."""
    application = application_of(stage, wish.path["application_id"])
    new_secret, expiry = wish.maybe("new_secret_queue_arn"), wish.maybe("expiry_queue_arn")
    wish.done()
    for arn in (new_secret, expiry):
        refusal = why_not(stage, arn) if arn else None
        if refusal is not None:
            raise WrongWish(refusal)
    rotation.enrol(
        stage,
        application,
        new_secret_queue_arn=new_secret,
        expiry_queue_arn=expiry,
        now=stage.clock.now(),
    )
    return enrolments(stage, wish)


def enrolments(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Which applications get client-secret notices, and when the next look at the end is due."""
    return {"items": stage.of(rotation.Enrolments).as_json()}


def delegate(stage: Stage, wish: Wish) -> dict[str, Any]:
    """An application declares that it delegates restricted data to another {application_id,
    target_application_id}."""
    one = application_of(stage, wish.text("application_id"))
    other = application_of(stage, wish.text("target_application_id"))
    wish.done()
    stage.of(Delegations).declared.add((one.application_id, other.application_id))
    return {"items": stage.of(Delegations).as_json()}


def manners(stage: Stage, wish: Wish) -> dict[str, Any]:
    """How AWS, tokens and rotation behave where they may do either."""
    return asdict(stage.of(Manners))


def change_manners(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Changes any of aws_clock_checked (signatures older than 15 minutes are refused, by the
    emulator's clock), restricted_answer_wrapped (in `payload`), second_rotation (refuse|allow,
    within seven days)."""
    known = stage.of(Manners)
    changed = replace(
        known,
        aws_clock_checked=wish.truth("aws_clock_checked", known.aws_clock_checked),
        restricted_answer_wrapped=wish.truth(
            "restricted_answer_wrapped", known.restricted_answer_wrapped
        ),
        second_rotation=wish.choice("second_rotation", ("refuse", "allow"), known.second_rotation),
    )
    wish.done()
    vars(known).update(vars(changed))
    return asdict(known)


LEVERS = (
    ("POST", "/queues/delay", delay),
    ("POST", "/queues/lose", lose),
    ("POST", "/queues/duplicate", double),
    ("POST", "/notifications", make_notice),
    ("GET", "/notifications/subscriptions", subscriptions),
    ("PUT", "/world/applications/{application_id}/rotation-queues", enrol),
    ("GET", "/world/rotation-queues", enrolments),
    ("POST", "/world/delegations", delegate),
    ("GET", "/habits/services", manners),
    ("PATCH", "/habits/services", change_manners),
)
