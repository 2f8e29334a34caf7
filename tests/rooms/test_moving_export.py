"""Moving out: what is exported comes in the same elsewhere, and without a secret in sight."""

from __future__ import annotations

import json
import secrets
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evergrant import vault
from evergrant.accounts import NewAccount
from evergrant.adapters.keyring import PassphraseKeyring
from evergrant.desk import Desk
from evergrant.errors import InvalidInput
from evergrant.moving import Sealing, Step, Thing, read, write_file
from evergrant.moving.values import Outcome
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules.flags import Flag
from evergrant.rules.lifecycle import State
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from evergrant.testing.desk import Fakes, desk
from evergrant.testing.keyring import MemoryKeyring
from tests.rooms.moving_house import Former, as_json, client_id, client_secret, merchant, uuid

WEAK = 2**15


def sealing_in_memory() -> Sealing:
    """A ring with real seals and no scrypt, for what is not about passphrases."""
    return Sealing(keyring=MemoryKeyring(), parameters={"kdf": "test"})


async def house() -> tuple[Fakes, Desk]:
    """One with everything in it that an export carries."""
    fakes = Fakes()
    here = desk(fakes)
    registry = here.registry
    applications = []
    for number, kind in enumerate(("public", "private")):
        application = await registry.add_application(
            NewApplication(
                name=f"Connector {number}",
                kind=kind,
                partner_kinds=("seller", "vendor"),
                status="published" if number else "draft",
                application_id=f"amzn1.sp.solution.{uuid()}",
                developer_name="Northwind",
                redirect_uri="https://connect.northwind.example/callback",
                beta_for_vendors=True,
                reminder_days=(30, 3) if number else (),
            ),
            by=SYSTEM,
        )
        applications.append(application.id)
        lwa_client_id, secret = client_id(), Secret(client_secret())
        fakes.lwa.add_client(lwa_client_id, secret)
        await registry.set_credentials(
            application.id,
            Credentials(
                lwa_client_id=lwa_client_id,
                lwa_client_secret=secret,
                secret_created_at=fakes.clock.now(),
                access_key=Secret("A" * 16 + secrets.token_hex(2)),
                secret_key=Secret(secrets.token_hex(20)),
                role_arn="arn:aws:iam::123456789012:role/rotation",
                queue_url="https://sqs.eu-west-1.amazonaws.com/123456789012/secrets",
            )
            if number == 0
            else Credentials(lwa_client_id=lwa_client_id, lwa_client_secret=secret),
            by=SYSTEM,
        )
    one = await registry.add_instance(
        NewInstance(
            name="ERP", base_url="https://erp.example", webhook_url="https://erp.example/h"
        ),
        by=SYSTEM,
    )
    for number in range(5):
        await _account(fakes, here, number, applications[number % 2], one.instance.id)
    return fakes, here


async def _account(
    fakes: Fakes, here: Desk, number: int, application_id: str, instance_id: str
) -> None:
    vendor = number == 3
    fakes.clock.move(milliseconds=1)  # ids sort by the millisecond
    account = await here.accounts.add(
        NewAccount(
            name=f"Shop {number}",
            partner_kind="vendor" if vendor else "seller",
            vendor_kind="direct_fulfillment" if vendor else None,
            vendor_codes=("MILL1", "MILL2") if vendor else (),
            client_email=f"owner{number}@shop.example",
            application_id=application_id,
            client_instance_id=instance_id,
            region="na" if number == 2 else "eu",
            home_marketplace="US" if number == 2 else "UK",
            merchant_token="" if vendor else merchant(),
            flags={Flag.SHIP_ORDERS: number % 2 == 0},
            language="de" if number == 1 else "en",
            notes='Öffnet um 9;\n"montags" nie' if number == 1 else "",
        ),
        by=SYSTEM,
    )
    if number == 4:
        await here.accounts.close(account.id, by=SYSTEM)
        return
    credentials = await here.registry.credentials(application_id, by=SYSTEM)
    partner = account.merchant_token or "GROUP7"
    await here.consent.adopt(
        account.id,
        fakes.lwa.grant(credentials.lwa_client_id, partner),
        selling_partner_id=partner,
        granted_at=None if number == 1 else fakes.clock.now(),
        by=SYSTEM,
    )


def another_house(fakes: Fakes) -> tuple[Fakes, Desk]:
    """Empty, with a key ring of its own; Amazon is the same."""
    fresh = Fakes(clock=fakes.clock)
    fresh.lwa = fakes.lwa
    fresh.selling_partner_api = fakes.selling_partner_api
    return fresh, desk(fresh)


async def books_of(fakes: Fakes, here: Desk, *, with_secrets: bool = True) -> dict[str, Any]:
    """All that an export carries, by names instead of ids."""
    rows = fakes.store.rows
    applications = {one.id: one.name for one in rows["applications"].values()}
    instances = {one.id: one.name for one in rows["instances"].values()}
    ours = {"id", "created_at", "changed_at", "application_id", "client_instance_id"}

    def plain(thing: Any, *left_out: str) -> dict[str, Any]:
        names = [name for name in thing.__dataclass_fields__ if name not in {*ours, *left_out}]
        return {name: getattr(thing, name) for name in names}

    async def opened(name: str) -> str | None:
        async with fakes.store.transaction() as tx:
            secret = await here.vault.open(tx, name)
        return secret.reveal() if secret is not None and with_secrets else None

    found: dict[str, Any] = {}
    for one in rows["applications"].values():
        found[one.name] = (plain(one), one.application_id)
    for one in rows["credentials"].values():
        found[f"{applications[one.id]}/credentials"] = (
            plain(one, *(() if with_secrets else _OF_SECRETS)),
            await opened(vault.client_secret(one.id)),
            await opened(vault.aws_access_key(one.id)),
            await opened(vault.aws_secret_key(one.id)),
        )
    for one in rows["instances"].values():
        found[one.name] = (
            plain(one, "signing_secret_made_at"),
            await opened(vault.signing_secret(one.id)),
        )
    of = {one.account_id: one for one in rows["authorizations"].values()}
    for one in rows["accounts"].values():
        own = of[one.id]
        authorization = (
            (own.state, own.selling_partner_id, own.granted_at, own.term_ends_at)
            if with_secrets or own.state is State.CLOSED
            else ()
        )
        found[one.name] = (
            plain(one, "oauth_began", "oauth_began_at"),
            applications[one.application_id],
            instances[one.client_instance_id],
            authorization,
            await opened(vault.refresh_token(own.grant_id)) if own.grant_id else None,
        )
    return found


_OF_SECRETS = (
    *("secret_set", "secret_created_at", "secret_expires_at", "access_key_hint"),
    *("secret_key_set", "trouble", "trouble_since"),
)


async def test_whatever_is_exported_comes_in_the_same(tmp_path: Path) -> None:
    fakes, here = await house()
    words = Secret(secrets.token_hex(10))
    ring = await PassphraseKeyring.fresh(words, n=WEAK)
    exported = await here.moving.export(
        by=SYSTEM, sealing=Sealing(keyring=ring, parameters=ring.parameters)
    )
    file = tmp_path / "books.json"
    write_file(file, exported.text())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert exported.secrets == 2 + 2 + 1 + 4  # client secrets, AWS keys, one signing secret, grants

    books = read(file)
    assert books.ours
    assert books.sealing is not None
    fresh, there = another_house(fakes)
    keyring = await PassphraseKeyring.opened(words, books.sealing)
    planned = await there.moving.look(books, by=SYSTEM, keyring=keyring)
    assert planned.clean
    report = await there.moving.carry_out(books, by=SYSTEM, keyring=keyring)
    assert report.clean, [one for one in report.entries if one.outcome is not Outcome.DONE]
    assert await books_of(fresh, there) == await books_of(fakes, here)

    again = await there.moving.carry_out(books, by=SYSTEM, keyring=keyring)
    assert {one.step for one in again.entries} == {Step.LEAVE}
    home = await here.moving.look(books, by=SYSTEM, keyring=keyring)
    assert {one.step for one in home.entries} == {Step.LEAVE}


async def test_without_secrets_there_is_none(tmp_path: Path) -> None:
    fakes, here = await house()
    exported = await here.moving.export(by=SYSTEM)
    assert exported.secrets == 0
    assert '"sealed"' not in exported.text()
    for secret in await _secrets(fakes, here):
        assert secret not in exported.text()
    file = tmp_path / "books.json"
    write_file(file, exported.text())
    fresh, there = another_house(fakes)
    report = await there.moving.carry_out(read(file), by=SYSTEM)
    assert report.clean
    ours = await books_of(fakes, here, with_secrets=False)
    theirs = await books_of(fresh, there, with_secrets=False)
    assert theirs == ours


async def _secrets(fakes: Fakes, here: Desk) -> list[str]:
    async with fakes.store.transaction() as tx:
        names = [one.id for one in await tx.safe.all()]
        opened = [await here.vault.open(tx, name) for name in names]
    found = [one.reveal() for one in opened if one is not None]
    assert len(found) > 8
    return found


async def test_sealed_secrets_are_in_no_document_report_or_journal(tmp_path: Path) -> None:
    fakes, here = await house()
    sealing = sealing_in_memory()
    exported = await here.moving.export(by=SYSTEM, sealing=sealing)
    file = tmp_path / "books.json"
    write_file(file, exported.text())
    fresh, there = another_house(fakes)
    books = read(file)
    report = await there.moving.carry_out(books, by=SYSTEM, keyring=sealing.keyring)
    shown = exported.text() + repr((exported, books, report, fakes.store.lines, fresh.store.lines))
    rows = {name: found for name, found in fresh.store.rows.items() if name != "safe"}
    shown += repr(rows)
    for secret in await _secrets(fakes, here):
        assert secret not in shown
    verbs = [line.verb for line in fakes.store.lines]
    assert verbs.count("books.exported") == 1
    (line,) = [one for one in fakes.store.lines if one.verb == "books.exported"]
    assert line.facts == {
        "counts": {
            "integration": 2,
            "integration_credentials": 2,
            "client": 1,
            "account_amazon": 5,
        },
        "sealed": 9,
    }


async def test_what_was_moved_or_damaged_does_not_come_in(tmp_path: Path) -> None:
    fakes, here = await house()
    sealing = sealing_in_memory()
    document = json.loads((await here.moving.export(by=SYSTEM, sealing=sealing)).text())
    accounts = document["account_amazon"]
    # Somebody gives the refresh token of the second shop of an application to the first.
    accounts[0]["refresh_token"] = accounts[2]["refresh_token"]
    accounts[1]["refresh_token"]["sealed"] = "AAAA" + accounts[1]["refresh_token"]["sealed"][4:]
    accounts[3]["refresh_token"]["sealed"] = "no base64"
    file = tmp_path / "books.json"
    file.write_text(json.dumps(document))
    _, there = another_house(fakes)
    report = await there.moving.carry_out(read(file), by=SYSTEM, keyring=sealing.keyring)
    lines = {one.number: one for one in report.entries if one.thing is Thing.ACCOUNT}
    for number in (1, 2):
        assert lines[number].step is Step.REFUSE
        assert "refresh_token does not open" in lines[number].why
    assert "damaged" in lines[4].why
    assert lines[3].outcome is Outcome.DONE


async def test_sealed_books_need_their_passphrase(tmp_path: Path) -> None:
    fakes, here = await house()
    exported = await here.moving.export(by=SYSTEM, sealing=sealing_in_memory())
    file = tmp_path / "books.json"
    write_file(file, exported.text())
    _, there = another_house(fakes)
    with pytest.raises(InvalidInput, match="are sealed"):
        await there.moving.look(read(file), by=SYSTEM)


async def test_secrets_that_do_not_open_here_are_told_and_left_out() -> None:
    fakes, here = await house()
    fakes.keyring.lose(await fakes.keyring.current_key_id())
    exported = await here.moving.export(by=SYSTEM, sealing=sealing_in_memory())
    assert exported.secrets == 0
    assert len(exported.unreadable) == 9


async def test_an_empty_instance_whose_signing_secret_is_lost_gets_it_back(
    tmp_path: Path,
) -> None:
    """As after a run that broke between the instance and its secret."""
    fakes, here = await house()
    sealing = sealing_in_memory()
    file = tmp_path / "books.json"
    write_file(file, (await here.moving.export(by=SYSTEM, sealing=sealing)).text())
    fresh, there = another_house(fakes)
    added = await there.registry.add_instance(NewInstance(name="ERP"), by=SYSTEM)
    fresh.keyring.lose(await fresh.keyring.current_key_id())
    fresh.keyring._add()
    report = await there.moving.carry_out(read(file), by=SYSTEM, keyring=sealing.keyring)
    (line,) = [one for one in report.entries if one.thing is Thing.INSTANCE]
    assert (line.step, line.outcome) == (Step.COMPLETE, Outcome.DONE)
    (instance,) = fakes.store.rows["instances"].values()
    assert await there.registry.signing_secrets(
        added.instance.id
    ) == await here.registry.signing_secrets(instance.id)


async def test_an_instance_in_use_keeps_its_signing_secret(tmp_path: Path) -> None:
    fakes, here = await house()
    sealing = sealing_in_memory()
    file = tmp_path / "books.json"
    write_file(file, (await here.moving.export(by=SYSTEM, sealing=sealing)).text())
    (instance,) = fakes.store.rows["instances"].values()
    await here.registry.renew_signing_secret(instance.id, by=SYSTEM)
    report = await here.moving.carry_out(read(file), by=SYSTEM, keyring=sealing.keyring)
    (line,) = [one for one in report.entries if one.thing is Thing.INSTANCE]
    assert (line.step, line.outcome) == (Step.LEAVE, None)
    assert "stays" in line.questions[0]


async def test_a_dead_authorization_comes_in_as_one_that_waits(tmp_path: Path) -> None:
    fakes, here = await house()
    sealing = sealing_in_memory()
    file = tmp_path / "books.json"
    write_file(file, (await here.moving.export(by=SYSTEM, sealing=sealing)).text())
    fakes.clock.move(days=400)
    _, there = another_house(fakes)
    report = await there.moving.carry_out(read(file), by=SYSTEM, keyring=sealing.keyring)
    lines = [one for one in report.entries if one.thing is Thing.AUTHORIZATION]
    steps = {one.name: one.step for one in lines}
    # By then the client secret of the public application is dead, so nothing can be tried.
    assert (steps["Shop 0"], steps["Shop 2"]) == (Step.REFUSE, Step.REFUSE)
    assert (steps["Shop 1"], steps["Shop 3"]) == (Step.ADD, Step.ADD)


names = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=names.filter(lambda it: len(it) <= 60),
    notes=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=80),
    flags=st.dictionaries(st.sampled_from(list(Flag)), st.booleans()),
)
async def test_any_account_makes_the_round_trip(
    tmp_path: Path, name: str, notes: str, flags: dict[Flag, bool]
) -> None:
    former = Former()
    former.rows["account_amazon"] = [former.account(1, "First")]
    await former.desk.moving.carry_out(read(as_json(former.rows, tmp_path / "f.json")), by=SYSTEM)
    (account,) = former.fakes.store.rows["accounts"].values()
    try:
        await former.desk.accounts.change(
            account.id, {"name": name, "notes": notes, "flags": flags}, by=SYSTEM
        )
    except InvalidInput:
        return  # no name or notes that we take
    sealing = sealing_in_memory()
    file = tmp_path / "books.json"
    write_file(file, (await former.desk.moving.export(by=SYSTEM, sealing=sealing)).text())
    fresh, there = another_house(former.fakes)
    report = await there.moving.carry_out(read(file), by=SYSTEM, keyring=sealing.keyring)
    assert report.clean, report
    assert await books_of(fresh, there) == await books_of(former.fakes, former.desk)


def test_files_are_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "books.json"
    write_file(file, "old")

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("evergrant.moving.writing.os.fsync", fails)
    with pytest.raises(InvalidInput, match="No space left"):
        write_file(file, "new")
    assert file.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["books.json"]
