"""A porter's lodge on fakes, for the tests of signing in."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

import pyotp
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from evergrant import journal
from evergrant.people import People, caller_of
from evergrant.ports.store import Store
from evergrant.ports.things import JournalLine, Operator, OutboxItem
from evergrant.rules.rights import Caller, command_line
from evergrant.rules.secrecy import Secret
from evergrant.sessions import Browser, Enrolled, Sessions, SignedIn
from evergrant.settings import SigningIn
from evergrant.testing.desk import HOUSE, Fakes
from evergrant.testing.single_sign_on import FakeSingleSignOn
from evergrant.vault import Vault

__all__ = ["HERE", "ROOT", "THERE", "Lodge", "Person", "password"]

ROOT = command_line("root")
HERE = Browser("198.51.100.7", "Firefox")
THERE = Browser("203.0.113.9", "curl")


def password() -> Secret:
    return Secret(secrets.token_urlsafe(18))


@dataclass
class Person:
    """Somebody with a password in the head and a phone in the hand."""

    operator: Operator
    password: Secret
    clock_key: Secret | None = None
    recovery_codes: tuple[Secret, ...] = ()

    @property
    def by(self) -> Caller:
        return caller_of(self.operator)


@dataclass
class Lodge:
    fakes: Fakes = field(default_factory=Fakes)
    signing_in: SigningIn = field(default_factory=SigningIn)
    provider: FakeSingleSignOn | None = field(default_factory=FakeSingleSignOn)
    store: Store | None = None

    def __post_init__(self) -> None:
        self.clock = self.fakes.clock
        self.rows: Store = self.store or self.fakes.store
        self.people = People(self.rows, self.clock, self.fakes.bell)
        # As slow as it has to be for passwords that are made up at run time.
        self.people._passwords = PasswordHash([Argon2Hasher(time_cost=1, memory_cost=64)])
        self.vault = Vault(self.fakes.keyring)
        self.sessions = self.process()

    def process(self, signing_in: SigningIn | None = None) -> Sessions:
        """The lodge of one more process of this house."""
        return Sessions(
            store=self.rows,
            clock=self.clock,
            vault=self.vault,
            people=self.people,
            bell=self.fakes.bell,
            house=HOUSE,
            signing_in=signing_in or self.signing_in,
            single_sign_on=self.provider,
        )

    async def person(
        self, name: str = "Ada", role: str = "admin", *, enrolled: bool = True
    ) -> Person:
        word = password()
        operator = await self.people.add_operator(
            name=name, email=f"{name.lower()}@house.example", role=role, password=word, by=ROOT
        )
        person = Person(operator, word)
        if enrolled:
            await self.enrol(person, (await self.sign_in(person)).secret)
        return person

    async def enrol(self, person: Person, secret: Secret) -> Enrolled:
        enrolment = await self.sessions.begin_enrolment(secret)
        person.clock_key = enrolment.key
        enrolled = await self.sessions.confirm_enrolment(secret, self.code(person), HERE)
        person.operator = enrolled.signed_in.operator
        person.recovery_codes = enrolled.recovery_codes
        self.clock.move(seconds=60)  # that code is spent, and so is the next half minute's
        return enrolled

    def code(self, person: Person, *, steps: int = 0) -> str:
        """What the phone shows now, or so many half minutes later."""
        assert person.clock_key is not None
        clock = pyotp.TOTP(person.clock_key.reveal())
        return clock.generate_otp(clock.timecode(self.clock.now()) + steps)

    async def sign_in(self, person: Person, browser: Browser = HERE) -> SignedIn:
        return await self.sessions.sign_in(person.operator.email, person.password, browser)

    async def come_in(self, person: Person, browser: Browser = HERE) -> SignedIn:
        """All steps, with a code that nobody used."""
        signed_in = await self.sign_in(person, browser)
        self.clock.move(seconds=60)
        return await self.sessions.prove(signed_in.secret, self.code(person), browser)

    async def lines(self, verb: str) -> list[JournalLine]:
        return await journal.read(self.rows, ROOT, verb=verb, newest_first=False)

    async def letters(self, topic: str) -> list[OutboxItem]:
        async with self.rows.transaction() as tx:
            return await tx.outbox.all(topic=topic)

    def kept(self) -> str:
        """Everything that the store in memory holds, as text."""
        store: Any = self.fakes.store
        return repr(store.rows) + repr(store.lines)
