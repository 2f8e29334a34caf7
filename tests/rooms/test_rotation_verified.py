"""The client secret in force, shown to Login with Amazon on demand."""

from __future__ import annotations

import pytest

from evergrant.errors import AmazonUnavailable, ApplicationRefused, NotAllowed, NotFound
from evergrant.rotation import Verified
from evergrant.rules.rights import Caller, CallerKind, Right
from tests.rooms.rotation_ground import ROOT, world


async def test_it_is_asked_each_time_and_changes_nothing() -> None:
    house = await world()
    secret = await house.secret()
    before = house.lwa.count("grantless")
    for times in (1, 2, 3):
        verified = await house.desk.rotations.verify(house.application_id, by=ROOT)
        assert verified == Verified(taken=True)
        assert house.lwa.count("grantless") == before + times
    assert await house.secret() == secret


async def test_a_refusal_is_noted_and_its_end_as_well() -> None:
    house = await world()
    secret = await house.secret()
    known = house.lwa.known.pop(house.client_id)
    verified = await house.desk.rotations.verify(house.application_id, by=ROOT)
    assert not verified.taken
    assert verified.words.startswith("invalid_client")
    assert secret is not None
    assert secret.reveal() not in verified.words
    assert (await house.desk.registry.credentials(house.application_id, by=ROOT)).trouble
    house.lwa.known[house.client_id] = known
    await house.desk.rotations.verify(house.application_id, by=ROOT)
    assert not (await house.desk.registry.credentials(house.application_id, by=ROOT)).trouble


async def test_a_refusal_of_the_scope_says_nothing_of_the_secret() -> None:
    house = await world()
    house.lwa.fail(lambda: ApplicationRefused(error="invalid_scope", reason="not yours"))
    verified = await house.desk.rotations.verify(house.application_id, by=ROOT)
    assert (verified.taken, verified.about_scope) == (False, True)
    assert not (await house.desk.registry.credentials(house.application_id, by=ROOT)).trouble


async def test_no_answer_says_nothing() -> None:
    house = await world()
    house.lwa.fail(AmazonUnavailable)
    with pytest.raises(AmazonUnavailable):
        await house.desk.rotations.verify(house.application_id, by=ROOT)
    assert not (await house.desk.registry.credentials(house.application_id, by=ROOT)).trouble


async def test_who_may() -> None:
    house = await world()
    reader = Caller(kind=CallerKind.OPERATOR, id="opr_1", rights=frozenset({Right.READ}))
    bound = Caller(
        kind=CallerKind.API_KEY,
        id="key_1",
        rights=frozenset(Right),
        client_instance_id="ins_1",
    )
    before = house.lwa.count()
    for by in (reader, bound):
        with pytest.raises(NotAllowed):
            await house.desk.rotations.verify(house.application_id, by=by)
    with pytest.raises(NotFound):
        await house.desk.rotations.verify("app_none", by=ROOT)
    assert house.lwa.count() == before
