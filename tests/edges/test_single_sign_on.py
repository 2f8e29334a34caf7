"""The identity provider's socket: one contract on the shipped fake and on OpenID Connect; and what
an ID token must be to be believed."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx2
import pytest
from joserfc.jwk import KeySet, RSAKey

from evergrant.adapters.single_sign_on import LOOK_AGAIN_S, HttpSingleSignOn
from evergrant.errors import EvergrantError, Misconfigured, ProviderUnavailable, SingleSignOnRefused
from evergrant.ports.single_sign_on import Person, SignOnWay, SingleSignOn
from evergrant.rules.secrecy import Secret
from evergrant.testing.clock import FakeClock
from evergrant.testing.single_sign_on import FakeSingleSignOn
from tests.edges.oidc_provider import IdentityProvider, query_of, running

BACK = "https://connect.house.example/console/single-sign-on/back"


def a_way() -> SignOnWay:
    return SignOnWay(
        state=Secret(secrets.token_urlsafe(32)),
        nonce=Secret(secrets.token_urlsafe(32)),
        verifier=Secret(secrets.token_urlsafe(32)),
    )


@dataclass
class House:
    provider: IdentityProvider
    pipe: HttpSingleSignOn
    clock: FakeClock
    ticks: list[float]

    async def comes_in(self, way: SignOnWay | None = None, **claims: Any) -> Person:
        way = way or a_way()
        query = self.provider.came_back(await self.pipe.location(way), **claims)
        return await self.pipe.person(query, way)


@asynccontextmanager
async def a_house(**wishes: Any) -> AsyncIterator[House]:
    clock, ticks = FakeClock(), [0.0]
    async with running(now=int(clock.now().timestamp())) as provider:
        plain: dict[str, Any] = {
            "issuer": provider.issuer,
            "client_id": provider.client_id,
            "client_secret": Secret(provider.client_secret),
            "redirect_uri": BACK,
            "clock": clock,
            "user_agent": "Evergrant-Test",
            "ticking": lambda: ticks[0],
        }
        pipe = HttpSingleSignOn(**{**plain, **wishes})
        yield House(provider, pipe, clock, ticks)
        await pipe.close()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with a_house() as made:
        yield made


# --- the contract -----------------------------------------------------------------------------

Back = Callable[[str, str], str]


@pytest.fixture(params=["memory", "http"])
async def socket(request: pytest.FixtureRequest) -> AsyncIterator[tuple[SingleSignOn, Back]]:
    """The socket, and a person who proves who they are: (location, address) -> query."""
    if request.param == "memory":
        fake = FakeSingleSignOn()
        yield fake, lambda location, email: fake.came_back(location, email=email)
        return
    async with a_house() as house:
        yield (
            house.pipe,
            lambda location, email: house.provider.came_back(
                location, email=email, email_verified=True
            ),
        )


async def test_there_and_back(socket: tuple[SingleSignOn, Back]) -> None:
    sign_on, back = socket
    way = a_way()
    query = back(await sign_on.location(way), "ada@house.example")
    person = await sign_on.person(query, way)
    assert person.email == "ada@house.example"
    assert person.email_verified
    assert person.subject
    with pytest.raises(SingleSignOnRefused):
        await sign_on.person(query, way)


async def test_another_way_s_answer(socket: tuple[SingleSignOn, Back]) -> None:
    sign_on, back = socket
    query = back(await sign_on.location(a_way()), "ada@house.example")
    with pytest.raises(SingleSignOnRefused) as refused:
        await sign_on.person(query, a_way())
    assert refused.value.reason == "state"


async def test_somebody_else_s_code_under_one_s_own_state(
    socket: tuple[SingleSignOn, Back],
) -> None:
    """A stranger's code, put into the address by hand: the nonce, or the verifier, is another."""
    sign_on, back = socket
    mine, theirs = a_way(), a_way()
    query = dict(parse_qsl(back(await sign_on.location(theirs), "eve@house.example")))
    query["state"] = mine.state.reveal()
    with pytest.raises(SingleSignOnRefused) as refused:
        await sign_on.person(urlencode(query), mine)
    assert refused.value.reason in ("nonce", "code")


@pytest.mark.parametrize("query", ["", "code=x", "state=", "error=access_denied", "%ff=%00&&&="])
async def test_an_answer_that_is_none(socket: tuple[SingleSignOn, Back], query: str) -> None:
    with pytest.raises(SingleSignOnRefused):
        await socket[0].person(query, a_way())


async def test_who_pressed_cancel(socket: tuple[SingleSignOn, Back]) -> None:
    sign_on, _ = socket
    way = a_way()
    query = urlencode({"error": "access_denied", "state": way.state.reveal()})
    with pytest.raises(SingleSignOnRefused) as refused:
        await sign_on.person(query, way)
    assert refused.value.reason == "provider"
    assert "access_denied" in str(refused.value)


# --- what is sent -----------------------------------------------------------------------------


async def test_the_browser_carries_no_secret(house: House) -> None:
    way = a_way()
    location = await house.pipe.location(way)
    sent = query_of(location)
    assert location.startswith(f"{house.provider.issuer}/authorize?tenant=1&")
    assert sent["redirect_uri"] == BACK
    assert sent["state"] == way.state.reveal()
    assert sent["nonce"] == way.nonce.reveal()
    assert way.verifier.reveal() not in location
    assert house.provider.client_secret not in location


@pytest.mark.parametrize(
    ("methods", "seen"),
    [
        (None, "basic"),
        (["client_secret_post"], "post"),
        (["client_secret_post", "client_secret_basic"], "basic"),
    ],
)
async def test_how_we_prove_who_we_are(house: House, methods: Any, seen: str) -> None:
    house.provider.described["token_endpoint_auth_methods_supported"] = methods
    await house.comes_in()
    assert house.provider.auth_seen == [seen]


async def test_a_public_client_proves_itself_by_pkce_alone() -> None:
    async with a_house(client_secret=None) as house:
        await house.comes_in()
        assert house.provider.auth_seen == ["none"]


# --- who it is --------------------------------------------------------------------------------


async def test_who_came(house: House) -> None:
    person = await house.comes_in(
        sub="u-17", email="Ada@House.example", email_verified=True, name="Ada Field"
    )
    assert person == Person(
        issuer=house.provider.issuer,
        subject="u-17",
        email="Ada@House.example",
        email_verified=True,
        name="Ada Field",
    )


@pytest.mark.parametrize(
    ("told", "verified"),
    [(True, True), ("true", True), (False, False), ("false", False), (None, False), (1, False)],
)
async def test_an_address_is_worth_what_the_provider_says(
    house: House, told: Any, verified: bool
) -> None:
    claims = {} if told is None else {"email_verified": told}
    person = await house.comes_in(email="ada@house.example", **claims)
    assert person.email_verified is verified


async def test_a_house_may_trust_its_own_directory() -> None:
    async with a_house(trusts_email=True) as house:
        assert (await house.comes_in(email="ada@house.example")).email_verified
        told = await house.comes_in(email="ada@house.example", email_verified=False)
        assert not told.email_verified


async def test_an_address_may_be_told_at_the_desk_for_people(house: House) -> None:
    house.provider.userinfo = {"sub": "u-17", "email": "a@house.example", "email_verified": True}
    person = await house.comes_in(sub="u-17")
    assert (person.email, person.email_verified) == ("a@house.example", True)
    with pytest.raises(SingleSignOnRefused) as refused:
        await house.comes_in(sub="u-18")
    assert refused.value.reason == "sub", "what it tells is of somebody else"
    house.provider.answers["/house/userinfo"] = (500, b"")
    assert (await house.comes_in(sub="u-17")).email == ""


# --- what is not believed ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"iss": "https://evil.example"}, "iss"),
        ({"aud": "somebody-else"}, "aud"),
        ({"aud": ["evergrant", "somebody-else"]}, "azp"),
        ({"aud": ["evergrant"], "azp": "somebody-else"}, "azp"),
        ({"exp": 1000}, "exp"),
        ({"exp": "never"}, "exp"),
        ({"nbf": 9_999_999_999}, "nbf"),
        ({"nonce": "another"}, "nonce"),
        ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "at_hash"),
        ({"sub": 17}, "sub"),
        ({"sub": ""}, "sub"),
    ],
)
async def test_claims_that_are_wrong(house: House, told: dict[str, Any], reason: str) -> None:
    house.provider.told = told
    with pytest.raises(SingleSignOnRefused) as refused:
        await house.comes_in()
    assert refused.value.reason == reason


@pytest.mark.parametrize("claim", ["iss", "aud", "exp", "iat", "nonce", "sub"])
async def test_claims_that_are_lacking(house: House, claim: str) -> None:
    house.provider.leaves_out = (claim,)
    with pytest.raises(SingleSignOnRefused) as refused:
        await house.comes_in()
    assert refused.value.reason == claim


async def test_an_old_id_token(house: House) -> None:
    house.clock.move(seconds=355)
    await house.comes_in()  # clocks differ by a minute
    house.clock.move(seconds=10)
    with pytest.raises(SingleSignOnRefused) as refused:
        await house.comes_in()
    assert refused.value.reason == "exp"


async def test_signed_by_a_stranger(house: House) -> None:
    house.provider.signs_with = RSAKey.generate_key(2048, {"kid": house.provider.key.kid or ""})
    with pytest.raises(SingleSignOnRefused) as refused:
        await house.comes_in()
    assert refused.value.reason == "signature"


async def test_signed_not_at_all(house: House) -> None:
    house.provider.alg = "none"
    with pytest.raises(SingleSignOnRefused) as refused:
        await house.comes_in()
    assert refused.value.reason == "signature"


async def test_signed_with_what_everybody_knows(house: House) -> None:
    """The public key as a shared secret; and the client's own secret."""
    public = house.provider.key.as_pem(private=False)
    for known in (public, house.provider.client_secret.encode()):
        house.provider.alg = "HS256"
        house.provider.signs_with = known
        with pytest.raises(SingleSignOnRefused) as refused:
            await house.comes_in()
        assert refused.value.reason == "signature"


async def test_an_algorithm_that_the_provider_does_not_use(house: House) -> None:
    house.provider.alg = "PS512"
    with pytest.raises(SingleSignOnRefused) as refused:
        await house.comes_in()
    assert refused.value.reason == "signature"


async def test_an_answer_in_the_name_of_another_provider(house: House) -> None:
    way = a_way()
    query = dict(parse_qsl(house.provider.came_back(await house.pipe.location(way))))
    query["iss"] = "https://evil.example"
    with pytest.raises(SingleSignOnRefused) as refused:
        await house.pipe.person(urlencode(query), way)
    assert refused.value.reason == "issuer"


async def test_an_answer_that_says_something_twice(house: House) -> None:
    way = a_way()
    query = house.provider.came_back(await house.pipe.location(way))
    with pytest.raises(SingleSignOnRefused) as refused:
        await house.pipe.person(f"{query}&code=another", way)
    assert refused.value.reason == "twice"


# --- keys and descriptions --------------------------------------------------------------------


async def test_the_provider_is_asked_once_in_a_while(house: House) -> None:
    for _ in range(3):
        await house.comes_in()
    asked = [one for one in house.provider.asked if "token" not in one]
    assert asked == [
        "GET /house/.well-known/openid-configuration",
        "GET /house/keys",
        *["GET /house/userinfo"] * 3,
    ]
    house.ticks[0] = 3601
    await house.comes_in()
    assert len([one for one in house.provider.asked if "openid" in one]) == 2


async def test_the_provider_changes_its_keys(house: House) -> None:
    await house.comes_in()
    house.provider.key = RSAKey.generate_key(2048, auto_kid=True)
    house.provider.published.append(house.provider.key)
    with pytest.raises(SingleSignOnRefused):
        await house.comes_in()
    house.ticks[0] += LOOK_AGAIN_S
    await house.comes_in()


async def test_keys_that_nobody_can_read_are_left_out(house: House) -> None:
    listed: Any = KeySet(list(house.provider.published)).as_dict(private=False)
    strange = [{"kty": "QKD"}, {"kty": "RSA", "n": "!"}, 7, {"kty": "oct", "k": "AAAA"}, {}]
    listed["keys"] = [*strange, *listed["keys"]]
    house.provider.answers["/house/keys"] = (200, json.dumps(listed).encode())
    await house.comes_in()


@pytest.mark.parametrize(
    ("path", "answer", "error"),
    [
        ("/house/.well-known/openid-configuration", (404, b"gone"), ProviderUnavailable),
        ("/house/.well-known/openid-configuration", (200, b"<html>"), ProviderUnavailable),
        ("/house/.well-known/openid-configuration", (200, b"[]"), ProviderUnavailable),
        ("/house/.well-known/openid-configuration", (302, b""), ProviderUnavailable),
        ("/house/.well-known/openid-configuration", (200, b"[" * 5000), ProviderUnavailable),
        ("/house/.well-known/openid-configuration", (200, b"x" * 1_100_000), ProviderUnavailable),
        ("/house/keys", (200, b'{"keys": []}'), ProviderUnavailable),
        ("/house/keys", (500, b""), ProviderUnavailable),
        ("/house/token", (500, b"oops"), ProviderUnavailable),
        ("/house/token", (200, b"{}"), ProviderUnavailable),
        ("/house/token", (200, b'{"id_token": 7}'), ProviderUnavailable),
        ("/house/token", (200, b'{"id_token": "a.b.c"}'), SingleSignOnRefused),
        ("/house/token", (401, b'{"error": "invalid_client"}'), Misconfigured),
        ("/house/token", (400, b'{"error": "invalid_grant"}'), SingleSignOnRefused),
    ],
)
async def test_answers_of_no_use(
    house: House, path: str, answer: tuple[int, bytes], error: type[EvergrantError]
) -> None:
    house.provider.answers[path] = answer
    with pytest.raises(error):
        await house.comes_in()


@pytest.mark.parametrize(
    ("described", "error"),
    [
        ({"issuer": "https://evil.example"}, Misconfigured),
        ({"issuer": None}, Misconfigured),
        ({"token_endpoint": "http://login.house.example/token"}, ProviderUnavailable),
        ({"jwks_uri": None}, ProviderUnavailable),
        ({"authorization_endpoint": "javascript:alert(1)"}, ProviderUnavailable),
    ],
)
async def test_descriptions_of_no_use(
    house: House, described: dict[str, Any], error: type[EvergrantError]
) -> None:
    house.provider.described = described
    with pytest.raises(error):
        await house.pipe.location(a_way())


async def test_nobody_answers() -> None:
    def away(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused", request=request)

    async with a_house(transport=httpx2.MockTransport(away)) as house:
        with pytest.raises(ProviderUnavailable):
            await house.pipe.location(a_way())


async def test_no_error_knows_a_secret(house: House) -> None:
    way = a_way()
    query = house.provider.came_back(await house.pipe.location(way))
    house.provider.answers["/house/token"] = (500, house.provider.client_secret.encode())
    with pytest.raises(ProviderUnavailable) as caught:
        await house.pipe.person(query, way)
    assert caught.value.__context__ is None
    code = dict(parse_qsl(query))["code"]
    for secret in (house.provider.client_secret, code, way.verifier.reveal()):
        assert secret not in f"{caught.value!r} {caught.value.facts}"
