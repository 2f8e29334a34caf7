"""The account book: what an account may be, who sees it, closing, participations."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from evergrant import journal, notices
from evergrant.accounts import Accounts, NewAccount
from evergrant.errors import Conflict, InvalidInput, NotAllowed, NotFound
from evergrant.ports.amazon import ReportedParticipation
from evergrant.ports.things import (
    Account,
    Grant,
    GrantSource,
    Invitation,
    InvitationState,
    JournalLine,
)
from evergrant.registry import NewApplication, NewInstance, Registry
from evergrant.rules.flags import Flag
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import STANDARD, PartnerKind, Region, VendorKind
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import Caller, CallerKind, Right, command_line
from evergrant.testing.bell import MemoryBell
from evergrant.testing.clock import FakeClock
from evergrant.testing.keyring import MemoryKeyring
from evergrant.testing.store import MemoryStore
from evergrant.vault import Vault

ROOT = command_line("root")
SELLER_ID = "A2EXAMPLE7SELLER"


@dataclass
class Book:
    """An account book with an application for both kinds, one for sellers, and two instances."""

    store: MemoryStore
    clock: FakeClock
    accounts: Accounts
    both: str
    sellers_only: str
    instance: str
    other_instance: str

    def wish(self, **wishes: Any) -> NewAccount:
        return NewAccount(
            **{
                "name": "Blue Heron Books",
                "partner_kind": "seller",
                "client_email": "owner@heron.example",
                "application_id": self.both,
                "client_instance_id": self.instance,
                "region": "eu",
                "home_marketplace": "DE",
                **wishes,
            }
        )

    def vendor(self, **wishes: Any) -> NewAccount:
        return self.wish(
            **{"name": "Heron Press", "partner_kind": "vendor", "vendor_kind": "retail", **wishes}
        )

    async def add(self, **wishes: Any) -> Account:
        return await self.accounts.add(self.wish(**wishes), by=ROOT)

    async def authorize(self, account: Account, state: State, **values: Any) -> None:
        async with self.store.transaction() as tx:
            row = await tx.authorizations.one(account_id=account.id)
            assert row is not None
            await tx.authorizations.change(row.id, state=state, **values)

    async def lines(self, verb: str) -> list[JournalLine]:
        return await journal.read(self.store, ROOT, verb=verb)

    def bound(self, *rights: Right, instance: str | None = None) -> Caller:
        return Caller(
            kind=CallerKind.API_KEY,
            id="key_x",
            rights=frozenset(rights or Right),
            client_instance_id=instance or self.instance,
        )


@pytest.fixture
async def book() -> Book:
    store, clock = MemoryStore(), FakeClock()
    registry = Registry(store, clock, Vault(MemoryKeyring()), STANDARD)

    async def application(name: str, *kinds: str) -> str:
        amazon = f"amzn1.sp.solution.{uuid.uuid4()}"
        new = NewApplication(name=name, partner_kinds=kinds, application_id=amazon)
        return (await registry.add_application(new, by=ROOT)).id

    async def instance(name: str) -> str:
        return (await registry.add_instance(NewInstance(name=name), by=ROOT)).instance.id

    return Book(
        store,
        clock,
        Accounts(store, clock, STANDARD),
        await application("Both", "seller", "vendor"),
        await application("Sellers", "seller"),
        await instance("ERP"),
        await instance("PIM"),
    )


def fields(caught: pytest.ExceptionInfo[InvalidInput]) -> dict[str | None, str]:
    return {flaw.field: flaw.code for flaw in caught.value.flaws}


def hint(caught: pytest.ExceptionInfo[InvalidInput], field: str) -> str:
    (flaw,) = [flaw for flaw in caught.value.flaws if flaw.field == field]
    return flaw.hint or ""


# --- adding ---------------------------------------------------------------------------------


async def test_a_seller_is_kept_with_its_authorization(book: Book) -> None:
    account = await book.add(
        home_marketplace="gb", merchant_token=SELLER_ID, language="DE", notes="Calls on Mondays."
    )
    view = await book.accounts.get(account.id, by=ROOT)
    assert view.account == account
    assert account.partner_kind is PartnerKind.SELLER
    assert account.region is Region.EU
    assert account.home_marketplace == "UK"
    assert account.language == "de"
    assert account.merchant_token == SELLER_ID
    assert not account.oauth_began
    assert view.authorization.state is State.AWAITING
    assert view.authorization.application_id == account.application_id
    assert view.authorization.region is Region.EU
    assert view.participations == ()
    assert view.flags_view == dict.fromkeys(Flag, True)
    (line,) = await book.lines("account.added")
    assert (line.subject, line.account_id) == (account.id, account.id)
    assert line.facts["merchant_token"] == SELLER_ID
    assert "Mondays" not in repr(line)


@pytest.mark.parametrize(
    ("kind", "unavailable"),
    [
        ("retail", {Flag.UPDATE_PRICE, Flag.REFUND_ORDERS, Flag.UPDATE_STOCK}),
        ("direct-fulfillment", {Flag.UPDATE_PRICE, Flag.REFUND_ORDERS}),
    ],
)
async def test_a_vendor_has_what_amazon_has_for_it(
    book: Book, kind: str, unavailable: set[Flag]
) -> None:
    account = await book.accounts.add(
        book.vendor(vendor_kind=kind, vendor_codes=["HERO1", "HERO2", "HERO1"]), by=ROOT
    )
    assert account.vendor_codes == ("HERO1", "HERO2")
    view = await book.accounts.get(account.id, by=ROOT)
    assert {flag for flag, on in view.flags_view.items() if on is None} == unavailable
    assert all(on for flag, on in view.flags_view.items() if flag not in unavailable)


async def test_all_flaws_of_an_account_at_once(book: Book) -> None:
    with pytest.raises(InvalidInput) as caught:
        await book.add(
            name="\x07",
            partner_kind="reseller",
            client_email="owner at heron",
            application_id="app_none",
            client_instance_id=book.both,
            region="europe",
            home_marketplace="XX",
            merchant_token="Atzr|abc",
            vendor_codes="HERO1",
            flags={"update_stok": True, "ship_orders": "yes"},
            language="xx",
            notes="n" * 5001,
        )
    assert fields(caught) == {
        "name": "bad_name",
        "partner_kind": "unknown_value",
        "client_email": "bad_email",
        "application_id": "not_an_id",
        "client_instance_id": "not_an_id",
        "region": "unknown_value",
        "home_marketplace": "unknown_marketplace",
        "merchant_token": "bad_merchant_token",
        "vendor_codes": "wrong_type",
        "flags.update_stok": "unknown_field",
        "flags.ship_orders": "wrong_type",
        "language": "unknown_language",
        "notes": "too_long",
    }
    assert hint(caught, "partner_kind") == "Did you mean 'seller'?"
    assert hint(caught, "flags.update_stok") == "Did you mean 'update_stock'?"
    assert not book.store.rows["accounts"]
    assert not book.store.rows["authorizations"]
    assert not await book.lines("account.added")


@pytest.mark.parametrize(
    ("wishes", "flaws"),
    [
        ({"region": "na"}, {"home_marketplace": "wrong_region"}),
        ({"home_marketplace": "US"}, {"home_marketplace": "wrong_region"}),
        ({"vendor_kind": "retail"}, {"vendor_kind": "not_for_kind"}),
        ({"vendor_codes": ["HERO1"]}, {"vendor_codes": "not_for_kind"}),
        ({"partner_kind": "vendor"}, {"vendor_kind": "missing"}),
        (
            {"partner_kind": "vendor", "vendor_kind": "retail", "merchant_token": SELLER_ID},
            {"merchant_token": "not_for_kind"},
        ),
        (
            {"partner_kind": "vendor", "vendor_kind": "retail", "home_marketplace": "IE"},
            {"home_marketplace": "no_consent_host"},
        ),
        (
            {"partner_kind": "vendor", "vendor_kind": "retail", "flags": {"update_price": True}},
            {"flags.update_price": "unavailable"},
        ),
        ({"application_id": "app_" + "0" * 26}, {"application_id": "unknown"}),
        ({"client_instance_id": "ins_" + "0" * 26}, {"client_instance_id": "unknown"}),
        ({"partner_kind": "vendor", "vendor_kind": "whole"}, {"vendor_kind": "unknown_value"}),
        ({"name": 7}, {"name": "wrong_type"}),
        ({"client_email": None}, {"client_email": "wrong_type"}),
    ],
)
async def test_fields_that_contradict_each_other(
    book: Book, wishes: dict[str, Any], flaws: dict[str, str]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await book.add(**wishes)
    assert fields(caught) == flaws
    assert not book.store.rows["accounts"]


async def test_a_wrong_region_is_told_with_what_belongs_there(book: Book) -> None:
    with pytest.raises(InvalidInput) as caught:
        await book.add(region="fe")
    assert hint(caught, "home_marketplace") == "In fe are: SG, AU, JP."


async def test_an_application_must_serve_the_partner_kind(book: Book) -> None:
    with pytest.raises(InvalidInput) as caught:
        await book.accounts.add(book.vendor(application_id=book.sellers_only), by=ROOT)
    assert fields(caught) == {"partner_kind": "not_served"}


async def test_names_are_unique(book: Book) -> None:
    await book.add()
    with pytest.raises(Conflict, match="of this name") as caught:
        await book.add()
    assert caught.value.facts["field"] == "name"
    other = await book.add(name="Grey Heron")
    with pytest.raises(Conflict, match="of this name"):
        await book.accounts.change(other.id, {"name": "Blue Heron Books"}, by=ROOT)
    assert len(book.store.rows["authorizations"]) == 2


# --- changing -------------------------------------------------------------------------------


async def test_a_change_is_journaled_with_what_was(book: Book) -> None:
    account = await book.add()
    at = book.clock.move(days=1)
    changed = await book.accounts.change(
        account.id,
        {"client_email": "new@heron.example", "notes": "private", "region": "eu"},
        by=ROOT,
    )
    assert changed.client_email == "new@heron.example"
    assert changed.notes == "private"
    assert changed.changed_at == at
    (line,) = await book.lines("account.changed")
    assert line.facts["was"]["client_email"] == "owner@heron.example"
    assert line.facts["client_email"] == "new@heron.example"
    assert "private" not in repr(line)
    assert "region" not in line.facts
    assert await book.accounts.change(account.id, {"notes": "private"}, by=ROOT) == changed
    assert len(await book.lines("account.changed")) == 1


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("oauth_began", "not_changeable", "invitation"),
        ("state", "not_changeable", "consent"),
        ("id", "not_changeable", "never"),
        ("selling_partner_id", "not_changeable", "Amazon"),
        ("clientemail", "unknown_field", "Did you mean 'client_email'?"),
        ("merchantToken", "unknown_field", "Did you mean 'merchant_token'?"),
        ("created_at", "unknown_field", ""),
    ],
)
async def test_names_that_cannot_be_changed(book: Book, name: str, code: str, says: str) -> None:
    account = await book.add()
    with pytest.raises(InvalidInput) as caught:
        await book.accounts.change(account.id, {name: True, "language": "de"}, by=ROOT)
    assert fields(caught) == {name: code}
    assert says in hint(caught, name)
    assert (await book.accounts.get(account.id, by=ROOT)).account == account


async def test_identity_moves_before_consent_and_takes_the_authorization_along(book: Book) -> None:
    account = await book.add()
    changed = await book.accounts.change(
        account.id,
        {"application_id": book.sellers_only, "region": "na", "home_marketplace": "MX"},
        by=ROOT,
    )
    view = await book.accounts.get(account.id, by=ROOT)
    assert changed.application_id == view.authorization.application_id == book.sellers_only
    assert changed.region is view.authorization.region is Region.NA
    as_vendor = {"partner_kind": "vendor", "vendor_kind": "retail"}
    with pytest.raises(InvalidInput) as caught:
        await book.accounts.change(account.id, as_vendor, by=ROOT)
    assert fields(caught) == {"partner_kind": "not_served"}
    as_vendor["application_id"] = book.both
    vendor = await book.accounts.change(account.id, as_vendor, by=ROOT)
    assert vendor.vendor_kind is VendorKind.RETAIL


@pytest.mark.parametrize("state", [State.ACTIVE, State.LAPSED, State.REVOKED])
async def test_identity_is_frozen_once_authorized(book: Book, state: State) -> None:
    account = await book.add()
    await book.authorize(account, state)
    changes = {
        "application_id": book.sellers_only,
        "region": "na",
        "home_marketplace": "US",
        "partner_kind": "vendor",
        "vendor_kind": "retail",
    }
    with pytest.raises(InvalidInput) as caught:
        await book.accounts.change(account.id, changes, by=ROOT)
    assert {name for name, code in fields(caught).items() if code == "frozen"} == {
        "application_id",
        "region",
        "partner_kind",
    }
    moved = await book.accounts.change(
        account.id, {"home_marketplace": "FR", "region": "eu", "name": "Heron"}, by=ROOT
    )
    assert (moved.home_marketplace, moved.name) == ("FR", "Heron")


async def test_a_merchant_token_must_be_the_one_that_amazon_reported(book: Book) -> None:
    account = await book.add()
    await book.authorize(account, State.ACTIVE, selling_partner_id=SELLER_ID)
    with pytest.raises(InvalidInput) as caught:
        await book.accounts.change(account.id, {"merchant_token": "A9OTHERSELLER"}, by=ROOT)
    assert fields(caught) == {"merchant_token": "contradicts_amazon"}
    same = await book.accounts.change(account.id, {"merchant_token": SELLER_ID}, by=ROOT)
    assert same.merchant_token == SELLER_ID


async def test_somebody_was_faster(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await book.add()

    async def nobody(*_: Any, **__: Any) -> None:
        return None

    monkeypatch.setattr("evergrant.accounts._change", nobody)
    with pytest.raises(Conflict, match="same moment"):
        await book.accounts.change(account.id, {"application_id": book.sellers_only}, by=ROOT)
    with pytest.raises(Conflict, match="same moment"):
        await book.accounts.close(account.id, by=ROOT)
    monkeypatch.undo()
    assert (await book.accounts.get(account.id, by=ROOT)).account == account
    assert not await book.lines("account.changed")


# --- flags ----------------------------------------------------------------------------------


async def test_flags_are_set_one_by_one(book: Book) -> None:
    account = await book.add(flags={"update_price": False})
    changed = await book.accounts.set_flags(account.id, {Flag.UPDATE_STOCK: False}, by=ROOT)
    off = {flag for flag, on in changed.flags.items() if not on}
    assert off == {Flag.UPDATE_STOCK, Flag.UPDATE_PRICE}
    (line,) = await book.lines("account.changed")
    assert line.facts == {
        "flags": {"update_stock": False},
        "was": {"flags": {"update_stock": True}},
    }
    with pytest.raises(InvalidInput) as caught:
        await book.accounts.set_flags(account.id, {"refund": True}, by=ROOT)
    assert "refund_orders" in (caught.value.hint or "")


async def test_an_unavailable_flag_is_neither_on_nor_off(book: Book) -> None:
    vendor = await book.accounts.add(book.vendor(), by=ROOT)
    for on in (True, False):
        with pytest.raises(InvalidInput) as caught:
            await book.accounts.set_flags(vendor.id, {"update_stock": on}, by=ROOT)
        assert fields(caught) == {"flags.update_stock": "unavailable"}
    await book.accounts.change(
        vendor.id, {"vendor_kind": "direct_fulfillment", "flags": {"update_stock": False}}, by=ROOT
    )
    view = await book.accounts.get(vendor.id, by=ROOT)
    assert view.flags_view[Flag.UPDATE_STOCK] is False


# --- finding and listing --------------------------------------------------------------------


async def test_accounts_are_found_by_id_and_name(book: Book) -> None:
    account = await book.add()
    assert (await book.accounts.find(account.id, by=ROOT)).account == account
    assert (await book.accounts.find(" Blue Heron Books ", by=ROOT)).account == account
    with pytest.raises(NotFound) as caught:
        await book.accounts.find("Blue Heron Boks", by=ROOT)
    assert caught.value.hint == "Did you mean 'Blue Heron Books'?"


async def test_lists_are_narrowed_and_paged(book: Book) -> None:
    made: list[Account] = []
    for number in range(7):
        book.clock.move(seconds=1)
        wishes = book.wish(name=f"S{number}") if number % 2 else book.vendor(name=f"V{number}")
        made.append(await book.accounts.add(wishes, by=ROOT))
    await book.authorize(made[2], State.ACTIVE)
    await book.authorize(made[5], State.ACTIVE)

    async def names(**wanted: Any) -> list[str]:
        return [view.account.name for view in await book.accounts.list(by=ROOT, **wanted)]

    assert await names() == [one.name for one in made]
    assert await names(partner_kind="seller") == ["S1", "S3", "S5"]
    assert await names(state="active") == ["V2", "S5"]
    assert await names(state="active", limit=1) == ["V2"]
    assert await names(state="active", limit=1, after=made[2].id) == ["S5"]
    assert await names(state="active", partner_kind=PartnerKind.SELLER) == ["S5"]
    assert await names(limit=3, after=made[2].id) == ["S3", "V4", "S5"]
    assert await names(application_id=book.sellers_only) == []
    assert await names(client_instance_id=book.instance, limit=1) == ["V0"]
    assert await names(client_instance_id=book.other_instance) == []
    with pytest.raises(InvalidInput) as caught:
        await names(partner_kind="buyer", state="dead")
    assert set(fields(caught)) == {"partner_kind", "state"}
    with pytest.raises(InvalidInput):
        await names(limit=1001)
    with pytest.raises(InvalidInput):
        await names(after="17")


async def test_a_rare_state_is_found_far_down_the_list(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evergrant.accounts._STRIDE", 3)
    made = []
    for number in range(9):
        book.clock.move(seconds=1)
        made.append(await book.add(name=f"S{number}"))
    await book.authorize(made[8], State.REVOKED)
    found = await book.accounts.list(by=ROOT, state="revoked", limit=2)
    assert [view.account.name for view in found] == ["S8"]


# --- rights and reach -----------------------------------------------------------------------


async def test_rights_are_asked_by_every_verb(book: Book) -> None:
    account = await book.add()
    before = len(book.store.lines)
    blind, reader = book.bound(Right.WRITE), book.bound(Right.READ, Right.ACCESS_TOKENS)
    for reading in (
        book.accounts.get(account.id, by=blind),
        book.accounts.find(account.id, by=blind),
        book.accounts.list(by=blind),
    ):
        with pytest.raises(NotAllowed):
            await reading
    for writing in (
        book.accounts.add(book.wish(name="B"), by=reader),
        book.accounts.change(account.id, {"name": "B"}, by=reader),
        book.accounts.set_flags(account.id, {}, by=reader),
        book.accounts.close(account.id, by=reader),
        book.accounts.reopen(account.id, by=reader),
    ):
        with pytest.raises(NotAllowed):
            await writing
    assert len(book.store.lines) == before


async def test_what_is_out_of_reach_does_not_exist(book: Book) -> None:
    mine = await book.add()
    foreign = await book.add(name="Blue Heron Book", client_instance_id=book.other_instance)
    by = book.bound()
    assert [view.account for view in await book.accounts.list(by=by)] == [mine]
    assert await book.accounts.list(by=by, client_instance_id=book.other_instance) == []
    for verb in (
        book.accounts.get(foreign.id, by=by),
        book.accounts.find(foreign.id, by=by),
        book.accounts.change(foreign.id, {"nonsense": 1}, by=by),
        book.accounts.set_flags(foreign.id, {}, by=by),
        book.accounts.close(foreign.id, by=by),
        book.accounts.reopen(foreign.id, by=by),
    ):
        with pytest.raises(NotFound):
            await verb
    with pytest.raises(NotFound) as caught:
        await book.accounts.find("Blue Heron Book", by=by)
    assert caught.value.hint == "Did you mean 'Blue Heron Books'?"


async def test_a_bound_key_cannot_give_accounts_away_or_take_them(book: Book) -> None:
    by = book.bound()
    with pytest.raises(InvalidInput) as caught:
        await book.accounts.add(book.wish(client_instance_id=book.other_instance), by=by)
    assert fields(caught) == {"client_instance_id": "unknown"}
    account = await book.accounts.add(book.wish(), by=by)
    with pytest.raises(InvalidInput) as caught:
        await book.accounts.change(account.id, {"client_instance_id": book.other_instance}, by=by)
    assert fields(caught) == {"client_instance_id": "unknown"}
    moved = await book.accounts.change(
        account.id, {"client_instance_id": book.other_instance}, by=ROOT
    )
    assert moved.client_instance_id == book.other_instance
    with pytest.raises(NotFound):
        await book.accounts.get(account.id, by=by)


# --- closing --------------------------------------------------------------------------------


async def test_closing_and_reopening(book: Book) -> None:
    account = await book.add()
    await book.authorize(account, State.ACTIVE, selling_partner_id=SELLER_ID)
    now = book.clock.now()
    invitation = Invitation(
        id="inv_" + "0" * 26,
        account_id=account.id,
        link_digest="d",
        email=account.client_email,
        language="en",
        state=InvitationState.OPEN,
        created_at=now,
        expires_at=now + timedelta(days=14),
    )
    async with book.store.transaction() as tx:
        await tx.invitations.add(invitation)
    closed = await book.accounts.close(account.id, by=ROOT)
    assert closed.authorization.state is State.CLOSED
    assert closed.authorization.selling_partner_id == SELLER_ID
    assert book.store.rows["invitations"][invitation.id].state is InvitationState.WITHDRAWN
    with pytest.raises(Conflict, match="closed already"):
        await book.accounts.close(account.id, by=ROOT)
    reopened = await book.accounts.reopen(account.id, by=ROOT)
    assert reopened.authorization.state is State.AWAITING
    assert reopened.authorization.version == closed.authorization.version + 1
    with pytest.raises(Conflict, match="not closed"):
        await book.accounts.reopen(account.id, by=ROOT)
    (line,) = await book.lines("account.closed")
    assert line.facts == {"was": "active", "state": "closed"}
    assert len(await book.lines("account.reopened")) == 1


async def test_a_reopened_account_keeps_its_grant_and_with_it_its_identity(book: Book) -> None:
    account, never = await book.add(), await book.add(name="Never authorized")
    now = book.clock.now()
    async with book.store.transaction() as tx:
        row = await tx.authorizations.one(account_id=account.id)
        assert row is not None
        grant = Grant(
            id="grt_" + "0" * 26,
            authorization_id=row.id,
            source=GrantSource.CONSENT,
            selling_partner_id=SELLER_ID,
            granted_at=now,
            term_ends_at=None,
            created_at=now,
        )
        await tx.grants.add(grant)
    await book.authorize(account, State.ACTIVE, grant_id=grant.id)
    for one in (account, never):
        await book.accounts.close(one.id, by=ROOT)
        await book.accounts.reopen(one.id, by=ROOT)
    view = await book.accounts.get(account.id, by=ROOT)
    assert view.authorization.grant_id == grant.id
    with pytest.raises(InvalidInput) as caught:
        await book.accounts.change(account.id, {"application_id": book.sellers_only}, by=ROOT)
    assert fields(caught) == {"application_id": "frozen"}
    free = await book.accounts.change(never.id, {"application_id": book.sellers_only}, by=ROOT)
    assert free.application_id == book.sellers_only


# --- participations -------------------------------------------------------------------------


def reported(marketplace_id: str, code: str, **more: Any) -> ReportedParticipation:
    return ReportedParticipation(
        **{
            "marketplace_id": marketplace_id,
            "country_code": code,
            "name": f"Amazon.{code}",
            "participating": True,
            **more,
        }
    )


async def test_participations_follow_what_amazon_reports(book: Book) -> None:
    account = await book.add()
    germany, britain = "A1PA6795UKMFR9", "A1F83G8C2ARO7P"

    async def record(*rows: ReportedParticipation) -> list[str]:
        now = book.clock.move(days=1)
        async with book.store.transaction() as tx:
            changes = await book.accounts.record_participations(tx, account.id, rows, now)
        return list(changes.sentences)

    first = await record(
        reported(germany, "DE", store_name="Heron"),
        reported(britain, "GB"),
        reported("A38D8NSA03LJTC", "DE", name="Non-Amazon", participating=False),
    )
    assert first == ["DE: participating", "UK: participating", "DE: not participating"]
    view = await book.accounts.get(account.id, by=ROOT)
    assert [row.country_code for row in view.participations] == ["DE", "DE", "UK"]
    assert {row.marketplace_id for row in view.participations} >= {germany, "A38D8NSA03LJTC"}
    second = await record(
        reported(germany, "DE", suspended=True),
        reported("A38D8NSA03LJTC", "DE", participating=False),
    )
    assert second == ["DE: participating, suspended listings", "UK: no longer reported"]
    assert len((await book.accounts.get(account.id, by=ROOT)).participations) == 2
    third = await record(
        reported(germany, "DE", suspended=True),
        reported("A38D8NSA03LJTC", "DE", participating=False),
    )
    assert third == []
    view = await book.accounts.get(account.id, by=ROOT)
    assert {row.seen_at for row in view.participations} == {book.clock.now()}
    told = await book.lines("account.participations_changed")
    assert [line.facts["changes"] for line in told] == [second, first]
    assert {line.caller for line in told} == {"system"}
    (listed,) = await book.accounts.list(by=ROOT)
    assert listed.participations == view.participations


# --- what client instances hear -------------------------------------------------------------------


async def heard(book: Book, account: Account) -> list[tuple[str, Any, Any]]:
    """Which instance heard what, before and after, in order."""
    async with book.store.transaction() as tx:
        events = await tx.events.read(account_ids=[account.id], topic="account.changed")
    for event in events:
        assert event.facts["changed"] == sorted(event.facts["after"])
        assert event.facts["account_id"] == account.id
    return [
        (event.client_instance_id, event.facts["before"], event.facts["after"]) for event in events
    ]


async def test_an_instance_hears_what_it_must_know_in_plain_facts(book: Book) -> None:
    account = await book.add()
    await book.accounts.change(
        account.id,
        {
            "name": "Grey Heron",
            "flags": {"update_price": False},
            "home_marketplace": "FR",
            "merchant_token": SELLER_ID,
        },
        by=ROOT,
    )
    assert await heard(book, account) == [
        (
            book.instance,
            {
                "name": "Blue Heron Books",
                "flags": {"update_price": True},
                "home_marketplace": "DE",
                "merchant_token": "",
            },
            {
                "name": "Grey Heron",
                "flags": {"update_price": False},
                "home_marketplace": "FR",
                "merchant_token": SELLER_ID,
            },
        )
    ]
    vendor = (await book.accounts.add(book.vendor(), by=ROOT)).id
    changed = await book.accounts.change(vendor, {"vendor_codes": ["ABCDE"]}, by=ROOT)
    assert [after for _, _, after in await heard(book, changed)] == [{"vendor_codes": ["ABCDE"]}]


async def test_an_instance_hears_nothing_of_what_is_not_its_business(book: Book) -> None:
    account = await book.add()
    await book.accounts.change(
        account.id,
        {"client_email": "new@heron.example", "notes": "calls on Fridays", "language": "de"},
        by=ROOT,
    )
    await book.accounts.change(account.id, {"name": account.name}, by=ROOT)
    assert await heard(book, account) == []


async def test_an_account_that_moves_is_told_to_both_and_neither_hears_of_the_other(
    book: Book,
) -> None:
    account = await book.add()
    await book.accounts.change(account.id, {"client_instance_id": book.other_instance}, by=ROOT)
    assert await heard(book, account) == [
        (
            book.instance,
            {"client_instance_id": book.instance},
            {"client_instance_id": None},
        ),
        (
            book.other_instance,
            {"client_instance_id": None},
            {"client_instance_id": book.other_instance},
        ),
    ]


async def test_closing_and_reopening_are_told_and_closing_clears_the_board(book: Book) -> None:
    account = await book.add()
    await book.authorize(account, State.ACTIVE)
    async with book.store.transaction() as tx:
        row = await tx.authorizations.one(account_id=account.id)
        assert row is not None
        await notices.put(
            tx,
            now=book.clock.now(),
            kind=NoticeKind.LISTINGS_SUSPENDED,
            subject=row.id,
            account_id=account.id,
            message="Listings are suspended.",
        )
    await book.accounts.close(account.id, by=ROOT)
    await book.accounts.reopen(account.id, by=ROOT)
    assert [(before, after) for _, before, after in await heard(book, account)] == [
        ({"state": "active"}, {"state": "closed"}),
        ({"state": "closed"}, {"state": "awaiting"}),
    ]
    async with book.store.transaction() as tx:
        assert await tx.notices.all(account_id=account.id, settled_at=None) == []


async def test_the_bell_is_rung_for_what_goes_out(book: Book) -> None:
    bell = MemoryBell()
    accounts = Accounts(book.store, book.clock, STANDARD, bell=bell)
    account = await book.add()
    await accounts.change(account.id, {"name": "Grey Heron"}, by=ROOT)
    assert bell.rung == [], "no webhook address, so nothing goes out"
    async with book.store.transaction() as tx:
        await tx.instances.change(book.instance, webhook_url="https://erp.example/hooks")
    await accounts.close(account.id, by=ROOT)
    async with book.store.transaction() as tx:
        assert bell.rung == [item.id for item in await tx.outbox.all()]
    assert len(bell.rung) == 1


async def test_reopening_asks_for_the_email_that_was_removed(book: Book) -> None:
    account = await book.add()
    await book.accounts.close(account.id, by=ROOT)
    async with book.store.transaction() as tx:
        await tx.accounts.change(account.id, client_email="")
    with pytest.raises(InvalidInput) as caught:
        await book.accounts.reopen(account.id, by=ROOT)
    assert [flaw.field for flaw in caught.value.flaws] == ["client_email"]
    await book.accounts.change(account.id, {"client_email": "new@heron.example"}, by=ROOT)
    view = await book.accounts.reopen(account.id, by=ROOT)
    assert view.authorization.state is State.AWAITING


async def test_what_else_changes_with_a_move_is_told_to_nobody_else(book: Book) -> None:
    """One patch may name an account anew for its new instance."""
    account = await book.add(name="Blue Heron Books")
    await book.accounts.change(
        account.id,
        {
            "client_instance_id": book.other_instance,
            "name": "Heron of B",
            "merchant_token": "A9SHOPOFB1234",
        },
        by=ROOT,
    )
    async with book.store.transaction() as tx:
        former = await tx.events.read(client_instance_id=book.instance)
        new = await tx.events.read(client_instance_id=book.other_instance)
    assert former
    assert new
    assert not {word for word in ("Heron of B", "A9SHOPOFB1234") if word in str(former)}
    assert book.other_instance not in str([one.facts for one in former])
    assert "Blue Heron Books" not in str(new)
    assert book.instance not in str([one.facts for one in new])
