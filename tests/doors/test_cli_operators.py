"""Operators on the command line: invited, unlocked, without their second factor, the first one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pyotp
import pytest

from evergrant import wiring
from evergrant.desk import Desk
from evergrant.errors import SignInRefused
from evergrant.rules.secrecy import Secret
from evergrant.sessions import Browser, Step
from evergrant.settings import Settings
from tests.doors.cli_house import Cli

T = TypeVar("T")
HERE = Browser("198.51.100.7", "Firefox")


def at_the_desk(work: Callable[[Desk], Awaitable[T]]) -> T:
    """What the server of this house would do meanwhile."""

    async def opened() -> T:
        async with wiring.open_desk(Settings.from_environment()) as desk:
            return await work(desk)

    return asyncio.run(opened())


@pytest.fixture
def word() -> Secret:
    return Secret(secrets.token_urlsafe(18))


@pytest.fixture
def ada(house: Cli, tmp_path: Path, word: Secret) -> Cli:
    """The house with its first admin."""
    file = tmp_path / "password"
    file.write_text(word.reveal())
    house(
        *("operator", "add", "Ada Field", "--email", "ada@house.example"),
        *("--password-file", str(file)),
    )
    return house


def test_the_code_of_the_first_start(house: Cli, word: Secret) -> None:
    shown = house("operator", "first")
    assert "/console/first" in shown.err
    code = shown.out.strip()
    assert house("operator", "first", "--json").json["code"] == code, "the same until it is used"
    assert code not in house("journal").out
    signed_in = at_the_desk(
        lambda desk: desk.sessions.admit_first(Secret(code), "Ada", "ada@house.example", word, HERE)
    )
    assert signed_in.step is Step.ENROL
    spent = house("operator", "first")
    assert (spent.code, spent.out) == (0, "")
    assert "operator invite" in spent.err
    assert house("operator", "first", "--json").json == {"code": None, "page": None}


def test_an_invitation(ada: Cli, word: Secret) -> None:
    said = ada("operator", "invite", "Bea Moor", "--email", "bea@house.example")
    assert "bea@house.example" in said.err
    link = said.out.strip()
    assert "/console/join/egi_" in link
    (listed,) = ada("operator", "invitations", "--json").json["items"]
    assert listed["role"] == "support"
    assert "digest" not in str(listed)
    at_the_desk(lambda desk: desk.sessions.accept_invitation(Secret(link), word, HERE))
    people = ada("operator", "list", "--json").json["items"]
    assert [one["email"] for one in people] == ["ada@house.example", "bea@house.example"]
    assert "password" not in str(people)
    late = ada("operator", "withdraw", listed["id"])
    assert late.code == 2
    other = ada(
        *(
            "operator",
            "invite",
            "Cai",
            "--email",
            "cai@house.example",
            "--role",
            "auditor",
            "--json",
        )
    ).json
    assert other["link"].rpartition("/")[2].startswith("egi_")
    assert ada("operator", "withdraw", other["id"], "--json").json["withdrawn_at"]
    refused = ada("operator", "invite", "Ada", "--email", "ada@house.example")
    assert (refused.code, refused.out) == (2, "")


def test_roles_and_the_last_admin(ada: Cli, tmp_path: Path) -> None:
    for verb in (("disable", "ada@house.example"), ("role", "ada@house.example", "auditor")):
        refused = ada("operator", *verb)
        assert refused.code == 2
        assert refused.err.startswith("error[last_admin] ")
    file = tmp_path / "another"
    file.write_text(secrets.token_urlsafe(18))
    ada(
        *("operator", "add", "Bea", "--email", "bea@house.example", "--role", "support"),
        *("--password-file", str(file)),
    )
    changed = ada("operator", "role", "bea@house.example", "admin", "--json").json
    assert changed["role"] == "admin"
    assert ada("operator", "disable", "ada@house.example", "--json").json["disabled_at"]
    assert ada("operator", "enable", "ada@house.example", "--json").json["disabled_at"] is None


def test_unlocking_and_new_passwords(ada: Cli, word: Secret, tmp_path: Path) -> None:
    async def fail(desk: Desk) -> None:
        for number in range(10):
            stranger, guess = Browser(f"203.0.113.{number}"), Secret(secrets.token_hex(8))
            with pytest.raises(SignInRefused):
                await desk.sessions.sign_in("ada@house.example", guess, stranger)

    async def come_in(desk: Desk) -> Step:
        return (await desk.sessions.sign_in("ada@house.example", word, HERE)).step

    at_the_desk(fail)
    with pytest.raises(SignInRefused):
        at_the_desk(come_in)
    assert ada("operator", "unlock", "ada@house.example").code == 0
    assert at_the_desk(come_in) is Step.ENROL
    file = tmp_path / "new"
    file.write_text(secrets.token_urlsafe(18))
    ada("operator", "password", "ada@house.example", "--password-file", str(file))
    with pytest.raises(SignInRefused):
        at_the_desk(come_in)


def test_sessions_and_second_factors(ada: Cli, word: Secret) -> None:
    async def enrol(desk: Desk) -> Secret:
        half = await desk.sessions.sign_in("ada@house.example", word, HERE)
        key = (await desk.sessions.begin_enrolment(half.secret)).key
        code = pyotp.TOTP(key.reveal()).at(desk.clock.now())
        return (await desk.sessions.confirm_enrolment(half.secret, code, HERE)).signed_in.secret

    async def is_in(desk: Desk) -> bool:
        return await desk.sessions.recognise(secret) is not None

    assert "Nobody" in ada("operator", "sessions").err
    secret = at_the_desk(enrol)
    (listed,) = ada("operator", "sessions", "ada@house.example", "--json").json["items"]
    assert listed["address"] == HERE.address
    assert secret.reveal() not in str(listed)
    assert "Ada Field" in ada("operator", "sessions").out
    (person,) = ada("operator", "list", "--json").json["items"]
    assert person["second_factor_at"]
    assert ada("operator", "sign-out", "ada@house.example").out == "Ada Field: 1 session ended.\n"
    assert not at_the_desk(is_in)
    reset = ada("operator", "second-factor-reset", "ada@house.example", "--json").json
    assert reset["second_factor_at"] is None
    assert ada("operator", "sign-out", "ada@house.example", "--json").json["ended"] == 0


def test_single_sign_on_is_unbound_when_somebody_confirms_it(ada: Cli) -> None:
    async def bind(desk: Desk) -> None:
        async with desk.store.transaction() as tx:
            (person,) = await tx.operators.all()
            await tx.operators.change(person.id, sso_subject="https://id.house.example u-1")

    async def bound_to(desk: Desk) -> str:
        async with desk.store.transaction() as tx:
            (person,) = await tx.operators.all()
        return person.sso_subject

    at_the_desk(bind)
    refused = ada("operator", "unbind", "ada@house.example")
    assert refused.code != 0
    assert "--yes" in refused.err
    assert at_the_desk(bound_to)
    assert ada("operator", "unbind", "ada@house.example", "--yes", "--json").json["id"]
    assert not at_the_desk(bound_to)
    assert ada("operator", "unbind", "ada@house.example").code == 0, "nothing is left to confirm"


@pytest.mark.parametrize(
    "verb", ["unbind", "unlock", "second-factor-reset", "sign-out", "enable", "sessions", "disable"]
)
def test_nobody_of_that_name(house: Cli, verb: str) -> None:
    refused = house("operator", verb, "nobody@house.example")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("error[not_found] ")
