"""The reception: a consent that an operator begins, with the selling partner at the phone."""

from __future__ import annotations

import dataclasses

import pytest

from evergrant.errors import NotAllowed, NotFound
from evergrant.ports.things import Account, JournalLine
from evergrant.rules.rights import RIGHTS_OF_ROLE, Caller, CallerKind, Role
from tests.rooms.conftest import Reception, Trip

GRACE = Caller(
    kind=CallerKind.OPERATOR, id="opr_grace", name="Grace", rights=RIGHTS_OF_ROLE[Role.SUPPORT]
)
SHOP = "A2FIRSTSELLER"


async def begun(reception: Reception, account: Account, by: Caller | None = GRACE) -> Trip:
    link = await reception.link(account)
    return Trip(await reception.consent.begin(link, None, by=by))


def lines(reception: Reception, verb: str) -> list[JournalLine]:
    return [line for line in reception.store.lines if line.verb == verb]


def told(reception: Reception, topic: str) -> list[str]:
    """By whom the consents were begun that the client instance is told of."""
    return [one.facts["begun_by"] for one in reception.store.events if one.topic == topic]


async def test_what_an_operator_began_is_told_as_theirs_to_the_end(reception: Reception) -> None:
    account = await reception.add_account()
    trip = await begun(reception, account)
    await reception.consent.log_in(reception.log_in_query(account, SHOP), trip.browser)
    arrived = await reception.consent.accept(
        await reception.callback(trip, account, SHOP), trip.browser
    )
    assert arrived.connected
    for verb in ("handshake.begun", "handshake.logged_in", "authorization.granted"):
        (line,) = lines(reception, verb)
        assert line.caller == "operator:opr_grace", verb
    assert told(reception, "authorization.granted") == ["operator"]


async def test_what_a_partner_began_is_the_partner_s(reception: Reception) -> None:
    account = await reception.add_account()
    await reception.connect(account, SHOP)
    for verb in ("handshake.begun", "authorization.granted"):
        (line,) = lines(reception, verb)
        assert line.caller == "partner", verb
    assert told(reception, "authorization.granted") == ["partner"]


async def test_what_goes_wrong_is_theirs_but_not_what_a_stranger_does(
    reception: Reception,
) -> None:
    account = await reception.add_account()
    trip = await begun(reception, account)
    query = await reception.callback(trip, account, SHOP)
    stranger = await reception.refused(trip, query, browser="a" * 43)
    assert stranger.reason == "other_browser"
    (line,) = lines(reception, "consent.refused")
    assert line.caller == "partner"
    denied = await reception.callback(trip, account, SHOP, spapi_oauth_code=None, error="denied")
    await reception.refused(trip, denied)
    assert [line.caller for line in lines(reception, "consent.refused")] == [
        "partner",
        "operator:opr_grace",
    ]
    assert told(reception, "authorization.failed") == ["partner", "operator"]


async def test_a_word_of_the_partner_is_the_partner_s(reception: Reception) -> None:
    account = await reception.add_account()
    link = await reception.link(account)
    await reception.consent.begin(link, None, by=GRACE)
    await reception.consent.tell_trouble(link, "MD1000")
    (line,) = lines(reception, "consent.refused")
    assert line.caller == "partner"


async def test_who_may_not_send_a_link_begins_nothing(reception: Reception) -> None:
    account = await reception.add_account()
    auditor = dataclasses.replace(GRACE, rights=RIGHTS_OF_ROLE[Role.AUDITOR])
    with pytest.raises(NotAllowed):
        await begun(reception, account, auditor)
    for bound in (
        dataclasses.replace(GRACE, client_instance_id="ins_elsewhere"),
        dataclasses.replace(GRACE, account_ids=frozenset({"acc_elsewhere"})),
    ):
        with pytest.raises(NotFound):
            await begun(reception, account, bound)
    assert not lines(reception, "handshake.begun")
    await begun(reception, account)
