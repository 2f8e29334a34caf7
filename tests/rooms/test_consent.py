"""The reception on good days: from the letter to the grant."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from evergrant import letters, vault
from evergrant.consent import NeedsProof
from evergrant.errors import (
    AccountClosed,
    AmazonUnavailable,
    ApplicationIncomplete,
    Conflict,
    ConsentRefused,
    NotAllowed,
    NotFound,
)
from evergrant.ports.things import (
    GrantSource,
    HandshakeStep,
    InvitationState,
    OutboxKind,
)
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind, Region
from evergrant.rules.rights import Caller, CallerKind, Right
from evergrant.rules.secrecy import Secret
from tests.rooms.conftest import BOSS, PUBLIC_URL, SUPPORT, Reception, onward, query_of

SHOP = "A1SHOPSHOPSHOP"


def key(*rights: Right, instance: str | None = None) -> Caller:
    return Caller(
        kind=CallerKind.API_KEY,
        id="key_x",
        name="key",
        rights=frozenset(rights),
        client_instance_id=instance,
    )


# --- inviting --------------------------------------------------------------------------------


async def test_inviting_mails_a_link_and_says_that_the_flow_began(reception: Reception) -> None:
    account = await reception.add_account(language="de")
    invitation = await reception.consent.invite(account.id, by=BOSS)
    (stored,) = reception.rows("accounts", id=account.id)
    assert stored.oauth_began
    assert stored.oauth_began_at == reception.clock.now()
    (item,) = reception.outbox("invitation")
    assert (item.to, item.language, item.subject) == (account.client_email, "de", invitation.id)
    assert reception.bell.rung == [item.id]
    assert invitation.expires_at == reception.clock.now() + timedelta(days=14)
    assert reception.verbs(account) == ["invitation.made", "invitation.mailed"]


async def test_a_letter_can_be_printed_in_both_languages(reception: Reception) -> None:
    for language, kind in (("en", PartnerKind.SELLER), ("de", PartnerKind.VENDOR)):
        account = await reception.add_account(language=language, partner_kind=kind)
        reception.tick()
        await reception.consent.invite(account.id, by=BOSS)
        item = reception.outbox("invitation")[-1]
        known = await reception.consent.letter_facts(item)
        assert known is not None
        assert known.link is not None
        facts = {**known.facts, "link": known.link.reveal()}
        words = letters.render(item.topic, item.language, facts)
        assert known.link.reveal() in words.text
        assert known.link.reveal().startswith(f"{PUBLIC_URL}/connect/")
        assert account.name in words.text


async def test_a_newer_letter_replaces_the_older(reception: Reception) -> None:
    account = await reception.add_account()
    first = await reception.link(account)
    await reception.consent.invite(account.id, by=BOSS)
    second = await reception.link(account)
    assert first != second
    with pytest.raises(ConsentRefused) as caught:
        await reception.consent.open(first)
    assert caught.value.reason == "invitation_withdrawn"
    assert (await reception.consent.open(second)).account_id == account.id


async def test_the_letter_of_a_link_that_is_over_is_pointless(reception: Reception) -> None:
    account = await reception.add_account()
    await reception.consent.invite(account.id, by=BOSS)
    (item,) = reception.outbox("invitation")
    reception.tick()
    await reception.consent.invite(account.id, by=BOSS)
    assert await reception.consent.letter_facts(item) is None
    newest = reception.outbox("invitation")[-1]
    assert await reception.consent.letter_facts(newest) is not None
    reception.clock.move(days=14)
    assert await reception.consent.letter_facts(newest) is None


async def test_the_link_for_copying_is_the_one_in_the_letter(reception: Reception) -> None:
    account = await reception.add_account()
    await reception.consent.invite(account.id, by=BOSS)
    (item,) = reception.outbox("invitation")
    known = await reception.consent.letter_facts(item)
    assert known is not None
    assert await reception.consent.link(account.id, by=BOSS) == known.link
    assert len(reception.invitations(account)) == 1


async def test_the_link_for_copying_is_made_without_a_mail(reception: Reception) -> None:
    account = await reception.add_account()
    link = await reception.consent.link(account.id, by=BOSS)
    assert isinstance(link, Secret)
    assert reception.outbox() == []
    assert reception.rows("accounts", id=account.id)[0].oauth_began
    reception.clock.move(days=15)
    assert await reception.consent.link(account.id, by=BOSS) != link


async def test_who_may_invite(reception: Reception) -> None:
    account = await reception.add_account()
    elsewhere = await reception.add_instance()
    for by, error in (
        (key(Right.READ), NotAllowed),
        (key(Right.READ, Right.WRITE, instance=elsewhere.id), NotFound),
    ):
        with pytest.raises(error):
            await reception.consent.invite(account.id, by=by)
        with pytest.raises(error):
            await reception.consent.link(account.id, by=by)
        with pytest.raises(error):
            await reception.consent.adopt(account.id, Secret("Atzr|x"), by=by)
    with pytest.raises(NotFound):
        await reception.consent.invite("acc_unknown", by=BOSS)
    with pytest.raises(NotAllowed):
        await reception.consent.invitations(account.id, by=key(Right.WRITE))
    with pytest.raises(NotAllowed):
        await reception.consent.grants(account.id, by=key(Right.WRITE))
    assert reception.invitations(account) == []
    own = key(Right.WRITE, instance=account.client_instance_id)
    assert (await reception.consent.invite(account.id, by=own)).account_id == account.id


async def test_what_cannot_be_invited(reception: Reception) -> None:
    private = await reception.add_application(kind=ApplicationKind.PRIVATE)
    incomplete = await reception.add_application(complete=False)
    closed = await reception.add_account()
    async with reception.store.transaction() as tx:
        await tx.authorizations.change(reception.authorization(closed).id, state=State.CLOSED)
    hopeless = {
        (await reception.add_account(application=private)).id: Conflict,
        (await reception.add_account(application=incomplete)).id: ApplicationIncomplete,
        closed.id: AccountClosed,
        (
            await reception.add_account(partner_kind=PartnerKind.VENDOR, home_marketplace="IE")
        ).id: Conflict,
    }
    for account_id, error in hopeless.items():
        with pytest.raises(error) as caught:
            await reception.consent.invite(account_id, by=BOSS)
        assert caught.value.hint
    assert reception.outbox() == []
    assert reception.rows("invitations") == []


# --- the page --------------------------------------------------------------------------------


async def test_opening_spends_nothing(reception: Reception) -> None:
    account = await reception.add_account()
    link = await reception.link(account)
    for _ in range(3):
        opened = await reception.consent.open(link)
    assert opened.account_name == account.name
    assert opened.central_host == "sellercentral-europe.amazon.com"
    assert opened.renewal is False
    (invitation,) = reception.invitations(account)
    assert invitation.state is InvitationState.OPEN
    assert invitation.opened_at == reception.clock.now()
    assert reception.verbs(account).count("invitation.opened") == 1
    assert reception.handshakes(account) == []


@pytest.mark.parametrize("link", ["", "x", "r" * 43, "../" * 20, "\0" * 43, "ä" * 43])
async def test_a_link_that_was_never_sent(reception: Reception, link: str) -> None:
    for verb in (
        reception.consent.open(link),
        reception.consent.begin(link, None),
        reception.consent.decline(link),
        reception.consent.tell_trouble(link, "MD1000"),
    ):
        with pytest.raises(ConsentRefused) as caught:
            await verb
        assert caught.value.reason == "invitation_unknown"
        assert caught.value.reference


async def test_a_link_that_is_too_old(reception: Reception) -> None:
    account = await reception.add_account()
    link = await reception.link(account)
    reception.clock.move(days=14)
    with pytest.raises(ConsentRefused) as caught:
        await reception.consent.open(link)
    assert caught.value.reason == "invitation_expired"
    assert caught.value.facts["language"] == account.language
    with pytest.raises(ConsentRefused) as again:
        await reception.consent.begin(link, None)
    assert again.value.reference == caught.value.reference, "one trouble, one number"
    assert len(reception.outbox("support_report")) == 1


async def test_a_link_that_did_its_work(reception: Reception) -> None:
    account = await reception.add_account()
    link = await reception.link(account)
    await reception.connect(account, SHOP)
    with pytest.raises(ConsentRefused) as caught:
        await reception.consent.open(link)
    assert caught.value.reason == "invitation_spent"
    assert reception.outbox("support_report") == [], "nobody has a trouble"
    assert (
        vault.invitation_link(reception.invitations(account)[0].id)
        not in (reception.store.rows["safe"])
    )


async def test_this_is_not_for_me(reception: Reception) -> None:
    account = await reception.add_account()
    link = await reception.link(account)
    reference = await reception.consent.decline(link)
    (report,) = reception.reports(reference=reference)
    assert report.reason == "declined"
    assert report.facts["letter_to"] == account.client_email
    (item,) = reception.outbox("support_report")
    assert item.to == SUPPORT
    assert item.id in reception.bell.rung
    assert "invitation.declined" in reception.verbs(account)
    with pytest.raises(ConsentRefused):
        await reception.consent.begin(link, None)


@pytest.mark.parametrize(
    ("code", "known", "blame"),
    [("md1000", "MD1000", "application"), ("SPDC8143", "SPDC8143", "partner"), ("?", "", "amazon")],
)
async def test_what_amazons_own_page_showed(
    reception: Reception, code: str, known: str, blame: str
) -> None:
    account = await reception.add_account()
    link = await reception.link(account)
    trip = await reception.begin(account)
    told = await reception.consent.tell_trouble(link, code, "Oops\r\nBcc: x")
    assert told.code == known
    (report,) = reception.reports(reference=told.reference)
    assert report.blame == blame
    assert report.handshake_id == trip.departure.handshake_id
    assert report.facts["partner_says"] == "Oops Bcc: x"
    assert report.facts["advice"]
    # the handshake goes on: the partner may try again in the other window
    query = await reception.callback(trip, account, SHOP)
    assert (await reception.consent.accept(query, trip.browser)).connected


# --- off to Amazon ---------------------------------------------------------------------------


async def test_the_button_leads_to_amazon(reception: Reception) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    location = urlsplit(trip.departure.location.reveal())
    assert f"{location.scheme}://{location.netloc}{location.path}" == (
        "https://sellercentral-europe.amazon.com/apps/authorize/consent"
    )
    query = query_of(trip.departure.location)
    assert query == {
        "application_id": reception.application.application_id,
        "state": trip.state,
        "redirect_uri": f"{PUBLIC_URL}/callback",
    }
    (handshake,) = reception.handshakes(account)
    assert handshake.step is HandshakeStep.BEGUN
    assert handshake.expires_at - handshake.created_at == timedelta(minutes=10)


@pytest.mark.parametrize(
    ("status", "override", "beta"),
    [
        (ApplicationStatus.DRAFT, None, True),
        (ApplicationStatus.PUBLISHED, None, False),
        (ApplicationStatus.PUBLISHED, True, True),
        (ApplicationStatus.DRAFT, False, False),
    ],
)
async def test_the_beta_switch_goes_by_partner_kind(
    reception: Reception, status: ApplicationStatus, override: bool | None, beta: bool
) -> None:
    application = await reception.add_application(status=status, beta_for_vendors=override)
    account = await reception.add_account(application=application, partner_kind=PartnerKind.VENDOR)
    trip = await reception.begin(account)
    assert (query_of(trip.departure.location).get("version") == "beta") is beta
    assert urlsplit(trip.departure.location.reveal()).netloc == "vendorcentral.amazon.de"
    step = onward(
        await reception.consent.log_in(reception.log_in_query(account, "VGRP1"), trip.browser)
    )
    assert (query_of(step.location).get("version") == "beta") is beta


async def test_the_registered_redirect_uri_is_used(reception: Reception) -> None:
    own = "https://other.example/back"
    application = await reception.add_application(redirect_uri=own)
    account = await reception.add_account(application=application)
    trip = await reception.begin(account)
    assert query_of(trip.departure.location)["redirect_uri"] == own
    (handshake,) = reception.handshakes(account)
    assert handshake.redirect_uri == own


async def test_every_attempt_has_a_state_and_a_browser_keeps_its_cookie(
    reception: Reception,
) -> None:
    account = await reception.add_account()
    first = await reception.begin(account)
    second = await reception.begin(account, first.browser)
    foreign = await reception.begin(account, "short")
    assert second.browser == first.browser
    assert foreign.browser not in ("short", first.browser)
    assert len({first.state, second.state, foreign.state}) == 3
    # both windows of one browser can finish
    query = await reception.callback(first, account, SHOP)
    assert (await reception.consent.accept(query, first.browser)).connected


async def test_an_application_that_lost_its_credentials_stops_at_our_page(
    reception: Reception,
) -> None:
    account = await reception.add_account()
    link = await reception.link(account)
    async with reception.store.transaction() as tx:
        await tx.credentials.change(reception.application.id, secret_set=False)
    with pytest.raises(ConsentRefused) as caught:
        await reception.consent.begin(link, None)
    assert caught.value.reason == "application_incomplete"
    assert caught.value.facts["blame"] == "application"
    assert reception.handshakes(account) == []


# --- back by the log-in leg --------------------------------------------------------------------


async def test_the_log_in_leg_goes_on_byte_by_byte(reception: Reception) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    raw = "%E2%98%83%C3%A4+x%2Fy==~'()"
    step = onward(
        await reception.consent.log_in(
            reception.log_in_query(account, SHOP, amazon_state=raw), trip.browser
        )
    )
    location = step.location.reveal()
    assert f"amazon_state={raw}" in location
    assert location.startswith(
        "https://sellercentral-europe.amazon.com/apps/authorize/confirm/"
        f"{reception.application.application_id}?"
    )
    assert query_of(location)["state"] == trip.state
    assert query_of(location)["redirect_uri"] == f"{PUBLIC_URL}/callback"
    (handshake,) = reception.handshakes(account)
    assert handshake.step is HandshakeStep.LOGGED_IN
    assert handshake.selling_partner_id == SHOP
    # loading it again changes nothing
    again = onward(
        await reception.consent.log_in(
            reception.log_in_query(account, SHOP, amazon_state=raw), trip.browser
        )
    )
    assert again.location == step.location
    query = await reception.callback(trip, account, SHOP)
    assert (await reception.consent.accept(query, trip.browser)).connected


async def test_a_callback_uri_without_a_host_goes_where_the_person_was(
    reception: Reception,
) -> None:
    account = await reception.add_account(region=Region.NA, home_marketplace="MX")
    trip = await reception.begin(account)
    path = f"/apps/authorize/confirm/{reception.application.application_id}"
    step = onward(
        await reception.consent.log_in(
            reception.log_in_query(account, SHOP, amazon_callback_uri=path), trip.browser
        )
    )
    assert step.location.reveal().startswith(f"https://sellercentral.amazon.com.mx{path}?")


async def test_amazons_flag_of_a_draft_is_sent_back(reception: Reception) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    step = onward(
        await reception.consent.log_in(
            reception.log_in_query(account, SHOP, version="beta"), trip.browser
        )
    )
    assert query_of(step.location)["version"] == "beta"


# --- the grant ---------------------------------------------------------------------------------


async def test_everything_that_follows_from_a_grant(reception: Reception) -> None:
    instance = await reception.add_instance(
        webhook_url="https://erp.example/hook", return_url="https://erp.example/back"
    )
    reception.sells(SHOP, "DE", "FR")
    account = await reception.add_account(instance=instance)
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    arrived = await reception.consent.accept(query, trip.browser)
    now = reception.clock.now()

    authorization = reception.authorization(account)
    assert authorization.state is State.ACTIVE
    assert authorization.selling_partner_id == SHOP
    assert authorization.granted_at == now
    assert authorization.term_ends_at == now + timedelta(days=365)
    (grant,) = reception.grants(account)
    assert grant.id == authorization.grant_id
    assert grant.source is GrantSource.CONSENT
    assert grant.handshake_id == trip.departure.handshake_id
    refresh_token = await reception.sealed(vault.refresh_token(grant.id))
    assert refresh_token is not None
    assert refresh_token.startswith("Atzr|")
    sealed = reception.store.rows["safe"][vault.access_token(authorization.id)]
    assert sealed.expires_at == now + timedelta(hours=1)
    (handshake,) = reception.handshakes(account)
    assert handshake.step is HandshakeStep.DONE
    assert reception.invitations(account)[0].state is InvitationState.SPENT
    (line,) = [line for line in reception.store.lines if line.verb == "authorization.granted"]
    assert (line.caller, line.account_id) == ("partner", account.id)
    assert (line.facts["state_before"], line.facts["state_after"]) == ("awaiting", "active")

    (item,) = reception.outbox("authorization.granted")
    assert item.kind is OutboxKind.WEBHOOK
    assert item.to == instance.id
    assert item.facts["selling_partner_id"] == SHOP
    assert item.facts["state"] == "active"
    assert item.facts["renewal"] is False
    assert item.facts["term_ends_at"] == (now + timedelta(days=365)).isoformat()
    assert item.id in reception.bell.rung

    assert arrived.connected
    assert arrived.account_name == account.name
    assert arrived.return_url == "https://erp.example/back"
    assert arrived.finding == ""
    assert await reception.consent.outcome(arrived.handshake_id, trip.browser) == arrived


async def test_an_instance_without_a_webhook_hears_nothing(reception: Reception) -> None:
    account = await reception.add_account()
    await reception.connect(account, SHOP)
    assert reception.outbox("authorization.granted") == []


async def test_renewing_starts_a_new_year_and_keeps_the_account(reception: Reception) -> None:
    instance = await reception.add_instance(webhook_url="https://erp.example/hook")
    reception.sells(SHOP)
    account = await reception.add_account(instance=instance)
    await reception.connect(account, SHOP)
    before = reception.authorization(account)
    reception.clock.move(days=100)
    assert (await reception.consent.open(await reception.link(account))).renewal
    arrived = await reception.connect(account, SHOP)
    assert arrived.renewal
    after = reception.authorization(account)
    assert after.id == before.id
    assert after.granted_at == reception.clock.now()
    assert after.term_ends_at == reception.clock.now() + timedelta(days=365)
    old, new = reception.grants(account)
    assert old.superseded_at == reception.clock.now()
    assert new.superseded_at is None
    assert after.grant_id == new.id
    assert reception.verbs(account).count("authorization.renewed") == 1
    assert len(reception.outbox("authorization.granted")) == 1
    (item,) = reception.outbox("authorization.renewed")
    assert (item.facts["renewal"], item.facts["source"]) == (True, "consent")
    # the new grant passed its first call, so nobody needs the old refresh token
    assert await reception.sealed(vault.refresh_token(old.id)) is None
    assert await reception.sealed(vault.refresh_token(new.id)) is not None


async def test_the_old_refresh_token_stays_until_the_new_one_is_proven(
    reception: Reception,
) -> None:
    reception.sells(SHOP)
    account = await reception.add_account()
    await reception.connect(account, SHOP)
    reception.api.fail(AmazonUnavailable)
    arrived = await reception.connect(account, SHOP)
    assert arrived.connected
    assert arrived.finding
    old, _ = reception.grants(account)
    assert await reception.sealed(vault.refresh_token(old.id)) is not None


@pytest.mark.parametrize("became", [State.LAPSED, State.REVOKED])
async def test_consent_brings_a_dead_authorization_back(
    reception: Reception, became: State
) -> None:
    account = await reception.add_account()
    await reception.connect(account, SHOP)
    async with reception.store.transaction() as tx:
        await tx.authorizations.change(
            reception.authorization(account).id,
            state=became,
            refused_at=reception.clock.now(),
            refused_reason="revoked",
            first_refused_at=reception.clock.now(),
        )
    await reception.consent.invite(account.id, by=BOSS)
    assert reception.outbox("renewal"), "the letter speaks of renewing"
    await reception.connect(account, SHOP)
    authorization = reception.authorization(account)
    assert authorization.state is State.ACTIVE
    assert authorization.refused_at is None
    assert authorization.first_refused_at is None
    assert authorization.refused_reason == ""


async def test_a_vendor_is_probed(reception: Reception) -> None:
    reception.api.vendor("VGRP1")
    account = await reception.add_account(partner_kind=PartnerKind.VENDOR)
    arrived = await reception.connect(account, "VGRP1")
    assert arrived.finding == ""
    assert reception.api.count("probe_vendor", "VGRP1") == 1
    assert reception.api.count("participations") == 0


async def test_a_denied_first_call_does_not_undo_the_grant(reception: Reception) -> None:
    account = await reception.add_account()  # Amazon knows no participations of this shop
    arrived = await reception.connect(account, SHOP)
    assert arrived.connected
    assert "denied" in arrived.finding
    authorization = reception.authorization(account)
    assert authorization.state is State.ACTIVE
    assert authorization.finding == arrived.finding


async def test_a_first_call_that_hangs_keeps_nobody_waiting(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("evergrant.consent.looks.LOOK_PATIENCE_S", 0.01)
    monkeypatch.setattr(reception.api, "participations", hangs)
    account = await reception.add_account()
    arrived = await reception.connect(account, SHOP)
    assert arrived.connected
    assert "no answer" in arrived.finding
    assert reception.authorization(account).state is State.ACTIVE


async def test_what_the_first_call_says_later_replaces_the_finding(reception: Reception) -> None:
    account = await reception.add_account()
    await reception.connect(account, SHOP)
    assert reception.authorization(account).finding
    reception.sells(SHOP)
    access_token = await reception.sealed(vault.access_token(reception.authorization(account).id))
    assert access_token is not None
    assert await reception.consent.after_grant(account.id, Secret(access_token)) == ""
    assert reception.authorization(account).finding == ""


async def test_a_shop_that_does_not_sell_at_home_is_a_finding(reception: Reception) -> None:
    reception.sells(SHOP, "FR")
    account = await reception.add_account()
    arrived = await reception.connect(account, SHOP)
    assert arrived.connected
    assert "DE" in arrived.finding
    assert "FR" in arrived.finding


# --- cold arrivals: Amazon's "Re-authorize" ----------------------------------------------------


async def test_a_known_shop_gets_a_letter_and_the_browser_learns_nothing(
    reception: Reception,
) -> None:
    account = await reception.add_account()
    await reception.connect(account, SHOP)
    before = len(reception.handshakes(account))
    step = await reception.consent.log_in(reception.log_in_query(account, SHOP), None)
    assert isinstance(step, NeedsProof)
    assert account.client_email not in repr(step)
    (item,) = reception.outbox("renewal")
    assert item.to == account.client_email
    assert item.id in reception.bell.rung
    assert len(reception.handshakes(account)) == before
    assert reception.authorization(account).state is State.ACTIVE
    (report,) = reception.reports(reference=step.reference)
    assert report.reason == "proof_needed"


async def test_a_known_and_an_unknown_shop_look_the_same(reception: Reception) -> None:
    account = await reception.add_account()
    await reception.connect(account, SHOP)
    known = await reception.consent.log_in(reception.log_in_query(account, SHOP), None)
    unknown = await reception.consent.log_in(reception.log_in_query(account, "A9NOBODY"), None)
    assert isinstance(known, NeedsProof)
    assert isinstance(unknown, NeedsProof)
    assert known.language == unknown.language
    assert known.reference != unknown.reference
    (report,) = reception.reports(reference=unknown.reference)
    assert report.reason == "unknown_selling_partner"
    assert report.facts["selling_partner_reported"] == "A9NOBODY"


async def test_a_stranger_cannot_flood_a_mailbox_or_kill_a_link(reception: Reception) -> None:
    account = await reception.add_account(merchant_token=SHOP)
    await reception.consent.invite(account.id, by=BOSS)
    link = await reception.link(account)
    for _ in range(50):
        await reception.consent.log_in(reception.log_in_query(account, SHOP), None)
    assert len(reception.outbox("invitation")) == 1
    assert (await reception.consent.open(link)).account_id == account.id
    reception.clock.move(hours=23)
    await reception.consent.log_in(reception.log_in_query(account, SHOP), None)
    assert len(reception.outbox("invitation")) == 1
    reception.clock.move(hours=2)
    await reception.consent.log_in(reception.log_in_query(account, SHOP), None)
    assert len(reception.outbox("invitation")) == 2
    assert (await reception.consent.open(link)).account_id == account.id


async def test_a_cold_arrival_of_another_application_writes_no_letter(
    reception: Reception,
) -> None:
    account, other = await reception.add_account(), await reception.add_application()
    await reception.connect(account, SHOP)
    await reception.consent.log_in(reception.log_in_query(other, SHOP), None)
    assert reception.outbox("renewal") == []


async def test_a_cold_arrival_goes_by_the_region_of_its_host(reception: Reception) -> None:
    eu = await reception.add_account()
    na = await reception.add_account(region=Region.NA, home_marketplace="US")
    for account in (eu, na):
        await reception.connect(account, SHOP)
    path = f"/apps/authorize/confirm/{reception.application.application_id}"
    uri = f"https://sellercentral.amazon.com{path}"
    await reception.consent.log_in(reception.log_in_query(na, SHOP, amazon_callback_uri=uri), None)
    assert [item.to for item in reception.outbox("renewal")] == [na.client_email]


async def test_a_closed_account_gets_no_letter(reception: Reception) -> None:
    account = await reception.add_account()
    await reception.connect(account, SHOP)
    async with reception.store.transaction() as tx:
        await tx.authorizations.change(reception.authorization(account).id, state=State.CLOSED)
    step = await reception.consent.log_in(reception.log_in_query(account, SHOP), None)
    assert isinstance(step, NeedsProof)
    assert reception.outbox("renewal") == []


async def test_who_is_done_comes_in_cold_again(reception: Reception) -> None:
    """The cookie of a finished consent proves nothing for a new one begun at Amazon."""
    account = await reception.add_account()
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    await reception.consent.accept(query, trip.browser)
    step = await reception.consent.log_in(reception.log_in_query(account, SHOP), trip.browser)
    assert isinstance(step, NeedsProof)


# --- the way back --------------------------------------------------------------------------------


async def test_the_way_back_is_for_the_browser_that_began(reception: Reception) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    handshake_id = trip.departure.handshake_id
    link = await reception.consent.link(account.id, by=BOSS)
    assert await reception.consent.way_back(handshake_id, trip.browser) == link
    assert await reception.consent.way_back(handshake_id, None) is None
    assert await reception.consent.way_back("hsk_unknown", trip.browser) is None
    # a newer letter to another address is not for this browser
    async with reception.store.transaction() as tx:
        await tx.accounts.change(account.id, client_email="new@shop.example")
    await reception.consent.invite(account.id, by=BOSS)
    assert await reception.consent.way_back(handshake_id, trip.browser) is None
