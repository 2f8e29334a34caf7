"""A house whose application rotates its client secret, Amazon as it does that, and a process that
may be killed at each of its steps.

Amazon here: ``rotateApplicationClientSecret`` makes a client secret, puts it into the queue, and
kills the one before it seven days later; how it answers, and whether the message comes, is set by
``Amazon.mood``.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from evergrant import vault as safe
from evergrant.accounts import NewAccount
from evergrant.desk import Desk
from evergrant.errors import AmazonUnavailable
from evergrant.ports.amazon import Answer, Call, LwaClient, TokenAnswer
from evergrant.ports.secrets_queue import QueueAccess, QueueMessage
from evergrant.ports.store import Transaction
from evergrant.ports.watched import Notice, Rotation, RotationStep
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rotation import Turned
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import command_line
from evergrant.rules.secrecy import Secret
from evergrant.settings import Watching
from evergrant.testing.clock import FakeClock
from evergrant.testing.desk import Fakes, desk
from evergrant.testing.lwa import FakeLWA
from evergrant.testing.secrets_queue import MemorySecretsQueue
from evergrant.testing.selling_partner_api import FakeSellingPartnerApi, error_answer
from evergrant.testing.store import MemoryStore

QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/new-secrets"
ROOT = command_line("root")
DAY = timedelta(days=1)
OVERLAP = timedelta(days=7)
TERM = timedelta(days=180)
ROTATE = "/applications/2023-11-30/clientSecret"


def new_secret() -> Secret:
    return Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}")


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def new_secret_body(client_id: str, secret: Secret, at: datetime, **changes: Any) -> dict[str, Any]:
    part = {
        "clientId": client_id,
        "newClientSecret": secret.reveal(),
        "newClientSecretExpiryTime": stamp(at + TERM),
        "oldClientSecretExpiryTime": stamp(at + OVERLAP),
        **changes,
    }
    return envelope(
        "APPLICATION_OAUTH_CLIENT_NEW_SECRET", {"applicationOAuthClientNewSecret": part}, at
    )


def expiry_body(client_id: str, ends_at: datetime, at: datetime) -> dict[str, Any]:
    part = {
        "clientId": client_id,
        "clientSecretExpiryTime": stamp(ends_at),
        "clientSecretExpiryReason": "PERIODIC_ROTATION",
    }
    return envelope(
        "APPLICATION_OAUTH_CLIENT_SECRET_EXPIRY", {"applicationOAuthClientSecretExpiry": part}, at
    )


def envelope(kind: str, payload: dict[str, Any], at: datetime) -> dict[str, Any]:
    return {
        "notificationVersion": "1.0",
        "notificationType": kind,
        "payloadVersion": "2023-11-30",
        "eventTime": stamp(at),
        "payload": payload,
        "notificationMetadata": {
            "applicationId": f"amzn1.sp.solution.{uuid.uuid4()}",
            "subscriptionId": str(uuid.uuid4()),
            "publishTime": stamp(at),
            "notificationId": str(uuid.uuid4()),
        },
    }


class Killed(BaseException):
    """The process is gone. Nothing in the product can catch it."""


class Steps:
    """Counts what the process does outside its own head, and kills it before or after one."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.die_at: int | None = None

    def step(self, name: str) -> None:
        self.log.append(name)
        if self.die_at is not None and len(self.log) == self.die_at:
            raise Killed(name)


class StepStore(MemoryStore):
    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.steps = steps

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Transaction]:
        async with super()._transaction() as tx:
            yield tx
            if self._has_written(tx):
                self.steps.step("before a commit")
        if self._has_written(tx):
            self.steps.step("after a commit")

    @staticmethod
    def _has_written(tx: Any) -> bool:
        """Counts of calls are written by the limits' own task, whenever the machine gets to it:
        they are no step of anybody's errand."""
        written = {name for name, rows in tx.written.items() if rows}
        return bool(written - {"call_counts"}) or bool(tx.lines)


class StepLWA(FakeLWA):
    """Knows until when each client secret works."""

    def __init__(self, clock: FakeClock, steps: Steps) -> None:
        super().__init__(clock)
        self.steps = steps
        self.clock = clock
        self.known: dict[str, list[tuple[Secret, datetime]]] = {}
        self.unknown_until: datetime | None = None  # new secrets are not known everywhere yet

    def learn(self, client_id: str, secret: Secret, until: datetime) -> None:
        self.known.setdefault(client_id, []).append((secret, until))

    def takes(self, client_id: str, secret: Secret | None) -> bool:
        return any(
            one == secret and self.clock.now() < until for one, until in self.known[client_id]
        )

    async def grantless(self, client: LwaClient, scope: str) -> TokenAnswer:
        self.steps.step("before LWA")
        answer = await super().grantless(client, scope)
        self.steps.step("after LWA")
        return answer

    async def _asked(self, verb: str, client: LwaClient, about: str) -> None:
        self.drop_secrets(client.lwa_client_id)
        known = self.known.get(client.lwa_client_id, [])
        for secret, _ in known:
            slow = self.unknown_until is not None and self.clock.now() < self.unknown_until
            if slow and len(known) > 1 and secret == known[-1][0]:
                continue
            if self.takes(client.lwa_client_id, secret):
                self.add_client(client.lwa_client_id, secret)
        await super()._asked(verb, client, about)


class StepQueue(MemorySecretsQueue):
    def __init__(self, clock: FakeClock, steps: Steps) -> None:
        super().__init__(clock)
        self.steps = steps

    async def receive(self, access: QueueAccess, *, wait_s: float, most: int = 10) -> Any:
        self.steps.step("before the queue is read")
        messages = await super().receive(access, wait_s=wait_s, most=most)
        self.steps.step("after the queue was read")
        return messages

    async def delete(self, access: QueueAccess, message: QueueMessage) -> None:
        self.steps.step("before a message is deleted")
        await super().delete(access, message)
        self.steps.step("after a message was deleted")


@dataclass(slots=True)
class Mood:
    """How Amazon takes the next askings. ``does``: makes a secret; ``sends``: its message comes."""

    does: bool = True
    sends: bool = True
    answer: Callable[[], Answer] | None = None  # None: 204


def no_answer() -> Answer:
    raise AmazonUnavailable("The connection was lost.")


NOT_ENROLLED = (
    "Application is not enrolled for rotation notification. Please update application notification "
    "preference in Developer console."
)


class Amazon(FakeSellingPartnerApi):
    def __init__(
        self, lwa: StepLWA, clock: FakeClock, queue: MemorySecretsQueue, steps: Steps
    ) -> None:
        super().__init__(lwa, clock)
        self.steps = steps
        self.lwa, self.clock, self.queue = lwa, clock, queue
        self.mood = Mood()
        self.asked_at: list[datetime] = []
        self.rotated_at: list[datetime] = []
        #: Those in the console, and whether their message came.
        self.by_hand: dict[datetime, bool] = {}

    async def send(self, call: Call, access_token: Secret) -> Answer:
        if call.path != ROTATE:
            return await super().send(call, access_token)
        self.steps.step("before Amazon is asked")
        self.sent.append(call)
        issued = self.lwa.issued(access_token)
        assert issued is not None
        assert issued.about == "sellingpartnerapi::client_credential:rotation"
        self.asked_at.append(self.clock.now())
        mood = self.mood
        if mood.does:
            self._rotate(issued.lwa_client_id, sends=mood.sends)
        self.steps.step("after Amazon was asked")
        return mood.answer() if mood.answer else Answer(status=204, headers={}, body=b"")

    def rotate(self, client_id: str, *, sends: bool = True) -> Secret:
        """Somebody does it in the console."""
        self.by_hand[self.clock.now()] = sends
        return self._rotate(client_id, sends=sends)

    def _rotate(self, client_id: str, *, sends: bool) -> Secret:
        now = self.clock.now()
        self.rotated_at.append(now)
        fresh = new_secret()
        known = self.lwa.known[client_id]
        known[:] = [(secret, min(until, now + OVERLAP)) for secret, until in known]
        self.lwa.learn(client_id, fresh, now + TERM)
        if sends:
            self.queue.put(QUEUE_URL, new_secret_body(client_id, fresh, now))
        return fresh


class World:
    """One application with a queue, an account, and a secret that is 140 days old."""

    def __init__(self, *, ahead: timedelta = timedelta(days=30)) -> None:
        self.steps = Steps()
        self.clock = FakeClock()
        self.lwa = StepLWA(self.clock, self.steps)
        self.store = StepStore(self.steps)
        self.queue = StepQueue(self.clock, self.steps)
        self.fakes = Fakes(clock=self.clock, store=self.store)
        self.fakes.lwa = self.lwa
        self.fakes.secrets_queue = self.queue
        self.amazon = Amazon(self.lwa, self.clock, self.queue, self.steps)
        self.fakes.selling_partner_api = self.amazon
        self.ahead = ahead
        self.client_id = ""
        self.desk = self.another()
        self.instance_id = ""
        self.application_id = ""
        self.account_id = ""
        self.first_secret = new_secret()
        self.died_at: datetime | None = None

    def another(self) -> Desk:
        """Another process on the same store, as after a restart."""
        return desk(self.fakes, watching=Watching(rotate_ahead=self.ahead))

    async def furnish(
        self, *, age_days: float = 140, queue: bool = True, account: bool = True, dated: bool = True
    ) -> World:
        now = self.clock.now()
        made_at = now - timedelta(days=age_days)
        registry = self.desk.registry
        instance = await registry.add_instance(
            NewInstance(name="ERP", webhook_url="https://erp.house.example/hook"), by=ROOT
        )
        self.instance_id = instance.instance.id
        self.application_id, self.client_id = await self.add_application(
            "Connect", self.first_secret, made_at if dated else None, queue=queue
        )
        self.lwa.learn(self.client_id, self.first_secret, made_at + TERM)
        if account:
            self.account_id = await self.add_account(self.application_id, "Shop")
        self.steps.log.clear()
        return self

    async def add_application(
        self, name: str, secret: Secret, made_at: datetime | None, *, queue: bool = True
    ) -> tuple[str, str]:
        client_id = f"amzn1.application-oa2-client.{secrets.token_hex(16)}"
        added = await self.desk.registry.add_application(
            NewApplication(
                name=name,
                application_id=f"amzn1.sp.solution.{uuid.uuid4()}",
                partner_kinds=["seller"],
            ),
            by=ROOT,
        )
        keys: dict[str, Any] = {}
        if queue:
            keys = {
                "queue_url": QUEUE_URL,
                "role_arn": "arn:aws:iam::123456789012:role/rotation",
                "access_key": Secret("AKIA" + "X" * 16),
                "secret_key": Secret("x" * 40),
            }
        await self.desk.registry.set_credentials(
            added.id,
            Credentials(
                lwa_client_id=client_id,
                lwa_client_secret=secret,
                secret_created_at=made_at,
                **keys,
            ),
            by=ROOT,
        )
        return added.id, client_id

    async def add_account(self, application_id: str, name: str, region: str = "eu") -> str:
        added = await self.desk.accounts.add(
            NewAccount(
                name=name,
                partner_kind="seller",
                client_email="shop@example.com",
                application_id=application_id,
                client_instance_id=self.instance_id,
                region=region,
                home_marketplace={"eu": "DE", "na": "US", "fe": "JP"}[region],
            ),
            by=ROOT,
        )
        return added.id

    # --- time passes ---

    async def round(self) -> Turned:
        return await self.desk.rotations.round()

    async def pass_time(self, span: timedelta, every: timedelta) -> None:
        """Rounds, as the worker makes them."""
        until = self.clock.now() + span
        while self.clock.now() < until:
            self.clock.move(every)
            await self.round()

    # --- looking ---

    async def secret(self) -> Secret | None:
        async with self.store.transaction() as tx:
            return await self.desk.vault.open(tx, safe.client_secret(self.application_id))

    async def former(self) -> Secret | None:
        async with self.store.transaction() as tx:
            return await self.desk.vault.open(tx, safe.previous_client_secret(self.application_id))

    async def works(self) -> bool:
        """Whether Amazon takes the secret in force."""
        return self.lwa.takes(self.client_id, await self.secret())

    async def rotations(self) -> list[Rotation]:
        async with self.store.transaction() as tx:
            return await tx.rotations.all(application_id=self.application_id)

    async def steps_gone(self) -> list[RotationStep]:
        return [one.step for one in await self.rotations()]

    async def credentials(self) -> Any:
        return await self.desk.registry.credentials(self.application_id, by=ROOT)

    async def notices(self) -> list[NoticeKind]:
        return [notice.kind for notice in await self.board()]

    async def board(self) -> list[Notice]:
        async with self.store.transaction() as tx:
            return await tx.notices.all(settled_at=None, subject=self.application_id)

    async def topics(self) -> list[str]:
        async with self.store.transaction() as tx:
            return [one.topic for one in await tx.events.read(limit=500)]

    async def letters(self) -> list[Any]:
        async with self.store.transaction() as tx:
            return [one for one in await tx.outbox.all() if one.kind == "mail"]

    async def verbs(self) -> list[str]:
        async with self.store.transaction() as tx:
            lines = await tx.journal.read(subject=self.application_id, limit=500)
        return [line.verb for line in lines]

    @property
    def lying(self) -> list[str]:
        return self.queue.waiting(QUEUE_URL)


async def world(**wishes: Any) -> World:
    return await World().furnish(**wishes)


def not_enrolled() -> Answer:
    return error_answer(400, "InvalidInput", NOT_ENROLLED)
