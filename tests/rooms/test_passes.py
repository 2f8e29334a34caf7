"""Passes: what they say, and that nothing else opens."""

from __future__ import annotations

import base64
import json
import secrets
import zlib
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evergrant import vault as safe
from evergrant.errors import Misconfigured, NotAuthenticated
from evergrant.ports import Keyring
from evergrant.rules.secrecy import Secret
from evergrant.testing.clock import FakeClock
from evergrant.testing.keyring import MemoryKeyring
from evergrant.tokens import Pass
from evergrant.tokens.passes import OVER, PREFIX, Passes
from evergrant.vault import Vault, gateway_pass
from tests.rooms.mint_ground import Ground

Resources = list[tuple[str, str, tuple[str, ...]]]
RESOURCES: Resources = [
    ("GET", "/orders/v0/orders", ("buyerInfo", "shippingAddress")),
    ("POST", "/x", ()),
]


class House:
    """One key ring; any number of processes."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ring = MemoryKeyring()
        self.here = self.process()

    def process(self, ring: Keyring | None = None, most: int = 100) -> Passes:
        return Passes(vault=Vault(ring or self.ring), clock=self.clock, most=most)

    async def hand(
        self,
        account_id: str = "acc_1",
        resources: Resources | None = None,
        scope: str | None = None,
        life_s: int = 3600,
    ) -> tuple[Secret, Pass]:
        return await self.here.hand(
            account_id,
            api_key_id="key_1",
            connection_key_id="con_1",
            resources=resources,
            scope=scope,
            life_s=life_s,
        )


@pytest.fixture
def house() -> House:
    return House()


async def refusal(passes: Passes, text: Secret | str) -> str:
    assert passes.at_hand(text) is None
    with pytest.raises(NotAuthenticated) as caught:
        await passes.read(text)
    assert passes.at_hand(text) is None
    assert caught.value.__cause__ is None
    assert caught.value.facts == {"pass": OVER}
    return f"{caught.value} {caught.value.hint}"


def made_of(sealed: bytes) -> str:
    return PREFIX + base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def inside(text: Secret) -> bytes:
    body = text.reveal().removeprefix(PREFIX)
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))


# --- what it says -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resources", "scope"), [(None, None), ([], None), (RESOURCES, None), (None, "a::scope")]
)
async def test_a_pass_says_in_any_process_what_was_put_into_it(
    house: House, resources: Resources | None, scope: str | None
) -> None:
    text, handed = await house.hand(resources=resources, scope=scope)
    assert handed.account_id == "acc_1"
    assert (handed.api_key_id, handed.connection_key_id) == ("key_1", "con_1")
    assert handed.expires_at <= house.clock.now() + timedelta(hours=1)
    assert handed.expires_at > house.clock.now() + timedelta(minutes=59)
    assert handed.resources == (None if resources is None else tuple(resources))
    assert handed.scope == scope
    for process in (house.here, house.process()):
        assert process.at_hand(text) is None
        assert await process.read(text) == handed
        assert process.at_hand(text) == handed
        assert process.at_hand(text.reveal()) == handed
        assert await process.read(text.reveal()) == handed


async def test_no_two_passes_are_alike_and_none_shows_what_it_says(house: House) -> None:
    one, other = (await house.hand("acc_very_secret_name"))[0], (await house.hand())[0]
    again = (await house.hand("acc_very_secret_name"))[0]
    assert len({text.reveal() for text in (one, other, again)}) == 3
    assert b"acc_" not in inside(one)
    assert one.reveal() not in repr(one)


async def test_a_pass_for_many_resources_still_fits_a_header(house: House) -> None:
    many: Resources = [
        ("GET", f"/reports/2021-06-30/documents/amzn1.spdoc.1.4.eu.{secrets.token_hex(16)}", ())
        for _ in range(50)
    ]
    text, handed = await house.hand(resources=many)
    assert len(text.reveal()) < 8000
    assert (await house.process().read(text)).resources == handed.resources == tuple(many)
    plain, _ = await house.hand()
    assert len(plain.reveal()) < 500


async def test_the_mint_hands_and_reads_them() -> None:
    ground = Ground()
    text, handed = await ground.here.hand_pass(
        "acc_1", api_key_id="key_1", connection_key_id="con_1", resources=RESOURCES, life_s=60
    )
    assert ground.there.pass_at_hand(text) is None
    assert await ground.there.read_pass(text) == handed
    assert ground.there.pass_at_hand(text) == handed
    assert handed.expires_at <= ground.clock.now() + timedelta(seconds=60)
    assert ground.lwa.count() == 0
    ground.clock.move(seconds=61)
    assert ground.there.pass_at_hand(text) is None
    with pytest.raises(NotAuthenticated):
        await ground.there.read_pass(text)


@pytest.mark.parametrize("life_s", [0, -1, 3601])
async def test_no_pass_outlives_an_access_token_of_amazons(house: House, life_s: int) -> None:
    with pytest.raises(ValueError, match="1 to 3600"):
        await house.hand(life_s=life_s)


# --- nothing else opens -----------------------------------------------------------------------


async def test_every_wrong_pass_is_refused_in_the_same_words(house: House) -> None:
    text, _ = await house.hand()
    other, _ = await house.hand("acc_2")
    plain, sealed, swapped = text.reveal(), inside(text), inside(other)
    short, _ = await house.hand(life_s=1)
    stranger = House()
    foreign, _ = await stranger.hand()
    key_id, ciphertext = await house.ring.seal(b"[]", safe.access_token("atz_1"))
    row_of_the_safe = made_of(bytes([len(key_id)]) + key_id.encode() + ciphertext)
    _, nothing = await house.ring.seal(b"", safe.gateway_pass())
    half = len(sealed) // 2
    house.clock.move(seconds=2)
    wrong = {
        "nothing": "",
        "blank": " ",
        "the prefix": PREFIX,
        "made up": PREFIX + secrets.token_urlsafe(120),
        "all one letter": PREFIX + "A" * 200,
        "of Amazon": "Atza|" + secrets.token_urlsafe(100),
        "an API key": "egk_" + secrets.token_urlsafe(40),
        "without prefix": plain.removeprefix(PREFIX),
        "another prefix": "egk_" + plain.removeprefix(PREFIX),
        "upper case": plain.upper(),
        "cut": plain[:-1],
        "cut in half": plain[: len(plain) // 2],
        "without its end": made_of(sealed[:-16]),
        "with more": plain + "A",
        "with much more": plain + "A" * 40,
        "padded": plain + "==",
        "with a line end": plain + "\n",
        "with a blank": " " + plain,
        "with a null": plain + "\x00",
        "not ASCII": plain[:-1] + "é",
        "a lone surrogate": plain[:-1] + "\ud800",
        "swapped ends": made_of(sealed[:half] + swapped[half:]),
        "another head": made_of(swapped[:half] + sealed[half:]),
        "another key's name": made_of(b"\x03abc" + sealed[1 + sealed[0] :]),
        "no key's name": made_of(b"\x00" + sealed[1 + sealed[0] :]),
        "a name that is no text": made_of(b"\x02\xff\xfe" + sealed[1 + sealed[0] :]),
        "a name longer than all": made_of(b"\xff" + sealed[1:]),
        "a key's name and nothing": made_of(sealed[: 1 + sealed[0]] + b"\x00" * 12),
        "a row of the safe": row_of_the_safe,
        "an empty one of another purpose": made_of(
            bytes([len(key_id)]) + key_id.encode() + nothing[:20]
        ),
        "of another house": foreign.reveal(),
        "over": short.reveal(),
        "endless": PREFIX + "A" * 1_000_000,
    }
    said = {name: await refusal(house.here, text) for name, text in wrong.items()}
    assert len(set(said.values())) == 1, said
    assert len(house.here) == 0
    assert (await house.here.read(text)).account_id == "acc_1"


@pytest.mark.parametrize("process", ["the same", "another"])
async def test_no_bit_of_a_pass_can_be_changed(house: House, process: str) -> None:
    text, _ = await house.hand()
    reading = house.here if process == "the same" else house.process()
    await reading.read(text)
    sealed = inside(text)
    for place in range(len(sealed)):
        forged = bytearray(sealed)
        forged[place] ^= 1 << (place % 8)
        await refusal(reading, made_of(bytes(forged)))


async def test_one_text_only_means_a_pass(house: House) -> None:
    """Spare bits at the end of base64 would give a pass more than one text."""
    for length in range(1, 5):
        text, _ = await house.hand("acc_" + "x" * length)
        plain = text.reveal()
        for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
            if last != plain[-1]:
                await refusal(house.process(), plain[:-1] + last)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(text=st.text(max_size=300) | st.text("AZaz09-_", max_size=300).map(lambda end: PREFIX + end))
async def test_no_text_makes_trouble(house: House, text: str) -> None:
    await refusal(house.here, text)


# --- time and the key ring --------------------------------------------------------------------


async def test_a_pass_ends_to_the_second(house: House) -> None:
    text, handed = await house.hand(life_s=100)
    left_s = (handed.expires_at - house.clock.now()).total_seconds()
    await house.here.read(text)
    house.clock.move(seconds=left_s - 0.001)
    assert house.here.at_hand(text) == handed
    house.clock.move(seconds=0.001)
    await refusal(house.here, text)
    await refusal(house.process(), text)


async def test_a_new_key_in_the_ring_keeps_old_passes_good(house: House) -> None:
    old, handed = await house.hand()
    await house.ring.add_key()
    new, _ = await house.hand("acc_2")
    process = house.process()
    assert await process.read(old) == handed
    assert (await process.read(new)).account_id == "acc_2"
    assert inside(old)[1 : 1 + inside(old)[0]] != inside(new)[1 : 1 + inside(new)[0]]


async def test_a_key_that_left_the_ring_takes_its_passes_with_it(house: House) -> None:
    gone = await house.ring.current_key_id()
    text, _ = await house.hand()
    await house.ring.add_key()
    house.ring.lose(gone)
    await refusal(house.process(), text)


async def test_a_ring_that_cannot_be_read_is_no_fault_of_the_pass(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, _ = await house.hand()

    async def missing() -> None:
        raise Misconfigured("EVERGRANT_KEYRING", "there is no key ring.")

    monkeypatch.setattr(house.ring, "key_ids", missing)
    with pytest.raises(Misconfigured):
        await house.process().read(text)


# --- memory -----------------------------------------------------------------------------------


async def test_the_memory_is_bounded_and_forgets_the_oldest(house: House) -> None:
    process = house.process(most=5)
    texts = [(await house.hand(f"acc_{number}"))[0] for number in range(12)]
    for text in texts:
        await process.read(text)
    assert len(process) == 5
    assert [process.at_hand(text) is not None for text in texts] == [False] * 7 + [True] * 5
    assert (await process.read(texts[0])).account_id == "acc_0"


async def test_what_is_remembered_costs_no_opening(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, handed = await house.hand()
    await house.here.read(text)
    monkeypatch.setattr(house.ring, "open", None)
    assert await house.here.read(text) == handed


async def test_the_text_itself_is_not_remembered(house: House) -> None:
    text, _ = await house.hand()
    await house.here.read(text)
    assert text.reveal() not in repr(vars(house.here))


async def test_what_is_sealed_under_the_name_is_json_and_small(house: House) -> None:
    """Whoever reads the format years later finds it here."""
    text, handed = await house.hand(resources=RESOURCES)
    sealed = inside(text)
    name, ciphertext = sealed[1 : 1 + sealed[0]].decode(), sealed[1 + sealed[0] :]
    content = await house.ring.open(name, ciphertext, "gateway/pass")
    assert json.loads(zlib.decompress(content)) == [
        "acc_1",
        "key_1",
        "con_1",
        int(handed.expires_at.timestamp()),
        [["GET", "/orders/v0/orders", ["buyerInfo", "shippingAddress"]], ["POST", "/x", []]],
        None,
    ]


@pytest.mark.parametrize("content", [b"[1]", b'["acc_1","key_1","con_1",1,null]', b"{}", b"no"])
async def test_a_pass_of_another_version_is_over(house: House, content: bytes) -> None:
    """During an update programs fetch another one, and nobody is told of an error of ours."""
    vault = Vault(house.ring)
    key_id, sealed = await vault.seal_loose(gateway_pass(), zlib.compress(content))
    name = key_id.encode()
    await refusal(house.here, made_of(bytes([len(name)]) + name + sealed))
