"""Client secrets of applications: rotation by queue, and the notices before the end of 180 days.

Answers for: enrolment (at Amazon done in the Developer Console), the new secret's way, and when
notices of expiry are sent. Secrets themselves, their 180 days and the 7 days of overlap, are the
application's own. Amazon's pages say of the notices: the first 90 days before the end, then
"periodic"; that this is every seven days is the emulator's assumption.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from amazon_emulator.agenda import Entry
from amazon_emulator.clock import stamp
from amazon_emulator.stage import Stage
from amazon_emulator.trade import given
from amazon_emulator.trade.queues.manners import Manners
from amazon_emulator.trade.queues.notices import Notice, post
from amazon_emulator.world import Application

__all__ = ["NOTICE_EVERY", "Enrolment", "Enrolments", "NotNow", "enrol", "rotate"]

FIRST_NOTICE = timedelta(days=90)
NOTICE_EVERY = timedelta(days=7)
PAYLOAD_VERSION = "2023-11-30"


class NotNow(Exception):
    """The secret is not rotated; the message is for the caller."""


@dataclass
class Enrolment:
    """The two queues of an application; None: no notices of that kind."""

    application_id: str
    new_secret_queue_arn: str | None
    expiry_queue_arn: str | None
    new_secret_subscription_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    expiry_subscription_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    next_notice_at: datetime | None = None
    entry: Entry | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the application can be rotated by a call."""
        return self.new_secret_queue_arn is not None


@dataclass
class Enrolments:
    """All enrolments of this world, by application id."""

    all: dict[str, Enrolment] = field(default_factory=dict)

    def as_json(self) -> Any:
        return [
            {
                "application_id": one.application_id,
                "new_secret_queue_arn": one.new_secret_queue_arn,
                "expiry_queue_arn": one.expiry_queue_arn,
                "new_secret_subscription_id": one.new_secret_subscription_id,
                "expiry_subscription_id": one.expiry_subscription_id,
                "next_notice_at": stamp(one.next_notice_at),
            }
            for one in self.all.values()
        ]

    def load(self, stage: Stage, content: Any) -> None:
        """Raises ValueError that names the place."""
        for number, row in enumerate(given.rows(content, "rotation")):
            place = f"rotation[{number}]"
            maybe_text = (str, type(None))
            one = given.fields(
                row,
                place,
                application_id=str,
                new_secret_queue_arn=maybe_text,
                expiry_queue_arn=maybe_text,
                new_secret_subscription_id=str,
                expiry_subscription_id=str,
                next_notice_at=maybe_text,
            )
            if one["application_id"] not in stage.world.applications:
                raise ValueError(f"{place}: no application {one['application_id']!r}")
            if one["next_notice_at"] is not None:
                one["next_notice_at"] = given.instant(one["next_notice_at"], place)
            enrolment = Enrolment(**one)
            self.all[enrolment.application_id] = enrolment
            if enrolment.next_notice_at is not None:
                _plan(stage, enrolment, enrolment.next_notice_at)


def enrol(
    stage: Stage,
    application: Application,
    *,
    new_secret_queue_arn: str | None,
    expiry_queue_arn: str | None,
    now: datetime,
) -> Enrolment:
    """Sets the application's two queues; an end within 90 days is told of at once."""
    enrolments = stage.of(Enrolments)
    before = enrolments.all.get(application.application_id)
    if before is not None and before.entry is not None:
        stage.agenda.strike(before.entry)
    made = Enrolment(application.application_id, new_secret_queue_arn, expiry_queue_arn)
    enrolments.all[application.application_id] = made
    _plan(stage, made, max(now, _first_notice(application, now)))
    stage.agenda.run(now)
    return made


def rotate(stage: Stage, application: Application, now: datetime) -> None:
    """A new secret, told by the queue only. Raises NotNow."""
    enrolment = stage.of(Enrolments).all.get(application.application_id)
    if enrolment is None or not enrolment.is_complete:
        raise NotNow(
            "Application is not enrolled for rotation notification. Please update application "
            "notification preference in Developer console."
        )
    overlap = len(application.secrets) > 1 and application.secrets[1].ends_at > now
    if overlap and stage.of(Manners).second_rotation == "refuse":
        raise NotNow(
            "The client secret was rotated less than seven days ago, and the one before it still "
            "works. (Amazon does not document this case; the emulator's second_rotation decides.)"
        )
    fresh = application.rotate(now)
    old_ends_at = application.secrets[1].ends_at if len(application.secrets) > 1 else now
    payload = {
        "applicationOAuthClientNewSecret": {
            "clientId": application.lwa_client_id,
            "newClientSecret": fresh.value,
            "newClientSecretExpiryTime": stamp(fresh.ends_at),
            "oldClientSecretExpiryTime": stamp(old_ends_at),
        }
    }
    if enrolment.entry is not None:
        stage.agenda.strike(enrolment.entry)
    _plan(stage, enrolment, _first_notice(application, now))
    post(
        stage,
        Notice(
            "APPLICATION_OAUTH_CLIENT_NEW_SECRET",
            application.application_id,
            None,
            enrolment.new_secret_subscription_id,
            PAYLOAD_VERSION,
            payload,
            now,
            enrolment.new_secret_queue_arn,
            secret=True,
        ),
    )


def _first_notice(application: Application, now: datetime) -> datetime:
    """90 days before the newest secret ends; now when there is none."""
    return application.secrets[0].ends_at - FIRST_NOTICE if application.secrets else now


def _plan(stage: Stage, enrolment: Enrolment, due_at: datetime) -> None:
    enrolment.next_notice_at = due_at
    enrolment.entry = stage.agenda.at(due_at, lambda instant: _look(stage, enrolment, instant))


def _look(stage: Stage, enrolment: Enrolment, instant: datetime) -> None:
    """Tells of the end that is near, and looks again a week later. A rotation by hand since the
    last look, at the portal or by a lever, is seen here."""
    application = stage.world.applications.get(enrolment.application_id)
    if application is None or not application.secrets:
        return
    secret = application.secrets[0]
    first = secret.ends_at - FIRST_NOTICE
    if instant < first:
        _plan(stage, enrolment, first)
        return
    if instant < secret.ends_at and enrolment.expiry_queue_arn is not None:
        payload = {
            "applicationOAuthClientSecretExpiry": {
                "clientId": application.lwa_client_id,
                "clientSecretExpiryTime": stamp(secret.ends_at),
                "clientSecretExpiryReason": "PERIODIC_ROTATION",
            }
        }
        post(
            stage,
            Notice(
                "APPLICATION_OAUTH_CLIENT_SECRET_EXPIRY",
                application.application_id,
                None,
                enrolment.expiry_subscription_id,
                PAYLOAD_VERSION,
                payload,
                instant,
                enrolment.expiry_queue_arn,
            ),
        )
    _plan(stage, enrolment, instant + NOTICE_EVERY)
