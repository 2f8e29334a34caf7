"""Many at once: counts are exact, codes are spent once, nobody gets another's token."""

from __future__ import annotations

import asyncio

import httpx2

from tests.emulator.conftest import House


async def ask_all(house: House, forms: list[dict[str, str]]) -> list[httpx2.Response]:
    url = f"{house.amazon.addresses['lwa']}/auth/o2/token"
    limits = httpx2.Limits(max_connections=32)
    async with httpx2.AsyncClient(trust_env=False, timeout=60, limits=limits) as http:
        return await asyncio.gather(
            *(http.post(url, data={**house.client, **form}) for form in forms)
        )


async def test_every_refresh_is_counted(house: House) -> None:
    sellers = [house.seller() for _ in range(10)]
    tokens = [house.grant(seller) for seller in sellers]
    forms = [{"grant_type": "refresh_token", "refresh_token": token} for token in tokens * 30]
    answers = await ask_all(house, forms)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["access_token"] for answer in answers}) == 300
    assert house.amazon.levers.count(kind="lwa") == 300
    for seller in sellers:
        assert house.amazon.levers.count(partner=seller["selling_partner_id"], kind="lwa") == 30
    for form, answer in zip(forms, answers, strict=True):
        assert answer.json()["refresh_token"] == form["refresh_token"]


async def test_one_code_fifty_callers_one_winner(house: House) -> None:
    house.amazon.levers.login_leg("never")
    code = house.consented(house.seller()).brought["spapi_oauth_code"]
    answers = await ask_all(house, [{"grant_type": "authorization_code", "code": code}] * 50)
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49


async def test_a_limited_failure_meets_exactly_so_many(house: House) -> None:
    token = house.grant(house.seller())
    house.amazon.levers.fail_lwa("503", times=7)
    form = {"grant_type": "refresh_token", "refresh_token": token}
    answers = await ask_all(house, [form] * 40)
    assert [answer.status_code for answer in answers].count(503) == 7
