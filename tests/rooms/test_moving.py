"""Moving in: what would happen is what happens, once, and never with a doubtful refresh token."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from evergrant import vault
from evergrant.accounts import NewAccount
from evergrant.errors import AmazonUnavailable, NotAllowed, StoreUnavailable
from evergrant.moving import Books, Entry, Report, Step, Thing, read, report_text
from evergrant.moving.values import Outcome
from evergrant.rules.flags import Flag
from evergrant.rules.lifecycle import State
from evergrant.rules.rights import SYSTEM, Caller, CallerKind, Right
from tests.rooms.moving_house import Former, as_json, client_id, client_secret, merchant, uuid


@pytest.fixture
def former() -> Former:
    return Former()


def books(former: Former, tmp_path: Path) -> Books:
    return read(as_json(former.rows, tmp_path / "books.json"))


async def looked(former: Former, tmp_path: Path, **how: Any) -> Report:
    return await former.desk.moving.look(books(former, tmp_path), by=SYSTEM, **how)


async def carried(former: Former, tmp_path: Path, **how: Any) -> Report:
    return await former.desk.moving.carry_out(books(former, tmp_path), by=SYSTEM, **how)


def of(report: Report, thing: Thing, number: int = 1) -> Entry:
    (found,) = [one for one in report.entries if (one.thing, one.number) == (thing, number)]
    return found


def steps(report: Report, thing: Thing) -> list[Step]:
    return [one.step for one in report.entries if one.thing is thing]


async def accounts(former: Former) -> dict[str, Any]:
    rows = await former.desk.accounts.list(by=SYSTEM, limit=1000)
    return {row.account.name: row for row in rows}


# --- the plain case -----------------------------------------------------------------------------


async def test_a_dry_run_changes_nothing_and_asks_nobody(former: Former, tmp_path: Path) -> None:
    before = former.stored()
    report = await looked(former, tmp_path)
    assert former.stored() == before
    assert not report.carried_out
    assert report.clean
    assert {one.step for one in report.entries} == {Step.ADD}
    assert all(one.outcome is None for one in report.entries)


async def test_what_would_happen_is_what_happens(former: Former, tmp_path: Path) -> None:
    planned = await looked(former, tmp_path)
    told: list[tuple[int, int]] = []
    report = await carried(former, tmp_path, progress=lambda *at: told.append(at))
    assert [(e.thing, e.number, e.step) for e in report.entries] == [
        (e.thing, e.number, e.step) for e in planned.entries
    ]
    assert {one.outcome for one in report.entries} == {Outcome.DONE}
    assert told == [(n, len(report.entries)) for n in range(1, len(report.entries) + 1)]

    found = await accounts(former)
    assert sorted(found) == ["Blue Heron Books", "Mill Lane", 'O\'Neil \\ "Sons"; --']
    assert {row.authorization.state for row in found.values()} == {State.ACTIVE}
    heron = found["Blue Heron Books"]
    row = former.rows["account_amazon"][0]
    assert heron.authorization.selling_partner_id == row["merchant_token"]
    assert f"{heron.authorization.granted_at:%Y-%m-%d %H:%M:%S}" == row["authorized_at"]
    assert (heron.authorization.term_ends_at - heron.authorization.granted_at).days == 365
    sons = found['O\'Neil \\ "Sons"; --']
    assert sons.account.flags[Flag.SHIP_ORDERS] is False
    assert sons.account.flags[Flag.UPDATE_STOCK] is True
    assert found["Mill Lane"].account.vendor_codes == ("MILL1",)
    two = await former.desk.registry.find_instance("ERP two", by=SYSTEM)
    assert found["Mill Lane"].account.client_instance_id == two.id
    credentials = await former.desk.registry.credentials(heron.account.application_id, by=SYSTEM)
    assert credentials.secret_set
    assert credentials.secret_expires_at is not None
    lines = [line for line in former.fakes.store.lines if line.verb == "books.imported"]
    assert [line.facts["counts"]["account"] for line in lines] == [{"done": 3}]


async def test_a_second_run_does_nothing(former: Former, tmp_path: Path) -> None:
    await carried(former, tmp_path)
    before = former.stored()
    again = await carried(former, tmp_path)
    assert former.stored() == before
    assert {one.step for one in again.entries} == {Step.LEAVE}
    assert again.clean


async def test_secrets_are_in_the_safe_and_nowhere_else(
    former: Former, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = secrets.token_hex(24)  # of no shape that anybody recognises
    former.rows["integration_credentials"][0] |= {"secret_key": odd, "access_key": odd[:20]}
    former.rows["account_amazon"][1]["access_token"] = "Atza|" + secrets.token_hex(20)
    former.rows["account_amazon"][1]["notes"] = f"refresh_token={former.secrets[-1]}"
    former.rows["account_amazon"].append(former.account(4, former.token()))  # a token for a name
    planned = await looked(former, tmp_path, keep_aws=True)
    report = await carried(former, tmp_path, keep_aws=True)
    shown = "".join(
        report_text(one, as_csv=as_csv) + repr(one)
        for one in (planned, report)
        for as_csv in (True, False)
    )
    shown += former.written_down() + caplog.text + repr(books(former, tmp_path))
    for secret in (*former.secrets, odd, odd[:20]):
        assert secret not in shown
    assert of(report, Thing.ACCOUNT, 4).step is Step.REFUSE


async def test_only_who_manages_everything_moves(former: Former, tmp_path: Path) -> None:
    found = books(former, tmp_path)
    every = frozenset(Right)
    for caller in (
        Caller(kind=CallerKind.OPERATOR, rights=every - {Right.MANAGE}),
        Caller(kind=CallerKind.API_KEY, rights=every, client_instance_id="ins_x"),
    ):
        for verb in (former.desk.moving.look, former.desk.moving.carry_out):
            with pytest.raises(NotAllowed):
                await verb(found, by=caller)
        with pytest.raises(NotAllowed):
            await former.desk.moving.export(by=caller)


# --- what went wrong on the way -----------------------------------------------------------------


class Died(BaseException):
    """The process is gone."""


async def test_a_run_that_broke_in_the_middle_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies at every single transaction; the next run does the rest and nothing twice."""
    broken_at = 0
    while True:
        broken_at += 1
        former = Former()
        if not await _dies_at(former, broken_at, tmp_path, monkeypatch):
            break
        report = await carried(former, tmp_path)
        assert report.clean, broken_at
        states = {row.authorization.state for row in (await accounts(former)).values()}
        assert states == {State.ACTIVE}
        shelves = former.fakes.store.rows
        sizes = [len(shelves[name]) for name in ("accounts", "applications", "instances", "grants")]
        assert sizes == [3, 1, 2, 3], broken_at
        again = await carried(former, tmp_path)
        assert {one.step for one in again.entries} == {Step.LEAVE}
    assert broken_at > 20


async def _dies_at(
    former: Former, broken_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> bool:
    begin, count = former.fakes.store.transaction, 0

    def transaction() -> Any:
        nonlocal count
        count += 1
        if count >= broken_at:
            raise Died
        return begin()

    with monkeypatch.context() as patch:
        patch.setattr(former.fakes.store, "transaction", transaction)
        try:
            await carried(former, tmp_path)
        except (Died, BaseExceptionGroup):
            return True
    return False


async def test_a_refused_refresh_token_is_told_on_its_line(former: Former, tmp_path: Path) -> None:
    row = former.rows["account_amazon"][0]
    former.fakes.lwa.revoke(row["merchant_token"])
    report = await carried(former, tmp_path)
    refused = of(report, Thing.AUTHORIZATION, 1)
    assert refused.outcome is Outcome.FAILED
    assert "invite" in refused.why
    assert of(report, Thing.AUTHORIZATION, 2).outcome is Outcome.DONE
    heron = (await accounts(former))["Blue Heron Books"]
    assert heron.authorization.state is State.AWAITING
    assert not report.clean


async def test_what_amazon_refused_is_tried_again_only_on_demand(
    former: Former, tmp_path: Path
) -> None:
    row = former.rows["account_amazon"][0]
    former.fakes.lwa.revoke(row["merchant_token"])
    await carried(former, tmp_path)
    asked = len(former.fakes.lwa.calls)
    report = await carried(former, tmp_path)
    line = of(report, Thing.AUTHORIZATION, 1)
    assert (line.step, line.outcome) == (Step.REFUSE, None)
    assert "--again" in line.why
    assert not report.clean
    assert len(former.fakes.lwa.calls) == asked
    assert of(await carried(former, tmp_path, again=True), Thing.AUTHORIZATION, 1).outcome is (
        Outcome.FAILED
    )
    # Another one for the same account is another matter.
    row["refresh_token"] = former.token(row["merchant_token"])
    report = await carried(former, tmp_path)
    assert of(report, Thing.AUTHORIZATION, 1).outcome is Outcome.DONE


async def test_lwa_that_is_away_is_asked_no_more_and_the_lines_run_again(
    former: Former, tmp_path: Path
) -> None:
    former.rows["account_amazon"] += [former.account(n, f"Shop {n}") for n in range(10, 40)]
    former.fakes.lwa.fail(AmazonUnavailable)
    report = await carried(former, tmp_path)
    ends = [one.outcome for one in report.entries if one.thing is Thing.AUTHORIZATION]
    assert set(ends) == {Outcome.AGAIN}
    assert len(former.fakes.lwa.calls) < 12
    assert {row.authorization.state for row in (await accounts(former)).values()} == {
        State.AWAITING
    }
    former.fakes.lwa.clear()
    report = await carried(former, tmp_path)
    assert report.clean
    assert {row.authorization.state for row in (await accounts(former)).values()} == {State.ACTIVE}


async def test_a_refused_application_is_one_incident(former: Former, tmp_path: Path) -> None:
    former.rows["account_amazon"] += [former.account(n, f"Shop {n}") for n in range(10, 40)]
    former.fakes.lwa.drop_secrets(former.lwa_client_id)
    report = await carried(former, tmp_path)
    ends = [one.outcome for one in report.entries if one.thing is Thing.AUTHORIZATION]
    assert set(ends) == {Outcome.AGAIN}
    assert len(former.fakes.lwa.calls) < 12


async def test_a_database_that_is_away_in_the_middle(
    former: Former, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = former.desk.accounts.add

    async def sometimes(new: NewAccount, *, by: Caller) -> Any:
        if new.name == "Mill Lane":
            raise StoreUnavailable
        return await add(new, by=by)

    monkeypatch.setattr(former.desk.accounts, "add", sometimes)
    report = await carried(former, tmp_path)
    assert of(report, Thing.ACCOUNT, 2).outcome is Outcome.AGAIN
    assert of(report, Thing.AUTHORIZATION, 2).outcome is Outcome.FAILED
    assert of(report, Thing.AUTHORIZATION, 3).outcome is Outcome.DONE
    monkeypatch.undo()
    assert (await carried(former, tmp_path)).clean


# --- whose is it --------------------------------------------------------------------------------


async def test_one_refresh_token_for_two_accounts_of_one_region(
    former: Former, tmp_path: Path
) -> None:
    first = former.rows["account_amazon"][0]
    former.rows["account_amazon"].append(
        {**first, "id": 4, "name": "Blue Heron France", "marketplace": "FR"}
    )
    report = await carried(former, tmp_path)
    second = of(report, Thing.ACCOUNT, 4)
    assert second.step is Step.REFUSE
    assert "line 1 (Blue Heron Books)" in second.why
    assert of(report, Thing.AUTHORIZATION, 1).outcome is Outcome.DONE


@pytest.mark.parametrize(
    "other",
    [
        {"region": "na", "marketplace": "US"},
        {"merchant_token": "A1OTHERSHOP77"},
        # Another customer: a copy that went wrong would serve one of them with the other's shop.
        {"merchant_token": None, "client_email": "owner@other-shop.example"},
        {"merchant_token": None, "client_id": 2},
    ],
)
async def test_a_refresh_token_of_doubtful_owner_is_tried_for_nobody(
    former: Former, tmp_path: Path, other: Mapping[str, Any]
) -> None:
    first = former.rows["account_amazon"][0]
    former.rows["account_amazon"].append({**first, "id": 4, "name": "Blue Heron X", **other})
    report = await carried(former, tmp_path)
    for number in (1, 4):
        assert of(report, Thing.ACCOUNT, number).outcome is Outcome.DONE
        line = of(report, Thing.AUTHORIZATION, number)
        assert line.step is Step.ASK
        assert line.outcome is None
    found = await accounts(former)
    assert found["Blue Heron Books"].authorization.state is State.AWAITING
    assert found["Blue Heron X"].authorization.state is State.AWAITING


async def test_a_refresh_token_that_another_account_here_holds(
    former: Former, tmp_path: Path
) -> None:
    await carried(former, tmp_path)
    former.rows["account_amazon"][0] |= {"id": 8, "name": "Somebody else", "merchant_token": None}
    report = await looked(former, tmp_path)
    assert "holds this refresh token" in of(report, Thing.AUTHORIZATION, 1).why
    former.rows["account_amazon"][1] |= {
        **former.account(9, "Another"),
        "merchant_token": former.rows["account_amazon"][2]["merchant_token"],
        "region": "na",
        "marketplace": "US",
    }
    report = await looked(former, tmp_path)
    assert "connected to this selling partner" in of(report, Thing.AUTHORIZATION, 2).why


async def test_a_customer_in_two_regions_is_two_accounts(former: Former, tmp_path: Path) -> None:
    former.rows["account_amazon"] += [
        former.account(4, "Blue Heron Books", region="na", marketplace="US"),
        former.account(5, "Blue Heron Books", region="eu", marketplace="FR"),
    ]
    report = await carried(former, tmp_path)
    assert of(report, Thing.ACCOUNT, 4).name == "Blue Heron Books (NA)"
    assert of(report, Thing.ACCOUNT, 5).step is Step.REFUSE
    assert "Blue Heron Books (NA)" in await accounts(former)
    again = await looked(former, tmp_path)
    assert of(again, Thing.ACCOUNT, 4).step is Step.LEAVE


async def test_what_exists_is_left_and_what_differs_is_told(former: Former, tmp_path: Path) -> None:
    await carried(former, tmp_path)
    before = former.stored()
    former.rows["account_amazon"][0] |= {"client_email": "new@shop.example", "ship_orders": 0}
    former.rows["integration"][0]["name"] = "Renamed"
    report = await carried(former, tmp_path)
    assert "e-mail, flags" in of(report, Thing.ACCOUNT, 1).questions[0]
    assert "name" in of(report, Thing.APPLICATION, 1).questions[0]
    assert former.stored() == before


# --- credentials --------------------------------------------------------------------------------


ARN = "arn:aws:iam::123456789012:role/sp-api"
AWS = {"arn": ARN, "access_key": "A" * 20, "secret_key": "s" * 40}


@pytest.mark.parametrize(
    ("more", "keep_aws", "kept"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"sqs_url": "https://sqs.eu-west-1.amazonaws.com/123456789012/secrets"}, False, True),
    ],
)
async def test_aws_keys_are_kept_where_they_are_of_use(
    former: Former, tmp_path: Path, more: Mapping[str, str], keep_aws: bool, kept: bool
) -> None:
    former.rows["integration_credentials"][0] |= {**AWS, **more}
    report = await carried(former, tmp_path, keep_aws=keep_aws)
    line = of(report, Thing.CREDENTIALS)
    assert line.outcome is Outcome.DONE
    assert any("no longer needed" in one for one in line.notices) is not kept
    application = await former.desk.registry.find_application("Northwind Connect", by=SYSTEM)
    credentials = await former.desk.registry.credentials(application.id, by=SYSTEM)
    assert credentials.role_arn == (ARN if kept else "")
    assert credentials.secret_key_set is kept


async def test_aws_keys_that_are_wrong_do_not_keep_the_rest_out(
    former: Former, tmp_path: Path
) -> None:
    former.rows["integration_credentials"][0] |= {**AWS, "arn": "arn:nonsense"}
    line = of(await carried(former, tmp_path, keep_aws=True), Thing.CREDENTIALS)
    assert line.outcome is Outcome.DONE
    assert "AWS part is left out" in line.questions[0]


async def test_credentials_that_came_without_a_secret_are_completed(
    former: Former, tmp_path: Path
) -> None:
    row = former.rows["integration_credentials"][0]
    secret, row["client_secret"] = row["client_secret"], None
    first = await carried(former, tmp_path)
    assert "no client secret" in of(first, Thing.CREDENTIALS).questions[0]
    assert set(steps(first, Thing.AUTHORIZATION)) == {Step.REFUSE}
    row["client_secret"] = secret
    second = await carried(former, tmp_path)
    assert of(second, Thing.CREDENTIALS).step is Step.COMPLETE
    assert second.clean
    assert {row.authorization.state for row in (await accounts(former)).values()} == {State.ACTIVE}


async def test_an_lwa_client_of_two_applications(former: Former, tmp_path: Path) -> None:
    former.rows["integration"].append({"id": 6, "name": "Second"})
    first = former.rows["integration_credentials"][0]
    former.rows["integration_credentials"] += [
        {**first, "id": 10, "integration_id": 6, "application_id": f"amzn1.sp.solution.{uuid()}"},
        {**first, "id": 11},
        {**first, "id": 12, "client_secret": client_secret()},
    ]
    report = await carried(former, tmp_path)
    assert "belongs to Northwind Connect" in of(report, Thing.CREDENTIALS, 2).why
    assert of(report, Thing.CREDENTIALS, 3).step is Step.LEAVE
    assert "contradict" in of(report, Thing.CREDENTIALS, 4).why


async def test_an_lwa_client_id_given_as_application_id(former: Former, tmp_path: Path) -> None:
    former.rows["integration_credentials"][0]["application_id"] = client_id()
    report = await looked(former, tmp_path)
    line = of(report, Thing.APPLICATION)
    assert line.step is Step.REFUSE
    assert "This is the LWA client id" in line.why
    assert {one.step for one in report.entries if one.thing is not Thing.INSTANCE} == {Step.REFUSE}
    assert "application is refused" in of(report, Thing.ACCOUNT, 1).why


async def test_a_client_secret_that_is_dead_or_undated(former: Former, tmp_path: Path) -> None:
    row = former.rows["integration_credentials"][0]
    row["secret_created_at"] = former.day(-200)
    assert "is dead since" in of(await looked(former, tmp_path), Thing.CREDENTIALS).why
    row["secret_created_at"] = None
    line = of(await looked(former, tmp_path), Thing.CREDENTIALS)
    assert line.step is Step.ADD
    assert "nobody is reminded" in line.questions[0]


# --- accounts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"region": "na"}, "belongs to the region eu, not na"),
        ({"client_email": ""}, "client_email: is needed"),
        ({"marketplace": "XX"}, "XX"),
        ({"integration_id": 77}, "neither in these tables nor here"),
        ({"integration_id": None, "client_id": None}, "does not say to which client instance"),
        ({"deleted_at": "2024-01-01"}, "deleted"),
        ({"update_price": "maybe"}, "update_price is neither"),
        ({"id": 2}, "Another row has the same id"),
        ({"merchant_token": "not one"}, "not a merchant token"),
        ({"type": "owner"}, "partner_kind"),
    ],
)
async def test_accounts_that_cannot_be(
    former: Former, tmp_path: Path, more: dict[str, Any], says: str
) -> None:
    former.rows["account_amazon"][2] |= {"region": "eu", "marketplace": "DE", **more}
    report = await looked(former, tmp_path)
    line = of(report, Thing.ACCOUNT, 3)
    assert line.step is Step.REFUSE
    assert says in line.why
    assert of(report, Thing.AUTHORIZATION, 3).step is Step.REFUSE


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"authorized_at": None}, "On which day"),
        ({"authorized_at": "0000-00-00 00:00:00"}, "On which day"),
        ({"authorized_at": "03/04/2026"}, "On which day"),
        ({"authorized_at": "2199-01-01"}, "in the future"),
    ],
)
async def test_a_day_that_is_not_known_is_asked_for(
    former: Former, tmp_path: Path, more: dict[str, Any], told: str
) -> None:
    former.rows["account_amazon"][0] |= more
    report = await carried(former, tmp_path)
    line = of(report, Thing.AUTHORIZATION, 1)
    assert line.outcome is Outcome.DONE
    assert told in " ".join(line.questions)
    heron = (await accounts(former))["Blue Heron Books"].authorization
    assert (heron.state, heron.granted_at, heron.term_ends_at) == (State.ACTIVE, None, None)


async def test_a_grant_whose_year_is_over_may_have_been_renewed_at_amazon(
    former: Former, tmp_path: Path
) -> None:
    row = former.rows["account_amazon"][0]
    row["authorized_at"] = former.day(-366)
    report = await carried(former, tmp_path)
    line = of(report, Thing.AUTHORIZATION, 1)
    assert line.outcome is Outcome.DONE
    assert "over since" in line.questions[0]
    heron = (await accounts(former))["Blue Heron Books"].authorization
    assert (heron.state, heron.granted_at, heron.term_ends_at) == (State.ACTIVE, None, None)


async def test_a_grant_that_is_over_waits_for_consent_when_amazon_refuses_it(
    former: Former, tmp_path: Path
) -> None:
    row = former.rows["account_amazon"][0]
    row["authorized_at"] = former.day(-366)
    former.fakes.lwa.revoke(row["merchant_token"])
    report = await carried(former, tmp_path)
    assert of(report, Thing.AUTHORIZATION, 1).outcome is Outcome.FAILED
    heron = (await accounts(former))["Blue Heron Books"].authorization
    assert heron.state is State.AWAITING


async def test_first_looks_are_left_to_the_clock_tower(former: Former, tmp_path: Path) -> None:
    former.rows["account_amazon"] = [
        former.account(n, f"Shop {n}", merchant_token=merchant()) for n in range(1, 5)
    ]
    await carried(former, tmp_path)
    amazon = former.fakes.selling_partner_api
    assert amazon.calls == []
    assert all(row.authorization.look_due_at for row in (await accounts(former)).values())
    former.fakes.clock.move(minutes=1)
    await former.desk.watch.probe()
    assert len(amazon.calls) == 4
    assert not any(row.authorization.look_due_at for row in (await accounts(former)).values())


async def test_left_overs_of_former_times_are_recognised(former: Former, tmp_path: Path) -> None:
    former.rows["account_amazon"][0] |= {"mws_auth_token": secrets.token_hex(8), "zodiac": "fish"}
    former.rows["account_amazon"][1] |= {"mws_auth_token": "", "oauth_began": 1}
    former.rows["account_amazon"][1]["refresh_token"] = None
    former.rows["integration"][0] |= {"redirect_uri": "https://old.example/cb", "Zeichen": 1}
    report = await looked(former, tmp_path)
    assert "closed in April 2024" in of(report, Thing.ACCOUNT, 1).notices[0]
    assert "Consent had begun" in " ".join(of(report, Thing.ACCOUNT, 2).questions)
    assert "redirect_uri is that of the former" in of(report, Thing.APPLICATION).questions[0]
    assert any("zodiac" in notice for notice in report.notices)
    assert any("Zeichen" in notice for notice in report.notices)


async def test_the_only_application_and_instance_need_no_naming(
    former: Former, tmp_path: Path
) -> None:
    former.rows["client"].pop()
    former.rows["account_amazon"] = [
        former.account(1, "Nameless", integration_id=None, client_id=None, region=None)
    ]
    line = of(await carried(former, tmp_path), Thing.ACCOUNT, 1)
    assert line.outcome is Outcome.DONE
    assert len(line.notices) == 3


async def test_closed_accounts_stay_closed_and_their_tokens_outside(
    former: Former, tmp_path: Path
) -> None:
    former.rows["account_amazon"][0]["status"] = "inactive"
    former.rows["account_amazon"][2]["is_active"] = False
    await carried(former, tmp_path)
    found = await accounts(former)
    assert found["Blue Heron Books"].authorization.state is State.CLOSED
    assert sorted(row.authorization.state for row in found.values()) == [
        State.ACTIVE,
        State.CLOSED,
        State.CLOSED,
    ]
    assert len(former.fakes.store.rows["grants"]) == 1


async def test_hostile_names_break_nothing(former: Former, tmp_path: Path) -> None:
    for number, name in enumerate(
        ('=HYPERLINK("http://x")', "<script>alert(1)</script>", "a\x1b[31mb", "x" * 201, "\u202ee"),
        10,
    ):
        former.rows["account_amazon"].append(former.account(number, name))
    report = await carried(former, tmp_path)
    names = [one.name for one in report.entries]
    assert all(name.isprintable() for name in names)
    in_csv = report_text(report, as_csv=True)
    assert "'=HYPERLINK" in in_csv
    assert "\x1b" not in in_csv
    assert '=HYPERLINK("http://x")' in await accounts(former)


async def test_the_inventory_is_taken_in_strides(
    former: Former, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evergrant.moving.inventory._STRIDE", 7)
    former.rows["account_amazon"] = [
        former.account(n, f"Shop {n}", merchant_token=merchant()) for n in range(1, 31)
    ]
    assert (await carried(former, tmp_path)).clean
    again = await carried(former, tmp_path)
    assert {one.step for one in again.entries} == {Step.LEAVE}


async def test_signing_secrets_of_others_are_not_taken_over(former: Former, tmp_path: Path) -> None:
    former.rows["client"][0]["webhook_secret"] = secrets.token_hex(16)
    report = await carried(former, tmp_path)
    assert "Standard Webhooks" in of(report, Thing.INSTANCE, 1).notices[0]
    one = await former.desk.registry.find_instance("ERP one", by=SYSTEM)
    async with former.fakes.store.transaction() as tx:
        kept = await former.desk.vault.open(tx, vault.signing_secret(one.id))
    assert kept is not None
    assert kept.reveal().startswith("whsec_")
