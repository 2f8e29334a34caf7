"""The register: applications, integration credentials, client instances."""

from __future__ import annotations

import base64
import secrets
import uuid
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from standardwebhooks import Webhook

from evergrant import journal, vault
from evergrant.accounts import Accounts, NewAccount
from evergrant.errors import (
    ApplicationIncomplete,
    ApplicationRefused,
    Conflict,
    InvalidInput,
    NotAllowed,
    NotFound,
)
from evergrant.ports.things import Application, ClientInstance, JournalLine
from evergrant.registry import Credentials, NewApplication, NewInstance, Promotion, Registry
from evergrant.registry.signing import MOST_FORMER
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import STANDARD, PartnerKind, Region
from evergrant.rules.notices import NoticeKind
from evergrant.rules.receivers import Receivers
from evergrant.rules.rights import Caller, CallerKind, Right, command_line
from evergrant.rules.secrecy import Secret
from evergrant.testing.clock import FakeClock
from evergrant.testing.keyring import MemoryKeyring
from evergrant.testing.store import MemoryStore
from evergrant.vault import Vault

ROOT = command_line("root")


def key(*rights: Right, instance: str | None = None) -> Caller:
    return Caller(
        kind=CallerKind.API_KEY,
        id="key_x",
        name="x",
        rights=frozenset(rights),
        client_instance_id=instance,
    )


def amazon_id() -> str:
    return f"amzn1.sp.solution.{uuid.uuid4()}"


def client_id() -> str:
    return f"amzn1.application-oa2-client.{secrets.token_hex(16)}"


def client_secret() -> Secret:
    return Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}")


def new_application(**wishes: Any) -> NewApplication:
    return NewApplication(**{"name": "Connect", "application_id": amazon_id(), **wishes})


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def keyring() -> MemoryKeyring:
    return MemoryKeyring()


@pytest.fixture
def safe(keyring: MemoryKeyring) -> Vault:
    return Vault(keyring)


@pytest.fixture
def registry(store: MemoryStore, clock: FakeClock, safe: Vault) -> Registry:
    return Registry(store, clock, safe, STANDARD)


@pytest.fixture
async def application(registry: Registry) -> Application:
    return await registry.add_application(
        new_application(partner_kinds=["seller", "vendor"]), by=ROOT
    )


@pytest.fixture
async def instance(registry: Registry) -> ClientInstance:
    return (await registry.add_instance(NewInstance(name="ERP"), by=ROOT)).instance


async def lines(store: MemoryStore, verb: str) -> list[JournalLine]:
    return await journal.read(store, ROOT, verb=verb)


def fields(caught: pytest.ExceptionInfo[InvalidInput]) -> dict[str | None, str]:
    return {flaw.field: flaw.code for flaw in caught.value.flaws}


async def authorize(store: MemoryStore, application: Application, state: State) -> None:
    """An account of this application whose authorization is in that state."""
    if not store.rows["instances"]:
        await Registry(store, FakeClock(), Vault(MemoryKeyring()), STANDARD).add_instance(
            NewInstance(name="ERP"), by=ROOT
        )
    (instance_id,) = store.rows["instances"]
    account = await Accounts(store, FakeClock(), STANDARD).add(
        NewAccount(
            name="Shop",
            partner_kind="seller",
            client_email="a@shop.example",
            application_id=application.id,
            client_instance_id=instance_id,
            region="eu",
            home_marketplace="DE",
        ),
        by=ROOT,
    )
    async with store.transaction() as tx:
        row = await tx.authorizations.one(account_id=account.id)
        assert row is not None
        assert row.region is Region.EU
        await tx.authorizations.change(row.id, state=state)


# --- applications ---------------------------------------------------------------------------


async def test_an_application_is_kept_as_given(
    registry: Registry, store: MemoryStore, clock: FakeClock
) -> None:
    amazon = amazon_id()
    added = await registry.add_application(
        NewApplication(
            name="  Northwind Connect ",
            kind="public",
            partner_kinds=["seller", "vendor"],
            status="Draft",
            application_id=amazon,
            developer_name="Northwind",
            developer_id="1234",
            login_uri="https://connect.northwind.example/amazon/login",
            redirect_uri="https://connect.northwind.example/callback",
            beta_for_vendors=True,
        ),
        by=ROOT,
    )
    assert added.name == "Northwind Connect"
    assert added.kind is ApplicationKind.PUBLIC
    assert added.status is ApplicationStatus.DRAFT
    assert added.partner_kinds == {PartnerKind.SELLER, PartnerKind.VENDOR}
    assert (added.beta_for_sellers, added.beta_for_vendors) == (None, True)
    assert added.created_at == clock.now()
    assert await registry.application(added.id, by=ROOT) == added
    (line,) = await lines(store, "application.added")
    assert line.subject == added.id
    assert line.facts["application_id"] == amazon
    assert line.facts["partner_kinds"] == ["seller", "vendor"]


async def test_all_flaws_of_an_application_at_once(registry: Registry, store: MemoryStore) -> None:
    with pytest.raises(InvalidInput) as caught:
        await registry.add_application(
            NewApplication(
                name=" ",
                kind="pubic",
                partner_kinds=[],
                status="live",
                application_id=client_id(),
                login_uri="http://connect.northwind.example",
                redirect_uri="https://connect.northwind.example/#x",
                beta_for_sellers="yes",  # type: ignore[arg-type]
            ),
            by=ROOT,
        )
    assert fields(caught) == {
        "name": "missing",
        "kind": "unknown_value",
        "partner_kinds": "missing",
        "status": "unknown_value",
        "application_id": "bad_application_id",
        "login_uri": "not_https",
        "redirect_uri": "has_fragment",
        "beta_for_sellers": "wrong_type",
    }
    hints = {flaw.field: flaw.hint for flaw in caught.value.flaws}
    assert hints["kind"] == "Did you mean 'public'?"
    assert "MD1000" in (hints["application_id"] or "")
    assert not store.rows["applications"]
    assert not store.lines


async def test_names_and_amazon_ids_are_unique(
    registry: Registry, application: Application, store: MemoryStore
) -> None:
    with pytest.raises(Conflict, match="of this name") as caught:
        await registry.add_application(new_application(name=application.name), by=ROOT)
    assert caught.value.facts["field"] == "name"
    with pytest.raises(Conflict, match="registered already"):
        await registry.add_application(
            new_application(name="Other", application_id=application.application_id), by=ROOT
        )
    other = await registry.add_application(new_application(name="Other"), by=ROOT)
    with pytest.raises(Conflict, match="of this name"):
        await registry.change_application(other.id, {"name": application.name}, by=ROOT)
    assert len(await lines(store, "application.added")) == 2
    assert not await lines(store, "application.changed")


async def test_changes_are_journaled_and_nothing_else_moves(
    registry: Registry, application: Application, store: MemoryStore, clock: FakeClock
) -> None:
    at = clock.move(days=1)
    changed = await registry.change_application(
        application.id, {"status": "published", "name": application.name}, by=ROOT
    )
    assert changed.status is ApplicationStatus.PUBLISHED
    assert changed.changed_at == at
    (line,) = await lines(store, "application.changed")
    assert line.facts == {"status": "published"}
    again = await registry.change_application(application.id, {"status": "published"}, by=ROOT)
    assert again == changed
    assert len(await lines(store, "application.changed")) == 1


async def test_unknown_names_of_changes_get_a_guess(
    registry: Registry, application: Application
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await registry.change_application(
            application.id, {"redirect_url": "https://x.example", "created_at": "now"}, by=ROOT
        )
    assert fields(caught) == {"redirect_url": "unknown_field", "created_at": "unknown_field"}
    assert caught.value.hint == "Did you mean 'redirect_uri'?"


@pytest.mark.parametrize("state", [State.ACTIVE, State.LAPSED, State.REVOKED])
async def test_identity_is_frozen_once_authorized(
    registry: Registry, application: Application, store: MemoryStore, state: State
) -> None:
    await authorize(store, application, state)
    with pytest.raises(InvalidInput) as caught:
        await registry.change_application(
            application.id,
            {"application_id": amazon_id(), "kind": "private", "partner_kinds": ["vendor"]},
            by=ROOT,
        )
    assert fields(caught) == {
        "application_id": "frozen",
        "kind": "frozen",
        "partner_kinds": "in_use",
    }


async def test_identity_is_free_before_consent(
    registry: Registry, application: Application, store: MemoryStore
) -> None:
    await authorize(store, application, State.AWAITING)
    fresh = amazon_id()
    changed = await registry.change_application(
        application.id, {"application_id": fresh, "partner_kinds": ["seller"]}, by=ROOT
    )
    assert changed.application_id == fresh
    assert changed.partner_kinds == {PartnerKind.SELLER}


async def test_applications_are_found_by_id_name_and_amazon_id(
    registry: Registry, application: Application
) -> None:
    for text in (application.id, application.name, application.application_id):
        assert await registry.find_application(text, by=ROOT) == application
    with pytest.raises(NotFound) as caught:
        await registry.find_application("Conect", by=ROOT)
    assert caught.value.hint == "Did you mean 'Connect'?"
    with pytest.raises(NotFound):
        await registry.application("app_nothing", by=ROOT)


async def test_lists_come_in_pages(registry: Registry, clock: FakeClock) -> None:
    added = []
    for number in range(5):
        clock.move(seconds=1)
        added.append(await registry.add_application(new_application(name=f"A{number}"), by=ROOT))
    first = await registry.applications(by=ROOT, limit=3)
    second = await registry.applications(by=ROOT, limit=3, after=first[-1].id)
    assert first + second == added
    with pytest.raises(InvalidInput) as caught:
        await registry.applications(by=ROOT, limit=0, after="page 2")
    assert set(fields(caught)) == {"limit", "after"}


# --- rights and reach -----------------------------------------------------------------------


async def test_managing_needs_the_right_and_the_whole_reach(
    registry: Registry, application: Application, instance: ClientInstance, store: MemoryStore
) -> None:
    before = len(store.lines)
    weak = key(Right.READ, Right.WRITE, Right.ACCESS_TOKENS)
    bound = key(*Right, instance=instance.id)
    for by in (weak, bound):
        with pytest.raises(NotAllowed):
            await registry.add_application(new_application(name="B"), by=by)
        with pytest.raises(NotAllowed):
            await registry.change_application(application.id, {"name": "B"}, by=by)
        with pytest.raises(NotAllowed):
            await registry.set_credentials(application.id, Credentials(), by=by)
        with pytest.raises(NotAllowed):
            await registry.add_instance(NewInstance(name="B"), by=by)
    with pytest.raises(NotAllowed):
        await registry.change_instance(instance.id, {"name": "B"}, by=weak)
    with pytest.raises(NotAllowed):
        await registry.renew_signing_secret(instance.id, by=weak)
    for by in (key(Right.WRITE), key()):
        with pytest.raises(NotAllowed):
            await registry.applications(by=by)
        with pytest.raises(NotAllowed):
            await registry.application(application.id, by=by)
        with pytest.raises(NotAllowed):
            await registry.find_application("Connect", by=by)
        with pytest.raises(NotAllowed):
            await registry.credentials(application.id, by=by)
        with pytest.raises(NotAllowed):
            await registry.instances(by=by)
        with pytest.raises(NotAllowed):
            await registry.instance(instance.id, by=by)
        with pytest.raises(NotAllowed):
            await registry.find_instance("ERP", by=by)
    assert len(store.lines) == before


async def test_a_bound_key_sees_its_own_instance_alone(
    registry: Registry, application: Application, instance: ClientInstance
) -> None:
    other = (await registry.add_instance(NewInstance(name="ERPs"), by=ROOT)).instance
    bound = key(*Right, instance=instance.id)
    assert await registry.instances(by=bound) == [instance]
    assert await registry.find_instance("ERP", by=bound) == instance
    for text in (other.id, other.name):
        with pytest.raises(NotFound):
            await registry.find_instance(text, by=bound)
    with pytest.raises(NotFound) as caught:
        await registry.find_instance("ERPss", by=bound)
    assert "ERPs" not in (caught.value.hint or "").replace("'ERP'", "")
    with pytest.raises(NotFound):
        await registry.instance(other.id, by=bound)
    with pytest.raises(NotFound):
        await registry.change_instance(other.id, {"name": "mine"}, by=bound)
    with pytest.raises(NotFound):
        await registry.renew_signing_secret(other.id, by=bound)
    assert await registry.applications(by=bound) == [application]
    with pytest.raises(NotAllowed):
        await registry.credentials(application.id, by=bound)


# --- integration credentials ----------------------------------------------------------------


async def test_credentials_lie_in_the_safe_and_speak_for_the_application(
    registry: Registry, application: Application, store: MemoryStore, clock: FakeClock, safe: Vault
) -> None:
    lwa_id, secret = client_id(), client_secret()
    access_key, secret_key = Secret("AKIA" + secrets.token_hex(8).upper()), Secret("s" * 40)
    kept = await registry.set_credentials(
        application.id,
        Credentials(
            lwa_client_id=lwa_id,
            lwa_client_secret=secret,
            secret_created_at=clock.now() - timedelta(days=10),
            role_arn="arn:aws:iam::123456789012:role/Seller",
            access_key=access_key,
            secret_key=secret_key,
            queue_url="https://sqs.eu-west-1.amazonaws.com/123456789012/rotation",
        ),
        by=ROOT,
    )
    assert kept == await registry.credentials(application.id, by=ROOT)
    assert kept.secret_set
    assert kept.secret_key_set
    assert kept.secret_expires_at == clock.now() + timedelta(days=170)
    assert kept.access_key_hint == access_key.reveal()[-4:]
    client = await registry.lwa_client(application.id)
    assert client.lwa_client_id == lwa_id
    assert client.lwa_client_secret == secret
    assert client.lwa_url == STANDARD.lwa_url
    async with store.transaction() as tx:
        assert await safe.open(tx, vault.aws_access_key(application.id)) == access_key
        assert await safe.open(tx, vault.aws_secret_key(application.id)) == secret_key
    everything = repr(store.rows) + repr(store.lines)
    for one in (secret, access_key, secret_key):
        assert one.reveal() not in everything
    (line,) = await lines(store, "application.credentials_set")
    assert "lwa_client_secret" in line.facts["fields"]


async def test_none_leaves_and_empty_removes(
    registry: Registry, application: Application, store: MemoryStore
) -> None:
    await registry.set_credentials(
        application.id,
        Credentials(
            lwa_client_id=client_id(),
            lwa_client_secret=client_secret(),
            lwa_url="http://127.0.0.1:9/auth/o2/token",
            role_arn="arn:aws:iam::123456789012:role/Seller",
            access_key=Secret("A" * 20),
            secret_key=Secret("b" * 40),
        ),
        by=ROOT,
    )
    assert (await registry.lwa_client(application.id)).lwa_url == "http://127.0.0.1:9/auth/o2/token"
    kept = await registry.set_credentials(application.id, Credentials(lwa_url=""), by=ROOT)
    assert kept.role_arn
    assert kept.secret_key_set
    assert (await registry.lwa_client(application.id)).lwa_url == STANDARD.lwa_url
    with pytest.raises(InvalidInput) as caught:
        await registry.set_credentials(application.id, Credentials(secret_key=Secret("")), by=ROOT)
    assert fields(caught) == {"secret_key": "missing"}
    gone = await registry.set_credentials(
        application.id,
        Credentials(role_arn="", access_key=Secret(""), secret_key=Secret("")),
        by=ROOT,
    )
    assert (gone.role_arn, gone.access_key_hint, gone.secret_key_set) == ("", "", False)
    assert {name for name in store.rows["safe"] if "aws" in name} == set()


async def test_a_replaced_secret_is_kept_for_the_overlap(
    registry: Registry, application: Application, store: MemoryStore, clock: FakeClock, safe: Vault
) -> None:
    first, second = client_secret(), client_secret()
    await registry.set_credentials(
        application.id,
        Credentials(lwa_client_id=client_id(), lwa_client_secret=first),
        by=ROOT,
    )
    kept = await registry.set_credentials(
        application.id, Credentials(lwa_client_secret=second), by=ROOT
    )
    assert kept.previous_secret_ends_at == clock.now() + timedelta(days=7)
    assert kept.secret_expires_at is None
    assert (await registry.lwa_client(application.id)).lwa_client_secret == second
    name = vault.previous_client_secret(application.id)
    async with store.transaction() as tx:
        assert await safe.open(tx, name) == first
        sealed = await tx.safe.get(name)
    assert sealed is not None
    assert sealed.expires_at == kept.previous_secret_ends_at
    clock.move(days=1)
    same = await registry.set_credentials(
        application.id,
        Credentials(lwa_client_secret=second, secret_created_at=clock.now()),
        by=ROOT,
    )
    assert same.previous_secret_ends_at == kept.previous_secret_ends_at
    assert same.secret_expires_at == clock.now() + timedelta(days=180)


async def test_the_overlap_ends_with_the_old_secret(
    registry: Registry, application: Application, clock: FakeClock
) -> None:
    ends_at = clock.now() + timedelta(days=2)
    await registry.set_credentials(
        application.id,
        Credentials(
            lwa_client_id=client_id(), lwa_client_secret=client_secret(), secret_expires_at=ends_at
        ),
        by=ROOT,
    )
    kept = await registry.set_credentials(
        application.id, Credentials(lwa_client_secret=client_secret()), by=ROOT
    )
    assert kept.previous_secret_ends_at == ends_at


async def test_another_client_id_takes_its_own_secret(
    registry: Registry, application: Application, store: MemoryStore
) -> None:
    await registry.set_credentials(
        application.id,
        Credentials(lwa_client_id=client_id(), lwa_client_secret=client_secret()),
        by=ROOT,
    )
    with pytest.raises(InvalidInput) as caught:
        await registry.set_credentials(
            application.id, Credentials(lwa_client_id=client_id()), by=ROOT
        )
    assert fields(caught) == {"lwa_client_secret": "missing"}
    kept = await registry.set_credentials(
        application.id,
        Credentials(lwa_client_id=client_id(), lwa_client_secret=client_secret()),
        by=ROOT,
    )
    assert kept.previous_secret_ends_at is None
    assert vault.previous_client_secret(application.id) not in store.rows["safe"]


async def test_the_client_id_is_frozen_once_authorized(
    registry: Registry, application: Application, store: MemoryStore
) -> None:
    lwa_id = client_id()
    await registry.set_credentials(
        application.id,
        Credentials(lwa_client_id=lwa_id, lwa_client_secret=client_secret()),
        by=ROOT,
    )
    await authorize(store, application, State.ACTIVE)
    with pytest.raises(InvalidInput) as caught:
        await registry.set_credentials(
            application.id,
            Credentials(lwa_client_id=client_id(), lwa_client_secret=client_secret()),
            by=ROOT,
        )
    assert fields(caught) == {"lwa_client_id": "frozen"}
    await registry.set_credentials(
        application.id,
        Credentials(lwa_client_id=lwa_id, lwa_client_secret=client_secret()),
        by=ROOT,
    )


async def test_an_lwa_client_belongs_to_one_application(
    registry: Registry, application: Application
) -> None:
    lwa_id = client_id()
    await registry.set_credentials(application.id, Credentials(lwa_client_id=lwa_id), by=ROOT)
    other = await registry.add_application(new_application(name="Other"), by=ROOT)
    with pytest.raises(InvalidInput) as caught:
        await registry.set_credentials(other.id, Credentials(lwa_client_id=lwa_id), by=ROOT)
    assert fields(caught) == {"lwa_client_id": "in_use"}


async def test_all_flaws_of_credentials_at_once(
    registry: Registry, application: Application, store: MemoryStore, clock: FakeClock
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await registry.set_credentials(
            application.id,
            Credentials(
                lwa_client_id=application.application_id,
                lwa_client_secret=Secret(client_id()),
                secret_created_at=clock.now() + timedelta(days=3),
                lwa_url="ftp://x.example",
                role_arn="role",
                access_key=Secret("short"),
                queue_url="https://sqs.eu-west-1.amazonaws.com/123456789012/x.fifo",
            ),
            by=ROOT,
        )
    assert fields(caught) == {
        "lwa_client_id": "bad_lwa_client_id",
        "lwa_client_secret": "bad_client_secret",
        "secret_created_at": "out_of_range",
        "lwa_url": "not_https",
        "role_arn": "bad_role_arn",
        "access_key": "invalid",
        "secret_key": "missing",
        "queue_url": "fifo_queue",
    }
    assert not store.rows["credentials"]
    assert not store.rows["safe"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"secret_expires_at": datetime(2026, 1, 1, tzinfo=UTC)}, "secret_expires_at"),
        ({"secret_created_at": datetime(2025, 1, 1, tzinfo=UTC)}, "secret_created_at"),
        ({"secret_created_at": datetime(2026, 2, 1)}, "secret_created_at"),  # noqa: DTZ001
        (
            {
                "secret_created_at": datetime(2026, 2, 1, tzinfo=UTC),
                "secret_expires_at": datetime(2026, 1, 1, tzinfo=UTC),
            },
            "secret_expires_at",
        ),
    ],
)
async def test_dates_that_cannot_be(
    registry: Registry, application: Application, given: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await registry.set_credentials(
            application.id,
            Credentials(lwa_client_id=client_id(), lwa_client_secret=client_secret(), **given),
            by=ROOT,
        )
    assert field in fields(caught)


@pytest.mark.parametrize(
    "secret", [Secret(""), Secret("Atzr|" + "x" * 40), Secret("two words here"), Secret("x" * 600)]
)
async def test_what_is_no_client_secret(
    registry: Registry, application: Application, secret: Secret
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await registry.set_credentials(
            application.id,
            Credentials(lwa_client_id=client_id(), lwa_client_secret=secret),
            by=ROOT,
        )
    assert fields(caught) == {"lwa_client_secret": "bad_client_secret"}
    assert len(secret.reveal()) < 5 or secret.reveal() not in str(caught.value)


async def test_a_date_needs_a_secret(
    registry: Registry, application: Application, clock: FakeClock
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await registry.set_credentials(
            application.id, Credentials(secret_created_at=clock.now()), by=ROOT
        )
    assert fields(caught) == {"lwa_client_id": "missing", "lwa_client_secret": "missing"}


async def test_a_lost_seal_is_repaired_by_setting_the_secret_again(
    registry: Registry, application: Application, keyring: MemoryKeyring
) -> None:
    await registry.set_credentials(
        application.id,
        Credentials(lwa_client_id=client_id(), lwa_client_secret=client_secret()),
        by=ROOT,
    )
    (lost,) = await keyring.key_ids()
    await keyring.add_key()
    keyring.lose(lost)
    fresh = client_secret()
    await registry.set_credentials(application.id, Credentials(lwa_client_secret=fresh), by=ROOT)
    assert (await registry.lwa_client(application.id)).lwa_client_secret == fresh


async def test_an_incomplete_application_says_what_it_lacks(
    registry: Registry, application: Application
) -> None:
    with pytest.raises(NotFound):
        await registry.credentials(application.id, by=ROOT)
    with pytest.raises(ApplicationIncomplete, match="client id"):
        await registry.lwa_client(application.id)
    await registry.set_credentials(application.id, Credentials(lwa_client_id=client_id()), by=ROOT)
    with pytest.raises(ApplicationIncomplete, match="client secret"):
        await registry.lwa_client(application.id)


async def test_trouble_is_one_incident(
    registry: Registry, application: Application, store: MemoryStore, clock: FakeClock
) -> None:
    refused = ApplicationRefused("invalid_client", "Client authentication failed")
    assert not await registry.note_application_trouble(application.id, refused)
    await registry.set_credentials(application.id, Credentials(lwa_client_id=client_id()), by=ROOT)
    assert not await registry.note_application_trouble(application.id, None)
    began_at = clock.now()
    assert await registry.note_application_trouble(application.id, refused)
    clock.move(minutes=5)
    assert not await registry.note_application_trouble(application.id, refused)
    kept = await registry.credentials(application.id, by=ROOT)
    assert kept.trouble == "invalid_client: Client authentication failed"
    assert kept.trouble_since == began_at
    assert await registry.note_application_trouble(application.id, None)
    assert not await registry.note_application_trouble(application.id, None)
    assert (await registry.credentials(application.id, by=ROOT)).trouble == ""
    assert len(await lines(store, "application.trouble_began")) == 1
    (ended,) = await lines(store, "application.trouble_ended")
    assert ended.facts["since"] == began_at.isoformat()


# --- client instances -----------------------------------------------------------------------


async def test_an_instance_gets_a_signing_secret_that_is_shown_once(
    registry: Registry, store: MemoryStore, clock: FakeClock
) -> None:
    instance, secret = await registry.add_instance(
        NewInstance(
            name="ERP",
            base_url="https://erp.northwind.example",
            return_url="https://erp.northwind.example/amazon",
            webhook_url="http://127.0.0.1:9/hook",
        ),
        by=ROOT,
    )
    assert await registry.signing_secrets(instance.id) == (secret,)
    prefix, _, body = secret.reveal().partition("_")
    assert prefix == "whsec"
    assert len(base64.b64decode(body)) == 32
    signed = Webhook(secret.reveal()).sign("out_1", datetime.now(UTC), "{}")
    assert signed.startswith("v1,")
    assert secret.reveal() not in repr(store.rows) + repr(store.lines) + repr(instance)
    fresh = await registry.renew_signing_secret(instance.id, by=ROOT)
    assert fresh != secret
    assert await registry.signing_secrets(instance.id) == (fresh, secret)
    assert len(await lines(store, "instance.signing_secret_renewed")) == 1


async def test_a_former_signing_secret_signs_for_a_day(
    registry: Registry, clock: FakeClock, store: MemoryStore
) -> None:
    added, first = await registry.add_instance(NewInstance(name="ERP"), by=ROOT)
    assert added.signing_secret_made_at == clock.now()
    clock.move(hours=1)
    second = await registry.renew_signing_secret(added.id, by=ROOT)
    changed = await registry.instance(added.id, by=ROOT)
    assert changed.signing_secret_made_at == clock.now()
    assert second.reveal() not in repr(store.rows) + repr(store.lines)
    clock.move(hours=1)
    # As after an answer that got lost: the receiver still knows the first one alone.
    third = await registry.renew_signing_secret(added.id, by=ROOT)
    assert await registry.signing_secrets(added.id) == (third, second, first)
    clock.move(hours=23, minutes=59)
    assert len(await registry.signing_secrets(added.id)) == 3
    clock.move(minutes=1)
    assert await registry.signing_secrets(added.id) == (third,)
    for _ in range(MOST_FORMER + 2):
        await registry.renew_signing_secret(added.id, by=ROOT)
    assert len(await registry.signing_secrets(added.id)) == 1 + MOST_FORMER


async def test_an_instance_may_come_with_its_signing_secret(registry: Registry) -> None:
    known = Secret("whsec_" + base64.b64encode(secrets.token_bytes(24)).decode())
    added, secret = await registry.add_instance(
        NewInstance(name="ERP"), by=ROOT, signing_secret=known
    )
    assert (secret, await registry.signing_secrets(added.id)) == (known, (known,))
    other = Secret("whsec_" + base64.b64encode(secrets.token_bytes(24)).decode())
    await registry.restore_signing_secret(added.id, other, by=ROOT)
    assert await registry.signing_secrets(added.id) == (other, known)
    await registry.restore_signing_secret(added.id, other, by=ROOT)
    assert await registry.signing_secrets(added.id) == (other, known)


async def test_flaws_of_an_instance(registry: Registry, instance: ClientInstance) -> None:
    with pytest.raises(InvalidInput) as caught:
        await registry.add_instance(
            NewInstance(name="x" * 201, base_url="erp", webhook_url="https://u:p@x.example"),
            by=ROOT,
        )
    assert set(fields(caught)) == {"name", "base_url", "webhook_url"}
    with pytest.raises(Conflict):
        await registry.add_instance(NewInstance(name=instance.name), by=ROOT)
    with pytest.raises(InvalidInput) as caught:
        await registry.change_instance(instance.id, {"webhook": "x", "return_url": 7}, by=ROOT)
    assert fields(caught) == {"webhook": "unknown_field", "return_url": "wrong_type"}
    assert "webhook_url" in (caught.value.hint or "")


async def test_a_webhook_url_that_nothing_could_go_to_is_refused(
    store: MemoryStore, safe: Vault, clock: FakeClock
) -> None:
    receivers = Receivers([ip_network("10.20.0.0/16")])
    registry = Registry(store, clock, safe, STANDARD, receivers=receivers)
    added, _ = await registry.add_instance(
        NewInstance(name="ERP", webhook_url="http://erp.internal:8000/hook"), by=ROOT
    )
    with pytest.raises(InvalidInput) as caught:
        await registry.change_instance(
            added.id, {"webhook_url": "http://192.168.0.1/hook"}, by=ROOT
        )
    assert fields(caught) == {"webhook_url": "internal_address"}
    assert "EVERGRANT_WEBHOOK_NETWORKS" in (caught.value.hint or "")


async def test_an_instance_changes(
    registry: Registry, instance: ClientInstance, store: MemoryStore
) -> None:
    changed = await registry.change_instance(
        instance.id, {"webhook_url": "https://erp.northwind.example/hook"}, by=ROOT
    )
    assert changed.webhook_url == "https://erp.northwind.example/hook"
    cleared = await registry.change_instance(instance.id, {"webhook_url": None}, by=ROOT)
    assert cleared.webhook_url == ""
    assert len(await lines(store, "instance.changed")) == 2
    with pytest.raises(NotFound):
        await registry.change_instance("ins_none", {}, by=ROOT)


async def test_an_instance_is_seen_at_most_once_a_minute(
    registry: Registry, instance: ClientInstance, clock: FakeClock
) -> None:
    first = clock.now()
    await registry.note_seen(instance.id)
    clock.move(seconds=59)
    await registry.note_seen(instance.id)
    assert (await registry.instance(instance.id, by=ROOT)).last_seen_at == first
    second = clock.move(seconds=1)
    await registry.note_seen(instance.id)
    assert (await registry.instance(instance.id, by=ROOT)).last_seen_at == second
    await registry.note_seen("ins_gone")


async def test_no_webhook_secret_of_an_unknown_instance(registry: Registry) -> None:
    assert await registry.signing_secrets("ins_none") == ()


# --- one incident, and the client secret before -------------------------------------------------


class Ringing:
    def __init__(self) -> None:
        self.rung: list[str] = []

    async def ring(self, outbox_ids: list[str]) -> None:
        self.rung += outbox_ids


async def test_an_incident_is_told_once_to_everybody_who_has_to_know(
    store: MemoryStore, clock: FakeClock, safe: Vault
) -> None:
    bell = Ringing()
    registry = Registry(
        store,
        clock,
        safe,
        STANDARD,
        bell=bell,  # type: ignore[arg-type]
        operators="operators@house.example",
    )
    application = await registry.add_application(new_application(), by=ROOT)
    await registry.set_credentials(
        application.id,
        Credentials(
            lwa_client_id=client_id(),
            lwa_client_secret=client_secret(),
            secret_created_at=clock.now() - timedelta(days=179),
        ),
        by=ROOT,
    )
    instance = (
        await registry.add_instance(
            NewInstance(name="ERP", webhook_url="https://erp.example/hook"), by=ROOT
        )
    ).instance
    await Accounts(store, clock, STANDARD).add(
        NewAccount(
            name="Shop",
            partner_kind="seller",
            client_email="shop@example.com",
            application_id=application.id,
            client_instance_id=instance.id,
            region="eu",
            home_marketplace="DE",
        ),
        by=ROOT,
    )
    refused = ApplicationRefused("invalid_client", "Client authentication failed")
    for dead, topic, kind in (
        (False, "secret.failed", NoticeKind.APPLICATION_REFUSED),
        (True, "secret.dead", NoticeKind.SECRET_DEAD),
    ):
        if dead:
            clock.move(days=2)
        bell.rung.clear()
        assert await registry.note_application_trouble(application.id, refused)
        assert not await registry.note_application_trouble(application.id, refused)
        async with store.transaction() as tx:
            (notice,) = await tx.notices.all(settled_at=None)
            waiting = await tx.outbox.all(topic=(topic, "secret_incident"))
            letters = [one for one in waiting if one.topic == "secret_incident"]
            events = [one for one in waiting if one.topic == topic]
        assert notice.kind is kind
        assert len(events) == 1
        assert letters[-1].to == "operators@house.example"
        assert letters[-1].facts["dead"] is dead
        assert len(bell.rung) == 2, "one letter, one event"
        assert await registry.note_application_trouble(application.id, None)
        async with store.transaction() as tx:
            assert await tx.notices.all(settled_at=None) == []


async def test_the_former_secret_is_at_hand_while_amazon_may_take_it(
    registry: Registry, application: Application, clock: FakeClock, keyring: MemoryKeyring
) -> None:
    assert await registry.previous_lwa_client(application.id) is None
    first, second = client_secret(), client_secret()
    given = Credentials(lwa_client_id=client_id(), lwa_client_secret=first)
    await registry.set_credentials(application.id, given, by=ROOT)
    assert await registry.previous_lwa_client(application.id) is None
    await registry.set_credentials(application.id, Credentials(lwa_client_secret=second), by=ROOT)
    former = await registry.previous_lwa_client(application.id)
    assert former is not None
    assert former.lwa_client_secret == first
    assert former.lwa_client_id == (await registry.lwa_client(application.id)).lwa_client_id
    clock.move(days=7)
    assert await registry.previous_lwa_client(application.id) is None


async def test_a_promotion_gives_way_to_whoever_changed_the_credentials(
    store: MemoryStore, registry: Registry, application: Application, clock: FakeClock, safe: Vault
) -> None:
    first, second, third = client_secret(), client_secret(), client_secret()
    given = Credentials(lwa_client_id=client_id(), lwa_client_secret=first)
    seen = await registry.set_credentials(application.id, given, by=ROOT)
    clock.move(seconds=1)
    await registry.set_credentials(application.id, Credentials(lwa_client_secret=second), by=ROOT)
    promotion = Promotion(secret=third, created_at=None, expires_at=None)
    with pytest.raises(Conflict):
        async with store.transaction() as tx:
            await registry.promote_client_secret(tx, seen, promotion, now=clock.now())
    assert (await registry.lwa_client(application.id)).lwa_client_secret == second
    fresh = await registry.credentials(application.id, by=ROOT)
    dies_at = clock.now() + timedelta(days=3)
    async with store.transaction() as tx:
        kept = await registry.promote_client_secret(
            tx,
            fresh,
            Promotion(secret=third, created_at=None, expires_at=None, previous_ends_at=dies_at),
            now=clock.now(),
        )
    assert kept.previous_secret_ends_at == dies_at
    async with store.transaction() as tx:
        assert await safe.open(tx, vault.client_secret(application.id)) == third
        assert await safe.open(tx, vault.previous_client_secret(application.id)) == second
