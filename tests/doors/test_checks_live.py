"""What ``evergrant check --live`` asks outside: Login with Amazon and the queue of each
application."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence

import pytest

from evergrant.checks.contents import contents
from evergrant.checks.kinds import Finding
from evergrant.desk import Desk
from evergrant.errors import Misconfigured
from evergrant.ports.secrets_queue import QueueAccess, QueueMessage
from evergrant.registry import Credentials, NewApplication
from evergrant.rules.applications import NOTIFICATIONS_SCOPE
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from evergrant.settings import Settings
from evergrant.testing.desk import Fakes, desk
from evergrant.testing.secrets_queue import MemorySecretsQueue

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/secrets"


class WithoutBoto(MemorySecretsQueue):
    async def receive(
        self, access: QueueAccess, *, wait_s: float, most: int = 10
    ) -> Sequence[QueueMessage]:
        raise Misconfigured("EVERGRANT_AWS_URL", "boto3 is not installed.")


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


async def house(fakes: Fakes, **aws: str) -> tuple[Desk, str]:
    built = desk(fakes)
    client_id = f"amzn1.application-oa2-client.{secrets.token_hex(16)}"
    client_secret = Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}")
    fakes.lwa.add_client(client_id, client_secret)
    application = await built.registry.add_application(
        NewApplication(name="Connect", application_id=f"amzn1.sp.solution.{uuid.uuid4()}"),
        by=SYSTEM,
    )
    given = Credentials(lwa_client_id=client_id, lwa_client_secret=client_secret)
    if aws:
        given = Credentials(
            lwa_client_id=client_id,
            lwa_client_secret=client_secret,
            access_key=Secret(f"AKIA{secrets.token_hex(8).upper()}"),
            secret_key=Secret(secrets.token_hex(20)),
            queue_url=aws["queue_url"],
        )
    await built.registry.set_credentials(application.id, given, by=SYSTEM)
    return built, application.id


async def found(built: Desk, *, live: bool = True) -> dict[str, Finding]:
    settings = Settings.from_environment({})
    return {one.code: one async for one in contents(built, settings, live=live)}


async def test_the_client_secret_is_shown_to_amazon_whatever_token_is_at_hand(fakes: Fakes) -> None:
    built, application_id = await house(fakes)
    await built.tokens.grantless(application_id, NOTIFICATIONS_SCOPE, by=SYSTEM)
    assert "EG047" not in await found(built)
    credentials = await built.registry.credentials(application_id, by=SYSTEM)
    fakes.lwa.drop_secrets(credentials.lwa_client_id)
    # The token that is at hand is still good.
    await built.tokens.grantless(application_id, NOTIFICATIONS_SCOPE, by=SYSTEM)
    assert "EG047" not in await found(built, live=False)
    finding = (await found(built))["EG047"]
    assert finding.subject == application_id
    assert "invalid_client" in finding.message


async def test_a_queue_that_can_be_read(fakes: Fakes) -> None:
    built, application_id = await house(fakes, queue_url=URL)
    fakes.secrets_queue.put(URL, "not for us")
    assert not {"EG091", "EG050"} & set(await found(built))
    assert fakes.secrets_queue.calls == [("receive", application_id)]
    assert len(fakes.secrets_queue.waiting(URL)) == 1, "it is left there"


async def test_a_queue_that_refuses(fakes: Fakes) -> None:
    built, application_id = await house(fakes, queue_url=URL)
    fakes.secrets_queue.refuse()
    finding = (await found(built))["EG091"]
    assert finding.subject == application_id
    assert "AccessDenied" in finding.message
    assert "Look at the role." in finding.message
    assert "EG091" not in await found(built, live=False)


async def test_a_queue_that_does_not_answer(fakes: Fakes) -> None:
    built, _ = await house(fakes, queue_url=URL)
    fakes.secrets_queue.fail()
    assert "AWS did not answer." in (await found(built))["EG091"].message


async def test_without_boto3_it_is_told_and_nothing_breaks(fakes: Fakes) -> None:
    fakes.secrets_queue = WithoutBoto(fakes.clock)
    built, application_id = await house(fakes, queue_url=URL)
    assert "boto3" in (await found(built))["EG091"].message
    for _ in range(2):
        await built.rotations.round()
    hanging = await built.notices.list(by=SYSTEM)
    assert [(one.kind.value, one.application_id, one.times) for one in hanging] == [
        ("queue_trouble", application_id, 2)
    ]


async def test_an_application_without_a_queue_is_not_asked(fakes: Fakes) -> None:
    built, application_id = await house(fakes)
    assert await built.rotations.try_queue(application_id, by=SYSTEM) is False
    assert "EG091" not in await found(built)
    assert fakes.secrets_queue.calls == []
