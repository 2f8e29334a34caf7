"""The contract of ``ports.Keyring`` on every ring, and what is special about a file."""
# ruff: noqa: ASYNC240  (small local files are read in passing)

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evergrant.adapters.keyring import FileKeyring, TextKeyring, make_keyring
from evergrant.errors import Misconfigured, SealBroken
from evergrant.ports import Keyring
from evergrant.rules.secrecy import Secret
from evergrant.testing.keyring import MemoryKeyring


def key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keyring"
    assert make_keyring(path)
    return path


@pytest.fixture(params=["memory", "text", "file"])
def ring(request: pytest.FixtureRequest) -> Keyring:
    if request.param == "memory":
        return MemoryKeyring()
    if request.param == "text":
        return TextKeyring(Secret(f"new:{key()},old:{key()}"))
    return FileKeyring(request.getfixturevalue("file"))


# --- the contract ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plaintext", [b"", b"x", bytes(range(256)) * 20], ids=["empty", "one byte", "long"]
)
async def test_what_is_sealed_opens(ring: Keyring, plaintext: bytes) -> None:
    key_id, sealed = await ring.seal(plaintext, "grant/grt_1/refresh_token")
    assert key_id == await ring.current_key_id()
    assert key_id in await ring.key_ids()
    assert await ring.open(key_id, sealed, "grant/grt_1/refresh_token") == plaintext
    assert len(plaintext) < 2 or plaintext not in sealed


async def test_a_seal_is_bound_to_its_name(ring: Keyring) -> None:
    key_id, sealed = await ring.seal(b"secret", "grant/grt_1/refresh_token")
    with pytest.raises(SealBroken) as broken:
        await ring.open(key_id, sealed, "grant/grt_2/refresh_token")
    assert "secret" not in str(broken.value.facts)


async def test_a_seal_is_bound_to_its_key(ring: Keyring) -> None:
    key_id, sealed = await ring.seal(b"secret", "name")
    with pytest.raises(Misconfigured):
        await ring.open("unknown", sealed, "name")
    for other in set(await ring.key_ids()) - {key_id}:
        with pytest.raises(SealBroken):
            await ring.open(other, sealed, "name")


@pytest.mark.parametrize("at", [0, 12, -1])
async def test_a_changed_byte_breaks_the_seal(ring: Keyring, at: int) -> None:
    key_id, sealed = await ring.seal(b"secret", "name")
    changed = bytearray(sealed)
    changed[at] ^= 1
    with pytest.raises(SealBroken):
        await ring.open(key_id, bytes(changed), "name")


@pytest.mark.parametrize("length", [0, 1, 11, 12, 27])
async def test_a_shortened_seal_breaks(ring: Keyring, length: int) -> None:
    key_id, sealed = await ring.seal(b"secret", "name")
    with pytest.raises(SealBroken):
        await ring.open(key_id, sealed[:length], "name")


async def test_no_seal_is_made_twice(ring: Keyring) -> None:
    seals = {(await ring.seal(b"secret", "name"))[1] for _ in range(50)}
    assert len(seals) == 50


@pytest.mark.parametrize("ring", ["memory", "file"], indirect=True)
async def test_a_new_key_is_current_and_the_old_ones_still_open(ring: Keyring) -> None:
    old_id, old = await ring.seal(b"old", "name")
    new_id = await ring.add_key()
    assert new_id != old_id
    assert await ring.current_key_id() == new_id
    assert set(await ring.key_ids()) == {old_id, new_id}
    assert (await ring.seal(b"new", "name"))[0] == new_id
    assert await ring.open(old_id, old, "name") == b"old"


# --- text --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        "{0},{1}",
        "{0}\n{1}\n",
        " {0} , {1} ",
        "# the ring\n{0}\n\n# older\n{1}",
    ],
)
async def test_forms_of_the_text(form: str) -> None:
    text = form.format(f"k2:{key()}", f"k1:{key()}")
    assert list(await TextKeyring(Secret(text)).key_ids()) == ["k2", "k1"]


async def test_both_alphabets_of_base64_and_missing_padding() -> None:
    raw = b"\xfb\xff" * 16
    standard, urlsafe = base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()
    assert standard != urlsafe
    key_id, sealed = await TextKeyring(Secret(f"a:{standard}")).seal(b"x", "name")
    for same in (urlsafe, standard.rstrip("="), urlsafe.rstrip("=")):
        assert await TextKeyring(Secret(f"a:{same}")).open(key_id, sealed, "name") == b"x"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment",
        "nocolon",
        ":" + key(),
        "bad id:" + key(),
        "a:" + key()[:-8],
        "a:" + key() + "AAAA",
        "a:not base64!",
        f"a:{key()},a:{key()}",
    ],
    ids=[
        "empty",
        "comment",
        "no colon",
        "no id",
        "bad id",
        "short",
        "long",
        "not base64",
        "one id twice",
    ],
)
def test_bad_text_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        TextKeyring(Secret(text))
    assert refused.value.setting == "EVERGRANT_KEYRING"
    said = f"{refused.value} {refused.value.hint}"
    assert not any(part and len(part) > 20 and part in said for part in text.split(":"))


async def test_a_setting_cannot_be_written() -> None:
    with pytest.raises(Misconfigured, match="setting"):
        await TextKeyring(Secret(f"a:{key()}")).add_key()


# --- a file ------------------------------------------------------------------------------------


def test_only_the_owner_reads_the_file(file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_open_to_others_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(Misconfigured, match="other users") as refused:
        FileKeyring(file)
    assert f"chmod 600 {file}" in (refused.value.hint or "")


def test_a_ring_is_never_made_over_another(file: Path) -> None:
    before = file.read_bytes()
    assert not make_keyring(file)
    assert file.read_bytes() == before


def test_many_make_one_ring(tmp_path: Path) -> None:
    path = tmp_path / "new" / "keyring"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make_keyring, [path] * 16))
    assert made.count(True) == 1
    assert [left.name for left in path.parent.iterdir()] == ["keyring"]


def test_a_missing_ring_is_not_made_in_silence(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no key ring"):
        FileKeyring(tmp_path / "keyring")
    assert not (tmp_path / "keyring").exists()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured):
        make_keyring(tmp_path / "file" / "keyring")


async def test_other_processes_follow(file: Path) -> None:
    one, other = FileKeyring(file), FileKeyring(file)
    first = await one.current_key_id()
    new = await one.add_key()
    assert await other.current_key_id() == new
    assert set(await other.key_ids()) == {first, new}


async def test_a_seal_of_a_key_that_was_just_added_opens_everywhere(file: Path) -> None:
    one, other = FileKeyring(file), FileKeyring(file)
    await one.add_key()
    key_id, sealed = await one.seal(b"x", "name")
    assert await other.open(key_id, sealed, "name") == b"x"


async def test_an_old_key_leaves_by_hand(file: Path) -> None:
    ring = FileKeyring(file)
    key_id, sealed = await ring.seal(b"x", "name")
    await ring.add_key()
    kept = [line for line in file.read_text().splitlines() if not line.startswith(key_id)]
    file.write_text("\n".join(kept))
    assert list(await ring.key_ids()) == [await ring.current_key_id()]
    with pytest.raises(Misconfigured, match=key_id):
        await ring.open(key_id, sealed, "name")


async def test_a_file_that_vanished_seals_nothing(file: Path) -> None:
    """A key that lies in no file any more would be lost with the process."""
    ring = FileKeyring(file)
    key_id, sealed = await ring.seal(b"x", "name")
    file.unlink()
    with pytest.raises(Misconfigured):
        await ring.seal(b"y", "name")
    assert await ring.open(key_id, sealed, "name") == b"x"


ADD = """
import asyncio, sys
from pathlib import Path
from evergrant.adapters.keyring import FileKeyring
ring = FileKeyring(Path(sys.argv[1]))
print(asyncio.run(ring.add_key()))
"""


async def test_processes_that_add_at_once_lose_no_key(file: Path) -> None:
    async def add() -> str:
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ADD, str(file), stdout=subprocess.PIPE
        )
        out, _ = await running.communicate()
        assert running.returncode == 0
        return out.decode().strip()

    added = await asyncio.gather(*(add() for _ in range(4)))
    ring = FileKeyring(file)
    assert set(added) < set(await ring.key_ids())
    assert len(await ring.key_ids()) == 5
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_an_interrupted_write_leaves_the_old_ring(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = FileKeyring(file)
    before = file.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Misconfigured, match="No space left"):
        await ring.add_key()
    assert file.read_bytes() == before
    assert sorted(left.name for left in file.parent.iterdir()) == ["keyring", "keyring.lock"]


def test_nothing_prints_a_key(file: Path) -> None:
    ring = FileKeyring(file)
    shown = repr(ring) + repr(ring.__dict__)
    for line in file.read_text().splitlines():
        assert line.startswith("#") or line.partition(":")[2] not in shown
