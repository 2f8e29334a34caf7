"""How far a caller reaches: every verb of every room, tried by callers who are bound.

A key bound to one account never sees or touches another, of the same client instance or of another
one; a key bound to a client instance ends there. A verb that takes ``by`` and is in none of the
tables below fails the first test: whoever adds one says here what it concerns.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import secrets
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest

from evergrant import journal, notices
from evergrant.accounts import NewAccount
from evergrant.calls import Again, Asked, Leave
from evergrant.desk import Desk
from evergrant.errors import ConsentRefused, InvalidInput, NotAllowed, NotFound
from evergrant.limits import NewPlan
from evergrant.moving import Books
from evergrant.naming import new_id
from evergrant.outbox import put_event
from evergrant.overview import AccountQuery
from evergrant.ports.amazon import Answer
from evergrant.ports.signed_in import OperatorSession, SignInMethod
from evergrant.ports.things import Operator
from evergrant.ports.traded import FeedRun, Order, OrderKind
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules import ids
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM, Caller, CallerKind, Right, Role
from evergrant.rules.secrecy import Secret
from evergrant.testing.desk import Fakes, desk
from tests.all_cases import AllCases

Verb = Callable[["World", str, Caller], Awaitable[Any]]
#: Two accounts of one client instance, and one of another.
ONE, SIBLING, STRANGER = "one", "sibling", "stranger"
REPORT_TYPE = "GET_MERCHANT_LISTINGS_ALL_DATA"
#: Each account has an order of this id.
SOLD = "902-3159896-1390917"
STOCK = {"kind": "stock", "sku": "MUG-1", "quantity": 1}
GRANTLESS_SCOPE = "sellingpartnerapi::notifications"
RESTRICTED = ("GET", "/orders/v0/orders/902-3159896-1390916/address")


@dataclasses.dataclass
class World:
    """A house with two client instances and three connected accounts."""

    fakes: Fakes = dataclasses.field(default_factory=Fakes)
    instances: list[str] = dataclasses.field(default_factory=list)
    accounts: dict[str, str] = dataclasses.field(default_factory=dict)
    connection_keys: dict[str, str] = dataclasses.field(default_factory=dict)
    references: dict[str, str] = dataclasses.field(default_factory=dict)
    plans: dict[str, str] = dataclasses.field(default_factory=dict)
    events: dict[str, str] = dataclasses.field(default_factory=dict)
    notices: dict[str, str] = dataclasses.field(default_factory=dict)
    leaves: dict[str, Leave] = dataclasses.field(default_factory=dict)
    #: Reports of Amazon: one that was made, one that is wanted.
    made: dict[str, str] = dataclasses.field(default_factory=dict)
    wanted: dict[str, str] = dataclasses.field(default_factory=dict)
    #: Runs of feeds: one that was not begun, one of which nobody knows what became.
    planned: dict[str, str] = dataclasses.field(default_factory=dict)
    uncertain: dict[str, str] = dataclasses.field(default_factory=dict)
    #: Batches of changes, and one change of each.
    intakes: dict[str, str] = dataclasses.field(default_factory=dict)
    changes: dict[str, str] = dataclasses.field(default_factory=dict)
    application_id: str = ""
    api_key_id: str = ""
    #: Of people: one operator, who is signed in, and one who is asked to come.
    operator_id: str = ""
    session_id: str = ""
    invitation_id: str = ""
    lwa_client_id: str = ""

    def __post_init__(self) -> None:
        self.desk = desk(self.fakes)

    async def open(self) -> World:
        register = self.desk.registry
        application = await register.add_application(new_application(), by=SYSTEM)
        self.application_id = application.id
        self.lwa_client_id = f"amzn1.application-oa2-client.{secrets.token_hex(16)}"
        client_secret = Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}")
        self.fakes.lwa.add_client(self.lwa_client_id, client_secret)
        await register.set_credentials(
            application.id,
            Credentials(lwa_client_id=self.lwa_client_id, lwa_client_secret=client_secret),
            by=SYSTEM,
        )
        for name in ("mine", "other"):
            added = await register.add_instance(
                NewInstance(name=name, webhook_url="https://erp.example/hooks"), by=SYSTEM
            )
            self.instances.append(added.instance.id)
        for name, instance_id in zip(
            (ONE, SIBLING, STRANGER), (*self.instances[:1] * 2, self.instances[1]), strict=True
        ):
            await self._add_account(name, instance_id)
        made = await self.desk.people.add_api_key(name="ERP", rights=["read"], by=SYSTEM)
        self.api_key_id = made.key.id
        await self._take_on()
        with pytest.raises(ConsentRefused):  # a report that is about no account
            await self.desk.consent.open(secrets.token_urlsafe(32))
        for of in (None, self.application_id):
            await self.desk.limits.set_plan(plan_of(None, of), by=SYSTEM)
        return self

    async def _add_account(self, name: str, instance_id: str) -> None:
        account = await self.desk.accounts.add(self.new_account(name, instance_id), by=SYSTEM)
        self.accounts[name] = account.id
        await self.desk.consent.adopt(
            account.id,
            self.refresh_token(),
            selling_partner_id=f"A{secrets.token_hex(6).upper()}",
            by=SYSTEM,
        )
        key = await self.desk.people.add_connection_key(account.id, by=SYSTEM)
        self.connection_keys[account.id] = key.key.id
        link = (await self.desk.consent.link(account.id, by=SYSTEM)).reveal()
        declined = await self.desk.consent.decline(link.rpartition("/")[2])
        self.references[account.id] = declined
        plan = await self.desk.limits.set_plan(plan_of(account.id), by=SYSTEM)
        self.plans[account.id] = plan.id
        await self._tell_of(account.id)
        await self._report_of(account.id)
        taken = await self.desk.feeds.intake.put(account.id, [STOCK], by=SYSTEM)
        self.intakes[account.id] = taken.intake_id
        self.changes[account.id] = taken.answers[0].change_id
        self.planned[account.id] = await self._run_of(account.id, RunStep.PLANNED)
        self.uncertain[account.id] = await self._run_of(account.id, RunStep.UNCERTAIN)
        self.leaves[account.id] = await self.desk.calls.admit(asked(account.id), by=SYSTEM)

    async def _take_on(self) -> None:
        """Written as rows: a password costs more than all the rest of this house."""
        now = self.fakes.clock.now()
        self.operator_id = new_id(ids.Kind.OPERATOR, now)
        self.session_id = new_id(ids.Kind.OPERATOR_SESSION, now)
        async with self.fakes.store.transaction() as tx:
            await tx.operators.add(
                Operator(
                    id=self.operator_id,
                    name="Ada",
                    email="ada@house.example",
                    role=Role.SUPPORT,
                    password_hash="",
                    created_at=now,
                )
            )
            await tx.operator_sessions.add(
                OperatorSession(
                    id=self.session_id,
                    operator_id=self.operator_id,
                    secret_digest=secrets.token_hex(32),
                    method=SignInMethod.PASSWORD,
                    address="203.0.113.7",
                    origin="203.0.113.7",
                    agent="tests",
                    created_at=now,
                    seen_at=now,
                    ends_at=now + timedelta(hours=12),
                )
            )
        invited = await self.desk.sessions.invite_operator(
            name="Bea", email="bea@house.example", role="auditor", by=SYSTEM
        )
        self.invitation_id = invited.id

    async def _run_of(self, account_id: str, step: RunStep) -> str:
        now = self.fakes.clock.now()
        async with self.fakes.store.transaction() as tx:
            account = await tx.accounts.get(account_id)
            assert account is not None
            run = FeedRun(
                id=new_id(ids.Kind.FEED_RUN, now),
                account_id=account_id,
                application_id=account.application_id,
                region=account.region,
                path=Path.ADJUSTMENT_FEED,
                step=step,
                created_at=now,
                changed_at=now,
            )
            await tx.feed_runs.add(run)
        return run.id

    async def _tell_of(self, account_id: str) -> None:
        """One event, one notice and one order."""
        now = self.fakes.clock.now()
        async with self.fakes.store.transaction() as tx:
            account = await tx.accounts.get(account_id)
            authorization = await tx.authorizations.one(account_id=account_id)
            assert account is not None
            assert authorization is not None
            await put_event(
                tx,
                now=now,
                topic="authorization.expiring",
                account=account,
                authorization=authorization,
            )
            await notices.put(
                tx,
                now=now,
                kind=NoticeKind.TERM_ENDING,
                subject=authorization.id,
                account_id=account_id,
                message="It ends soon.",
            )
            order = Order(
                id=f"{account_id}/{SOLD}",
                account_id=account_id,
                client_instance_id=account.client_instance_id,
                order_id=SOLD,
                kind=OrderKind.SELLER,
                digest="known",
                created_at=now,
                changed_at=now,
            )
            await tx.orders.add(order)
        events = await self.desk.post.events(
            by=SYSTEM, account_id=account_id, topic="authorization.expiring"
        )
        self.events[account_id] = events[0].id
        (notice,) = await self.desk.notices.list(
            by=SYSTEM, account_id=account_id, kind=NoticeKind.TERM_ENDING
        )
        self.notices[account_id] = notice.id

    async def _report_of(self, account_id: str) -> None:
        """One at Amazon whose id is that of the account, one made and one wanted."""
        reports, url = "/reports/2021-06-30", f"https://documents.example/{account_id}"
        told = {"reportId": account_id, "reportType": REPORT_TYPE, "processingStatus": "DONE"}
        told["reportDocumentId"] = account_id
        self.fakes.documents.put(url, b"sku", "text/plain")
        for path, body in (
            (f"{reports}/reports", {"reports": [told]}),
            (f"{reports}/reports/{account_id}", told),
            (f"{reports}/documents/{account_id}", {"url": url}),
        ):
            answer = Answer(status=200, headers={}, body=json.dumps(body).encode())
            self.fakes.selling_partner_api.answer("GET", path, answer)
        room = self.desk.amazon_reports
        self.made[account_id] = (await room.adopt(account_id, account_id, by=SYSTEM)).id
        self.wanted[account_id] = (await room.request(account_id, REPORT_TYPE, by=SYSTEM)).id

    def new_account(self, name: str, instance_id: str) -> NewAccount:
        return NewAccount(
            name=name,
            partner_kind="seller",
            client_email=f"{secrets.token_hex(3)}@shop.example",
            application_id=self.application_id,
            client_instance_id=instance_id,
            region="eu",
            home_marketplace="DE",
        )

    def refresh_token(self) -> Secret:
        return self.fakes.lwa.grant(self.lwa_client_id, secrets.token_hex(4))

    def as_it_is(self) -> Any:
        """Everything that was ever written, and everything that Amazon was ever asked."""
        store = self.fakes.store
        shelves = {name: dict(rows) for name, rows in store.rows.items()}
        asked = len(self.fakes.lwa.calls), len(self.fakes.selling_partner_api.calls)
        return shelves, list(store.lines), asked

    def callers(self) -> dict[str, Caller]:
        every = frozenset(Right)
        account, instance = frozenset({self.accounts[ONE]}), self.instances[0]

        def caller(name: str, **reach: Any) -> Caller:
            return Caller(
                kind=CallerKind.API_KEY, id=f"key_{name}", name=name, rights=every, **reach
            )

        return {
            "account": caller("account", account_ids=account),
            "both": caller("both", account_ids=account, client_instance_id=instance),
            "instance": caller("instance", client_instance_id=instance),
            # An account that belongs to another client instance by now is out of reach.
            "moved": caller("moved", account_ids=account, client_instance_id=self.instances[1]),
        }

    def reach_of(self, name: str) -> set[str]:
        return {
            "account": {self.accounts[ONE]},
            "both": {self.accounts[ONE]},
            "instance": {self.accounts[ONE], self.accounts[SIBLING]},
            "moved": set(),
        }[name]


def new_application() -> NewApplication:
    text = secrets.token_hex(16)
    return NewApplication(
        name=f"Connector {text[:6]}",
        kind=ApplicationKind.PUBLIC,
        partner_kinds=frozenset(PartnerKind),
        status=ApplicationStatus.PUBLISHED,
        application_id="amzn1.sp.solution."
        f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}",
    )


# --- what every verb concerns -------------------------------------------------------------------

#: One account, whose id is given: NotFound out of reach, works within.
OF_ONE_ACCOUNT: dict[str, Verb] = {
    "accounts.change": lambda w, a, by: w.desk.accounts.change(a, {"language": "de"}, by=by),
    "accounts.set_flags": lambda w, a, by: w.desk.accounts.set_flags(
        a, {"update_stock": False}, by=by
    ),
    "accounts.get": lambda w, a, by: w.desk.accounts.get(a, by=by),
    "accounts.find": lambda w, a, by: w.desk.accounts.find(a, by=by),
    "accounts.close": lambda w, a, by: w.desk.accounts.close(a, by=by),
    "accounts.reopen": lambda w, a, by: w.desk.accounts.reopen(a, by=by),
    "consent.invite": lambda w, a, by: w.desk.consent.invite(a, by=by),
    "consent.link": lambda w, a, by: w.desk.consent.link(a, by=by),
    "consent.invitations": lambda w, a, by: w.desk.consent.invitations(a, by=by),
    "consent.adopt": lambda w, a, by: w.desk.consent.adopt(a, w.refresh_token(), by=by),
    "watch.note_granted_at": lambda w, a, by: w.desk.watch.note_granted_at(
        a, w.fakes.clock.now(), by=by
    ),
    "consent.grants": lambda w, a, by: w.desk.consent.grants(a, by=by),
    "consent.report": lambda w, a, by: w.desk.consent.report(w.references[a], by=by),
    "consent.resolve": lambda w, a, by: w.desk.consent.resolve(w.references[a], by=by),
    "consent.reports": lambda w, a, by: w.desk.consent.reports(account_id=a, by=by),
    "people.add_connection_key": lambda w, a, by: w.desk.people.add_connection_key(a, by=by),
    "people.connection_keys": lambda w, a, by: w.desk.people.connection_keys(a, by=by),
    "people.connection_key": lambda w, a, by: w.desk.people.connection_key(
        w.connection_keys[a], by=by
    ),
    "people.rotate_connection_key": lambda w, a, by: w.desk.people.rotate_connection_key(
        w.connection_keys[a], by=by
    ),
    "people.revoke_connection_key": lambda w, a, by: w.desk.people.revoke_connection_key(
        w.connection_keys[a], by=by
    ),
    "tokens.mint": lambda w, a, by: w.desk.tokens.mint(a, by=by),
    "tokens.look_again": lambda w, a, by: w.desk.tokens.look_again(a, by=by),
    "calls.send": lambda w, a, by: w.desk.calls.send(
        a, "GET", "/sellers/v1/marketplaceParticipations", by=by
    ),
    "calls.admit": lambda w, a, by: w.desk.calls.admit(asked(a), by=by),
    "calls.refuse_unless_served": lambda w, a, by: w.desk.calls.refuse_unless_served(a, by=by),
    "calls.again": lambda w, a, by: _again(w, a, by),
    "tokens.restricted": lambda w, a, by: w.desk.tokens.restricted(
        a, *RESTRICTED, by=by, permit=_permitted
    ),
    "limits.look": lambda w, a, by: w.desk.limits.look(a, by=by),
    "limits.calls": lambda w, a, by: w.desk.limits.calls(a, w.fakes.clock.now(), by=by),
    "limits.set_plan": lambda w, a, by: w.desk.limits.set_plan(plan_of(a), by=by),
    "limits.remove_plan": lambda w, a, by: w.desk.limits.remove_plan(w.plans[a], by=by),
    "journal.read": lambda w, a, by: journal.read(w.desk.store, by, account_id=a),
    "post.events": lambda w, a, by: w.desk.post.events(account_id=a, by=by),
    "post.event": lambda w, a, by: w.desk.post.event(w.events[a], by=by),
    "post.resend": lambda w, a, by: w.desk.post.resend(w.events[a], by=by),
    "notices.list": lambda w, a, by: w.desk.notices.list(account_id=a, by=by),
    "orders.order": lambda w, a, by: w.desk.orders.order(a, SOLD, by=by, personal=True),
    "orders.orders": lambda w, a, by: w.desk.orders.orders(account_id=a, by=by, personal=True),
    "orders.state": lambda w, a, by: w.desk.orders.state(a, by=by),
    "orders.ask_for_sweep": lambda w, a, by: w.desk.orders.ask_for_sweep(a, by=by),
    "orders.sweep_now": lambda w, a, by: w.desk.orders.sweep_now(a, by=by),
    "feeds.intake.put": lambda w, a, by: w.desk.feeds.intake.put(a, [STOCK], by=by),
    "feeds.intake.judge": lambda w, a, by: w.desk.feeds.intake.judge(a, [STOCK], by=by),
    "feeds.intake.get": lambda w, a, by: w.desk.feeds.intake.get(a, w.intakes[a], by=by),
    "feeds.intake.withdraw": lambda w, a, by: w.desk.feeds.intake.withdraw([w.changes[a]], by=by),
    "feeds.runs.decide": lambda w, a, by: w.desk.feeds.runs.decide(w.uncertain[a], True, by=by),
    "feeds.runs.cancel": lambda w, a, by: w.desk.feeds.runs.cancel(w.planned[a], by=by),
    "notices.get": lambda w, a, by: w.desk.notices.get(w.notices[a], by=by),
    "notices.settle": lambda w, a, by: w.desk.notices.settle(w.notices[a], by=by),
    "amazon_reports.request": lambda w, a, by: w.desk.amazon_reports.request(a, REPORT_TYPE, by=by),
    "amazon_reports.adopt": lambda w, a, by: w.desk.amazon_reports.adopt(a, a, by=by),
    "amazon_reports.cancel": lambda w, a, by: w.desk.amazon_reports.cancel(w.wanted[a], by=by),
    "amazon_reports.get": lambda w, a, by: w.desk.amazon_reports.get(w.made[a], by=by),
    "amazon_reports.list": lambda w, a, by: w.desk.amazon_reports.list(a, by=by),
    "amazon_reports.list_at_amazon": lambda w, a, by: w.desk.amazon_reports.list_at_amazon(
        a, REPORT_TYPE, by=by
    ),
    "amazon_reports.open": lambda w, a, by: _opened(w, w.made[a], by),
    "notifications.subscriptions": lambda w, a, by: w.desk.notifications.subscriptions(a, by=by),
    "overview.account": lambda w, a, by: w.desk.overview.account(a, by=by),
    "overview.way": lambda w, a, by: w.desk.overview.way(a, by=by),
}
#: What has to be so before the verb works at all.
BEFORE: dict[str, Verb] = {
    "accounts.reopen": lambda w, a, by: w.desk.accounts.close(a, by=by),
}

#: Lists: exactly the accounts within reach, whatever the page.
LISTS: dict[str, Callable[[World, Caller, str | None, int], Awaitable[list[tuple[str, str]]]]] = {
    "accounts.list": lambda w, by, after, limit: _accounts(w, by, after, limit),
    "consent.reports": lambda w, by, after, limit: _reports(w, by, after, limit),
    "limits.list_plans": lambda w, by, after, limit: _plans(w, by, after, limit),
    "post.events": lambda w, by, after, limit: _events(w, by, after, limit),
    "notices.list": lambda w, by, after, limit: _notices(w, by, after, limit),
    "orders.orders": lambda w, by, after, limit: _orders(w, by, after, limit),
    "orders.states": lambda w, by, after, limit: _sweeps(w, by, after, limit),
    "orders.latest": lambda w, by, after, limit: _latest(w, by, after, limit),
    "overview.accounts": lambda w, by, after, limit: _board(w, by, after, limit),
    "overview.every": lambda w, by, after, limit: _every(w, by, after, limit),
    "overview.rows": lambda w, by, after, limit: _rows(w, by, after, limit),
    "overview.needing": lambda w, by, after, limit: _needing(w, by, after, limit),
}

#: Things of everybody: NotAllowed for whoever does not reach everything.
OF_EVERYTHING: dict[str, Callable[[World, Caller], Awaitable[Any]]] = {
    "moving.look": lambda w, by: w.desk.moving.look(Books(rows=()), by=by),
    "moving.carry_out": lambda w, by: w.desk.moving.carry_out(Books(rows=()), by=by),
    "moving.export": lambda w, by: w.desk.moving.export(by=by),
    "people.add_operator": lambda w, by: w.desk.people.add_operator(
        name="Eve", email="e@x.example", role="admin", password=Secret("not so short"), by=by
    ),
    "people.operators": lambda w, by: w.desk.people.operators(by=by),
    "people.find_operator": lambda w, by: w.desk.people.find_operator("e@x.example", by=by),
    "people.set_password": lambda w, by: w.desk.people.set_password("x", Secret("x" * 12), by=by),
    "people.disable_operator": lambda w, by: w.desk.people.disable_operator("x", by=by),
    "people.add_api_key": lambda w, by: w.desk.people.add_api_key(
        name="more", rights=["read"], by=by
    ),
    "people.rotate_api_key": lambda w, by: w.desk.people.rotate_api_key(w.api_key_id, by=by),
    "people.api_key": lambda w, by: w.desk.people.api_key(w.api_key_id, by=by),
    "people.api_keys": lambda w, by: w.desk.people.api_keys(by=by),
    "people.revoke_api_key": lambda w, by: w.desk.people.revoke_api_key(w.api_key_id, by=by),
    "registry.add_application": lambda w, by: w.desk.registry.add_application(
        new_application(), by=by
    ),
    "registry.change_application": lambda w, by: w.desk.registry.change_application(
        w.application_id, {"name": "Mine"}, by=by
    ),
    "registry.set_credentials": lambda w, by: w.desk.registry.set_credentials(
        w.application_id, Credentials(lwa_client_id=w.lwa_client_id), by=by
    ),
    "registry.credentials": lambda w, by: w.desk.registry.credentials(w.application_id, by=by),
    "registry.add_instance": lambda w, by: w.desk.registry.add_instance(
        NewInstance(name="third"), by=by
    ),
    "tokens.grantless": lambda w, by: w.desk.tokens.grantless(
        w.application_id, GRANTLESS_SCOPE, by=by
    ),
    "rotations.try_queue": lambda w, by: w.desk.rotations.try_queue(w.application_id, by=by),
    "rotations.start": lambda w, by: w.desk.rotations.start(w.application_id, by=by),
    "rotations.paste": lambda w, by: w.desk.rotations.paste(
        w.application_id, Secret(f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}"), by=by
    ),
    "rotations.verify": lambda w, by: w.desk.rotations.verify(w.application_id, by=by),
    "rotations.state": lambda w, by: w.desk.rotations.state(w.application_id, by=by),
    "rotations.history": lambda w, by: w.desk.rotations.history(w.application_id, by=by),
    "reviews.sign": lambda w, by: w.desk.reviews.sign("backups", {}, name="Eve", by=by),
    "reviews.withdraw": lambda w, by: w.desk.reviews.withdraw("backups", by=by),
    "reviews.signed": lambda w, by: w.desk.reviews.signed(by=by),
    "bounces.take": lambda w, by: w.desk.bounces.take("x", "", permanent=True, by=by),
    "bounces.take_report": lambda w, by: w.desk.bounces.take_report(b"", by=by),
    "notifications.of_application": lambda w, by: w.desk.notifications.of_application(
        w.application_id, by=by
    ),
    "overview.health": lambda w, by: w.desk.overview.health(by=by),
    # Kept for whoever works in a browser, and a key never does.
    "overview.save_filter": lambda w, by: w.desk.overview.save_filter("Mine", "q=mug", by=by),
    "sessions.sessions": lambda w, by: w.desk.sessions.sessions(by=by),
    "sessions.revoke": lambda w, by: w.desk.sessions.revoke(w.session_id, by=by),
    "sessions.revoke_all": lambda w, by: w.desk.sessions.revoke_all(w.operator_id, by=by),
    "sessions.remove_second_factor": lambda w, by: w.desk.sessions.remove_second_factor(
        w.operator_id, by=by
    ),
    "sessions.unbind_single_sign_on": lambda w, by: w.desk.sessions.unbind_single_sign_on(
        w.operator_id, by=by
    ),
    "sessions.locked": lambda w, by: w.desk.sessions.locked(by=by),
    "sessions.unlock": lambda w, by: w.desk.sessions.unlock(w.operator_id, by=by),
    "sessions.change_role": lambda w, by: w.desk.sessions.change_role(
        w.operator_id, "auditor", by=by
    ),
    "sessions.enable": lambda w, by: w.desk.sessions.enable(w.operator_id, by=by),
    "sessions.invite_operator": lambda w, by: w.desk.sessions.invite_operator(
        name="Eve", email="e@x.example", role="auditor", by=by
    ),
    "sessions.invitations": lambda w, by: w.desk.sessions.invitations(by=by),
    "sessions.invitation_link": lambda w, by: w.desk.sessions.invitation_link(
        w.invitation_id, by=by
    ),
    "sessions.withdraw_invitation": lambda w, by: w.desk.sessions.withdraw_invitation(
        w.invitation_id, by=by
    ),
}

#: One client instance, whose id is given. Nothing for callers bound to accounts.
OF_ONE_INSTANCE: dict[str, Verb] = {
    "registry.instance": lambda w, i, by: w.desk.registry.instance(i, by=by),
    "registry.find_instance": lambda w, i, by: w.desk.registry.find_instance(i, by=by),
    "registry.change_instance": lambda w, i, by: w.desk.registry.change_instance(
        i, {"base_url": "https://erp.example"}, by=by
    ),
    "registry.renew_signing_secret": lambda w, i, by: w.desk.registry.renew_signing_secret(
        i, by=by
    ),
    "registry.restore_signing_secret": lambda w, i, by: w.desk.registry.restore_signing_secret(
        i, Secret("whsec_c2lnbmluZyBzZWNyZXQ="), by=by
    ),
    "post.deliveries": lambda w, i, by: w.desk.post.deliveries(i, by=by),
    "post.test_delivery": lambda w, i, by: w.desk.post.test_delivery(i, by=by),
}

#: Belong to no instance, and every instance's accounts need one: read by all but those who are
#: bound to accounts.
APPLICATIONS: dict[str, Callable[[World, Caller], Awaitable[Any]]] = {
    "registry.application": lambda w, by: w.desk.registry.application(w.application_id, by=by),
    "registry.find_application": lambda w, by: w.desk.registry.find_application(
        w.application_id, by=by
    ),
}

#: Tried by a test of their own below.
BY_THEMSELVES = {
    "accounts.add",
    "consent.begin",  # beside the reception's other tests
    "registry.applications",
    "registry.instances",
    "tokens.at_hand",
    "tokens.restricted_at_hand",
    "calls.admit_at_hand",
    "watch.ahead",
    "overview.terms",
    "overview.saved_filters",
    "overview.drop_filter",
}
#: Not verbs for doors. The first two run inside a transaction, of the reception and of the lodge;
#: the third judges an answer that its caller had leave for, and touches nothing.
INSIDE = {"accounts.record_participations", "people.enter_operator", "calls.judge"}


def asked(account_id: str) -> Asked:
    return Asked(account_id=account_id, method="GET", path="/sellers/v1/marketplaceParticipations")


def plan_of(account_id: str | None, application_id: str | None = None) -> NewPlan:
    return NewPlan(
        operation="sellers.v1.getMarketplaceParticipations",
        rate_per_s=100.0,
        burst=100,
        account_id=account_id,
        application_id=application_id,
    )


async def _permitted() -> Callable[[Answer], None]:
    return lambda answer: None


async def _opened(w: World, report_id: str, by: Caller) -> None:
    async with w.desk.amazon_reports.open(report_id, by=by) as coming:
        assert [piece async for piece in coming.pieces] == [b"sku"]


async def _again(w: World, account_id: str, by: Caller) -> Leave:
    """With a leave of that account in hand, wherever it came from."""
    leave = w.leaves[account_id]
    return await w.desk.calls.again(leave, Again(after_s=0.0), by=by)


async def _plans(w: World, by: Caller, after: str | None, limit: int) -> list[tuple[str, str]]:
    found = await w.desk.limits.list_plans(by=by, after=after, limit=limit)
    return [(plan.id, plan.account_id or "") for plan in found]


async def _accounts(w: World, by: Caller, after: str | None, limit: int) -> list[tuple[str, str]]:
    found = await w.desk.accounts.list(by=by, after=after, limit=limit)
    return [(view.account.id, view.account.id) for view in found]


async def _reports(w: World, by: Caller, after: str | None, limit: int) -> list[tuple[str, str]]:
    found = await w.desk.consent.reports(by=by, after=after, limit=limit)
    return [(report.id, report.account_id or "") for report in found]


async def _events(w: World, by: Caller, after: str | None, limit: int) -> list[tuple[str, str]]:
    found = await w.desk.post.events(
        by=by, after=int(after or 0), limit=limit, topic="authorization.expiring"
    )
    return [(f"{event.position:09}", event.account_id or "") for event in found]


async def _notices(w: World, by: Caller, after: str | None, limit: int) -> list[tuple[str, str]]:
    found = await w.desk.notices.list(by=by, after=after, limit=limit, kind=NoticeKind.TERM_ENDING)
    return [(notice.id, notice.account_id or "") for notice in found]


async def _orders(w: World, by: Caller, after: str | None, limit: int) -> list[tuple[str, str]]:
    found = await w.desk.orders.orders(by=by, after=int(after or 0), limit=limit)
    return [(f"{one.order.position:09}", one.order.account_id) for one in found]


async def _latest(w: World, by: Caller, after: str | None, limit: int) -> list[tuple[str, str]]:
    before = None if after is None else int(after)
    found = await w.desk.orders.latest(by=by, before=before, limit=limit)
    return [(f"{one.order.position:09}", one.order.account_id) for one in found]


async def _sweeps(w: World, by: Caller, after: str | None, limit: int) -> list[tuple[str, str]]:
    found = await w.desk.orders.states(by=by, after=after, limit=limit)
    return [(one.account_id, one.account_id) for one in found]


async def _board(w: World, by: Caller, after: str | None, limit: int) -> list[tuple[str, str]]:
    """A page is named by what lies before it."""
    page = int(after or 0) // limit + 1
    found = await w.desk.overview.accounts(AccountQuery(page=page, size=limit), by=by)
    assert found.total == len({row.id async for row in w.desk.overview.every(found.query, by=by)})
    if page > found.pages:
        return []
    return [(f"{number:09}", row.id) for number, row in enumerate(found.rows, found.first)]


async def _every(w: World, by: Caller, after: str | None, limit: int) -> list[tuple[str, str]]:
    found = [row.id async for row in w.desk.overview.every(AccountQuery(), by=by)]
    return _part(found, after, limit)


async def _rows(w: World, by: Caller, after: str | None, limit: int) -> list[tuple[str, str]]:
    found = await w.desk.overview.rows([*w.accounts.values()], by=by)
    return _part([row.id for row in found], after, limit)


async def _needing(w: World, by: Caller, after: str | None, limit: int) -> list[tuple[str, str]]:
    found = await w.desk.overview.needing(by=by)
    assert found.total == found.accounts == len(found.lines)
    assert {line.row.id for line in found.lines if line.row} == {line.id for line in found.lines}
    return _part([line.id for line in found.lines], after, limit)


def _part(found: list[str], after: str | None, limit: int) -> list[tuple[str, str]]:
    """Of what has no pages of its own."""
    return [(one, one) for one in sorted(found) if after is None or one > after][:limit]


# --- the tests ----------------------------------------------------------------------------------


@pytest.fixture
async def world() -> World:
    return await World().open()


def verbs_of(room: object, name: str) -> Iterable[str]:
    for verb, function in inspect.getmembers(room, inspect.isroutine):
        if not verb.startswith("_") and "by" in inspect.signature(function).parameters:
            yield f"{name}.{verb}"


def test_every_verb_is_in_a_table(world: World) -> None:
    rooms = {field.name: getattr(world.desk, field.name) for field in dataclasses.fields(Desk)}
    there = {
        verb
        for name, room in {
            **rooms,
            "feeds.intake": world.desk.feeds.intake,
            "feeds.runs": world.desk.feeds.runs,
        }.items()
        if type(room).__module__.startswith("evergrant.")
        and name not in ("clock", "store", "marketplaces")
        for verb in verbs_of(room, name)
    } | {verb for verb in verbs_of(journal, "journal") if verb != "journal.write"}
    tried = {
        *OF_ONE_ACCOUNT,
        *LISTS,
        *OF_EVERYTHING,
        *OF_ONE_INSTANCE,
        *APPLICATIONS,
        *BY_THEMSELVES,
        *INSIDE,
    }
    assert there - tried == set(), "these are in no table: what do they concern?"
    gone = {verb for verb in tried - there if verb.partition(".")[0] in {*rooms, "journal"}}
    assert gone == set(), "there is no such verb any longer"


async def test_an_account_out_of_reach_is_not_there(world: World) -> None:
    """In one world, as nothing may change in it."""
    with AllCases() as cases:
        for verb in sorted(OF_ONE_ACCOUNT.keys() - BEFORE.keys()):
            with cases.one(verb):
                await not_there(world, verb)


@pytest.mark.parametrize("verb", BEFORE)
async def test_an_account_out_of_reach_is_not_there_whatever_it_is_in(
    world: World, verb: str
) -> None:
    for account_id in world.accounts.values():
        await BEFORE[verb](world, account_id, SYSTEM)
    await not_there(world, verb)


async def not_there(world: World, verb: str) -> None:
    for name, caller in world.callers().items():
        within = world.reach_of(name)
        for account_id in world.accounts.values():
            if account_id not in within:
                before = world.as_it_is()
                with pytest.raises(NotFound) as caught:
                    await OF_ONE_ACCOUNT[verb](world, account_id, caller)
                assert world.as_it_is() == before, f"{name} changed something"
                # The words are those for what was never there.
                told = str(caught.value).replace(account_id, "")
                assert not {*world.accounts, *world.accounts.values()} & set(told.split("'"))


@pytest.mark.parametrize("verb", OF_ONE_ACCOUNT)
async def test_an_account_within_reach_is_worked_with(world: World, verb: str) -> None:
    """Without this, a verb that refuses everybody would pass for one that keeps tenants apart."""
    await world._add_account("third", world.instances[0])
    with AllCases() as cases:
        for name, of in (("account", ONE), ("both", SIBLING), ("instance", "third")):
            account_id, caller = world.accounts[of], world.callers()[name]
            if caller.account_ids is not None:
                caller = dataclasses.replace(caller, account_ids=frozenset({account_id}))
            with cases.one(name):
                if verb in BEFORE:
                    await BEFORE[verb](world, account_id, SYSTEM)
                await OF_ONE_ACCOUNT[verb](world, account_id, caller)


async def test_what_concerns_everything_is_refused(world: World) -> None:
    before = world.as_it_is()
    with AllCases() as cases:
        for verb, ask in OF_EVERYTHING.items():
            for name, caller in world.callers().items():
                with cases.one(f"{verb} by {name}"):
                    with pytest.raises(NotAllowed):
                        await ask(world, caller)
                    assert world.as_it_is() == before


@pytest.mark.parametrize("verb", OF_ONE_INSTANCE)
async def test_client_instances_end_at_the_reach(world: World, verb: str) -> None:
    callers = world.callers()
    mine, other = world.instances
    nowhere = [(callers["instance"], other)]
    for name in ("account", "both", "moved"):
        nowhere += [(callers[name], mine), (callers[name], other)]
    for caller, instance_id in nowhere:
        before = world.as_it_is()
        with pytest.raises(NotFound):
            await OF_ONE_INSTANCE[verb](world, instance_id, caller)
        assert world.as_it_is() == before
    await OF_ONE_INSTANCE[verb](world, mine, callers["instance"])


@pytest.mark.parametrize("verb", APPLICATIONS)
async def test_applications_are_not_for_callers_of_certain_accounts(
    world: World, verb: str
) -> None:
    callers = world.callers()
    for name in ("account", "both"):
        with pytest.raises(NotFound):
            await APPLICATIONS[verb](world, callers[name])
    await APPLICATIONS[verb](world, callers["instance"])


async def test_lists_of_the_register_end_at_the_reach(world: World) -> None:
    callers = world.callers()
    for name in ("account", "both", "moved"):
        assert await world.desk.registry.applications(by=callers[name]) == []
        assert await world.desk.registry.instances(by=callers[name]) == []
    found = await world.desk.registry.instances(by=callers["instance"])
    assert [one.id for one in found] == world.instances[:1]
    assert len(await world.desk.registry.applications(by=callers["instance"])) == 1


@pytest.mark.parametrize("verb", LISTS)
async def test_pages_of_lists_hold_what_is_in_reach_and_nothing_else(
    world: World, verb: str
) -> None:
    for number in range(3):
        await world._add_account(f"more {number}", world.instances[number % 2])
    for name, caller in world.callers().items():
        within = world.reach_of(name)
        if name == "instance":
            within |= {world.accounts["more 0"], world.accounts["more 2"]}
        seen: list[tuple[str, str]] = []
        while page := await LISTS[verb](world, caller, seen[-1][0] if seen else None, 1):
            assert len(page) == 1
            seen += page
        assert {account_id for _, account_id in seen} == within
        assert len(seen) == len(within)
        assert sorted(seen) == sorted(await LISTS[verb](world, caller, None, 100))


async def test_filters_open_nothing(world: World) -> None:
    callers = world.callers()
    accounts = world.desk.accounts
    mine, other = world.instances
    for name, caller in callers.items():
        found = await accounts.list(by=caller, client_instance_id=other)
        assert found == [], name
        by_state = await accounts.list(by=caller, state="active", partner_kind="seller")
        assert {view.account.id for view in by_state} == world.reach_of(name)
    found = await accounts.list(by=callers["account"], client_instance_id=mine)
    assert {view.account.id for view in found} == {world.accounts[ONE]}


async def test_names_out_of_reach_are_neither_found_nor_guessed_at(world: World) -> None:
    caller = world.callers()["account"]
    for text in (SIBLING, STRANGER, "siblin", "strange"):
        with pytest.raises(NotFound) as caught:
            await world.desk.accounts.find(text, by=caller)
        assert SIBLING not in str(caught.value.hint)
        assert STRANGER not in str(caught.value.hint)
    assert (await world.desk.accounts.find(ONE, by=caller)).account.id == world.accounts[ONE]


async def test_who_is_bound_to_accounts_adds_none_and_moves_none(world: World) -> None:
    mine, other = world.instances
    callers = world.callers()
    before = world.as_it_is()
    for name in ("account", "both", "moved"):
        for instance_id in (mine, other):
            with pytest.raises(NotAllowed):
                await world.desk.accounts.add(
                    world.new_account("new", instance_id), by=callers[name]
                )
    for name, instance_id in (("account", other), ("both", other), ("instance", other)):
        with pytest.raises(InvalidInput, match="names no client instance"):
            await world.desk.accounts.change(
                world.accounts[ONE], {"client_instance_id": instance_id}, by=callers[name]
            )
    with pytest.raises(InvalidInput, match="names no client instance"):
        await world.desk.accounts.add(world.new_account("new", other), by=callers["instance"])
    assert world.as_it_is() == before
    await world.desk.accounts.add(world.new_account("new", mine), by=callers["instance"])


async def test_the_journal_is_asked_by_the_account(world: World) -> None:
    for caller in world.callers().values():
        questions: list[dict[str, Any]] = [
            {},
            {"verb": "account.added"},
            {"subject": world.application_id},
        ]
        for question in questions:
            with pytest.raises((NotFound, InvalidInput)):
                await journal.read(world.desk.store, caller, **question)
        for out in set(world.accounts.values()) - {world.accounts[ONE], world.accounts[SIBLING]}:
            with pytest.raises(NotFound):
                await journal.read(world.desk.store, caller, subject=out)
    # A subject of somebody else's does not come along with an account of one's own.
    lines = await journal.read(
        world.desk.store,
        world.callers()["account"],
        account_id=world.accounts[ONE],
        subject=world.accounts[SIBLING],
    )
    assert lines == []


async def test_plans_for_all_are_for_those_who_reach_everything(world: World) -> None:
    plans = await world.desk.limits.list_plans(by=SYSTEM)
    wide = [plan for plan in plans if plan.account_id is None]
    assert len(wide) == 2
    before = world.as_it_is()
    for caller in world.callers().values():
        for plan in wide:
            with pytest.raises(NotAllowed):
                await world.desk.limits.remove_plan(plan.id, by=caller)
            with pytest.raises(NotAllowed):
                await world.desk.limits.set_plan(plan_of(None, plan.application_id), by=caller)
    assert world.as_it_is() == before


async def test_terms_ahead_end_at_the_reach(world: World) -> None:
    await world.desk.registry.set_credentials(
        world.application_id,
        Credentials(secret_expires_at=world.fakes.clock.now() + timedelta(days=100)),
        by=SYSTEM,
    )
    for account_id in world.accounts.values():
        await world.desk.watch.note_granted_at(account_id, world.fakes.clock.now(), by=SYSTEM)
    everything = await world.desk.overview.terms(by=SYSTEM)
    assert (everything.grants, everything.secrets) == (3, 1)
    for name, caller in world.callers().items():
        seen = await world.desk.overview.terms(by=caller)
        named = {end.id for week in seen.weeks for end in week.first}
        assert named == world.reach_of(name), name
        assert seen.grants == len(named)
        # An application's client secret is a matter of the whole house.
        assert (seen.secrets, seen.lapsed, seen.undated) == (0, 0, 0), name


async def test_saved_filters_are_seen_and_dropped_by_whom_they_belong_to(world: World) -> None:
    def operator(id: str) -> Caller:
        return Caller(kind=CallerKind.OPERATOR, id=id, name=id, rights=frozenset({Right.READ}))

    overview = world.desk.overview
    saved = await overview.save_filter("Mine", "q=mug", by=operator(world.operator_id))
    before = world.as_it_is()
    for caller in (*world.callers().values(), operator("opr_of_somebody_else")):
        assert await overview.saved_filters(by=caller) == []
        with pytest.raises(NotFound):
            await overview.drop_filter(saved.id, by=caller)
    assert world.as_it_is() == before
    assert await overview.saved_filters(by=operator(world.operator_id)) == [saved]
    await overview.drop_filter(saved.id, by=operator(world.operator_id))
    assert await overview.saved_filters(by=operator(world.operator_id)) == []


async def test_leave_at_hand_ends_at_the_reach(world: World) -> None:
    calls = world.desk.calls
    for name, caller in world.callers().items():
        for account_id in world.accounts.values():
            within = account_id in world.reach_of(name)
            given = False
            # Permits lie in the hand for some milliseconds only.
            for _ in range(100 if within else 3):
                calls.give_back(await calls.admit(asked(account_id), by=SYSTEM))
                leave = calls.admit_at_hand(asked(account_id), by=caller)
                if leave is not None:
                    given = True
                    assert leave.account_id == account_id
                    calls.give_back(leave)
                    break
            assert given == within, name


async def test_restricted_data_tokens_at_hand_end_at_the_reach(world: World) -> None:
    tokens = world.desk.tokens
    for account_id in world.accounts.values():
        await tokens.restricted(account_id, *RESTRICTED, by=SYSTEM, permit=_permitted)
    for name, caller in world.callers().items():
        for account_id in world.accounts.values():
            token = tokens.restricted_at_hand(account_id, *RESTRICTED, by=caller)
            assert (token is not None) == (account_id in world.reach_of(name)), name


async def test_access_tokens_at_hand_end_at_the_reach(world: World) -> None:
    for account_id in world.accounts.values():
        await world.desk.tokens.mint(account_id, by=SYSTEM)
    for name, caller in world.callers().items():
        at_hand = {
            account_id
            for account_id in world.accounts.values()
            if world.desk.tokens.at_hand(account_id, by=caller) is not None
        }
        assert at_hand == world.reach_of(name), name


async def test_a_report_of_no_account_is_for_those_who_reach_everything(world: World) -> None:
    (report,) = [
        one for one in await world.desk.consent.reports(by=SYSTEM) if one.account_id is None
    ]
    for caller in world.callers().values():
        with pytest.raises(NotFound):
            await world.desk.consent.report(report.reference, by=caller)
        with pytest.raises(NotFound):
            await world.desk.consent.resolve(report.reference, by=caller)


async def test_rotating_gives_the_same_reach(world: World) -> None:
    """Nor does it cut the journal's line loose from its account."""
    made = await world.desk.people.rotate_connection_key(
        world.connection_keys[world.accounts[ONE]],
        overlap=timedelta(0),
        by=world.callers()["account"],
    )
    assert made.key.account_id == world.accounts[ONE]
    lines = await journal.read(world.desk.store, SYSTEM, account_id=world.accounts[ONE])
    assert {"connection_key.rotated", "connection_key.added"} <= {line.verb for line in lines}
