"""A client secret that LWA does not take stops nobody while the one before it lives."""

from __future__ import annotations

import secrets

import pytest

from evergrant.errors import ApplicationRefused, GrantRefused
from evergrant.registry import Credentials
from evergrant.rules.lifecycle import State
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from tests.rooms.mint_ground import Ground, Held


@pytest.fixture
async def mistyped() -> tuple[Ground, Held]:
    """An account of an application whose working client secret was replaced by a wrong one."""
    ground = Ground()
    held = await ground.account(await ground.application(), await ground.instance())
    async with ground.store.transaction() as tx:
        (authorization,) = await tx.authorizations.all()
    await ground.registry.set_credentials(
        authorization.application_id,
        Credentials(lwa_client_secret=Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}")),
        by=SYSTEM,
    )
    return ground, held


async def trouble(ground: Ground) -> str:
    async with ground.store.transaction() as tx:
        (credentials,) = await tx.credentials.all()
    return credentials.trouble


async def test_accounts_go_on_and_the_incident_is_told(mistyped: tuple[Ground, Held]) -> None:
    ground, held = mistyped
    token = await ground.mint(held)
    assert ground.about(token) == held.about
    assert "invalid_client" in await trouble(ground), "it works for some days only"
    ground.clock.move(hours=2)
    await ground.mint(held)
    assert "invalid_client" in await trouble(ground)


async def test_not_beyond_its_end(mistyped: tuple[Ground, Held]) -> None:
    ground, held = mistyped
    ground.clock.move(days=7, seconds=1)
    with pytest.raises(ApplicationRefused):
        await ground.mint(held)
    assert (await ground.authorization(held)).state is State.ACTIVE, "no account is at fault"


async def test_a_grant_that_is_refused_with_it_is_refused(mistyped: tuple[Ground, Held]) -> None:
    ground, held = mistyped
    ground.lwa.revoke(held.about)
    with pytest.raises(GrantRefused):
        await ground.mint(held)
    assert (await ground.authorization(held)).state is State.REVOKED
    assert "invalid_client" in await trouble(ground)


async def test_once_the_right_one_is_there_the_incident_is_over(
    mistyped: tuple[Ground, Held],
) -> None:
    ground, held = mistyped
    await ground.mint(held)
    async with ground.store.transaction() as tx:
        (credentials,) = await tx.credentials.all()
    right = await ground.registry.previous_lwa_client(credentials.id)
    assert right is not None
    await ground.registry.set_credentials(
        credentials.id, Credentials(lwa_client_secret=right.lwa_client_secret), by=SYSTEM
    )
    ground.clock.move(hours=2)
    await ground.mint(held)
    assert await trouble(ground) == ""
