"""Applications, client instances and all that is secret behind a console, for the register's
tests."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import timedelta

from evergrant.ports.things import Application, ClientInstance
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from tests.doors.test_console.conftest import Console, text_of

__all__ = ["application", "assert_no_secret", "client_secret", "every_secret", "instance", "queued"]

QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/evergrant-secrets"
NOTIFICATIONS = "https://sqs.eu-west-1.amazonaws.com/123456789012/evergrant-notifications"


def client_secret() -> Secret:
    return Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}")


def solution_id() -> str:
    text = secrets.token_hex(16)
    parts = (text[:8], text[8:12], text[12:16], text[16:20], text[20:])
    return f"amzn1.sp.solution.{'-'.join(parts)}"


async def application(console: Console, name: str, **fields: object) -> Application:
    """Without credentials."""
    given = {"application_id": solution_id(), "name": name, **fields}
    return await console.desk.registry.add_application(
        NewApplication(**given),  # type: ignore[arg-type]
        by=SYSTEM,
    )


async def queued(console: Console, *, made_days_ago: int = 110) -> None:
    """The house's application has everything that rotation by itself takes."""
    await console.desk.registry.set_credentials(
        console.house.application_id,
        Credentials(
            secret_created_at=console.fakes.clock.now() - timedelta(days=made_days_ago),
            queue_url=QUEUE,
            notifications_queue_url=NOTIFICATIONS,
            access_key=Secret(f"AKIA{secrets.token_hex(8).upper()}"),
            secret_key=Secret(secrets.token_hex(20)),
        ),
        by=SYSTEM,
    )


async def instance(console: Console, name: str, **fields: str) -> ClientInstance:
    added = await console.desk.registry.add_instance(NewInstance(name=name, **fields), by=SYSTEM)
    return added.instance


async def every_secret(console: Console) -> list[str]:
    """All that lies in the safe, and the parts of what lies there together."""
    async with console.desk.store.transaction() as tx:
        sealed = await tx.safe.all()
    found: list[str] = []
    for one in sealed:
        found += (await console.desk.vault.open_sealed(one)).reveal().split()
    return found


def assert_no_secret(pages: Iterable[str], kept: Iterable[str]) -> None:
    whole = "\n".join(pages)
    for secret in kept:
        assert secret not in whole
        assert secret not in text_of(whole)
