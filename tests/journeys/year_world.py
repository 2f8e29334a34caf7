"""The world of the simulated year: Amazon (the emulator), the house, its shops and what they do.

Answers for: both clocks, moved together; every act of the script, done as people do it: by the link
that came by mail, on Amazon's own pages, in the console, by a verb of a room. Does not answer for:
when who does what (year_plan), or for what follows (nodes).
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2

from amazon_emulator import Levers
from demo.stage import Emulator
from evergrant.accounts import NewAccount
from evergrant.consent import Onward
from evergrant.desk import Desk
from evergrant.errors import ConsentRefused, EvergrantError
from evergrant.limits import NewPlan
from evergrant.ports.things import InvitationState
from evergrant.registry import Credentials, NewApplication, NewInstance
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret, digest
from tests.journeys.year_arrivals import OPERATORS, SUPPORT, MailServer, Now, Receivers, mended
from tests.journeys.year_oracle import Happened
from tests.journeys.year_plan import (
    APPLICATIONS,
    BEGIN,
    DAYS,
    INSTANCES,
    Act,
    App,
    Life,
    Plan,
    noon,
)

__all__ = ["World", "environment"]

HOUSE = "https://house.example"
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')
REGION = re.compile(r'name="region" value="(\w+)"')


def environment(
    folder: Path, database_url: str, emulator: Emulator, mail_port: int
) -> dict[str, str]:
    """What every node and the front desk live in."""
    (folder / "clock").write_text("0")
    (folder / "marketplaces.json").write_text(json.dumps(emulator.marketplaces()))
    return {
        "EVERGRANT_HOME": str(folder),
        "EVERGRANT_DATABASE_URL": database_url,
        "EVERGRANT_KEYRING": f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "EVERGRANT_MARKETPLACES_FILE": str(folder / "marketplaces.json"),
        "EVERGRANT_CLOCK_FILE": str(folder / "clock"),
        "EVERGRANT_MAILBOX_PORT": str(mail_port),
        "EVERGRANT_PUBLIC_URL": HOUSE,
        "EVERGRANT_HOUSE_NAME": "Northwind",
        "EVERGRANT_MAIL_FROM": "connect@house.example",
        "EVERGRANT_SUPPORT_EMAIL": SUPPORT,
        "EVERGRANT_OPERATORS_EMAIL": OPERATORS,
        "EVERGRANT_AWS_URL": emulator.addresses["aws"],
    }


@dataclass
class _Shop:
    life: Life
    partner: dict[str, Any]
    account_id: str = ""


@dataclass
class World:
    plan: Plan
    emulator: Emulator
    desk: Desk
    folder: Path
    now: Now
    mails: MailServer
    receivers: Receivers
    out: Happened = field(default_factory=Happened)
    shops: dict[int, _Shop] = field(default_factory=dict)
    application_ids: dict[str, str] = field(default_factory=dict)
    amazon_ids: dict[str, str] = field(default_factory=dict)
    instance_ids: dict[str, str] = field(default_factory=dict)
    aws_keys: dict[str, str] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)
    copied_links: int = 0  # no letter with a link that still works was there

    def __post_init__(self) -> None:
        self.amazon = Levers(self.emulator.addresses["levers"])
        self.browser = httpx2.AsyncClient(timeout=30, trust_env=False)

    # --- time ---------------------------------------------------------------------------------

    def move(self, to: datetime) -> None:
        """Both clocks."""
        self.now.day, self.now.at_s = (to - BEGIN).days, (to - BEGIN).total_seconds()
        fresh = self.folder / "clock.new"
        fresh.write_text(str((to - datetime.now(UTC)).total_seconds()))
        fresh.replace(self.folder / "clock")
        self.amazon.pull("POST", "/clock", {"now": to.isoformat()})

    # --- the beginning ------------------------------------------------------------------------

    async def begin(self, receiver_port: int) -> None:
        self.move(BEGIN)
        self.amazon.pull("POST", "/login-leg", {"mode": "alternate"})
        for instance in INSTANCES:
            url = f"http://127.0.0.1:{receiver_port}/{instance.name}" if instance.webhook else ""
            added = await self.desk.registry.add_instance(
                NewInstance(name=instance.name, webhook_url=url), by=SYSTEM
            )
            self.instance_ids[instance.name] = added.instance.id
            self.receivers.signing[instance.name] = added.signing_secret.reveal()
        for app in APPLICATIONS:
            await self._register(app)
        # Its limit goes by the machine's clock: one a minute, which are months of the play.
        await self.desk.limits.set_plan(
            NewPlan(
                operation="applications.2023-11-30.rotateApplicationClientSecret",
                rate_per_s=100.0,
                burst=100,
            ),
            by=SYSTEM,
        )
        for life in self.plan.lives:
            await self._add(life)

    async def _register(self, app: App) -> None:
        made = self.amazon.application(
            app.name,
            status="draft",
            login_uri=f"{HOUSE}/amazon/login",
            redirect_uris=[f"{HOUSE}/callback"],
        )
        added = await self.desk.registry.add_application(
            NewApplication(
                name=app.name,
                kind=app.kind,
                partner_kinds=["seller", "vendor"] if app.kind == "public" else ["seller"],
                status="draft",
                application_id=made["application_id"],
                reminder_days=app.windows,
            ),
            by=SYSTEM,
        )
        self.application_ids[app.name] = added.id
        self.amazon_ids[app.name] = made["application_id"]
        given: dict[str, Any] = {}
        if app.rotates == "queue":
            queue = self.amazon.queue(f"secrets-of-{app.name.lower()}")
            key = self.amazon.aws_key()
            self.aws_keys[app.name] = key["access_key_id"]
            self.amazon.pull(
                "PUT",
                f"/world/applications/{made['application_id']}/rotation-queues",
                {"new_secret_queue_arn": queue["arn"], "expiry_queue_arn": queue["arn"]},
            )
            given = {
                "queue_url": queue["url"],
                "access_key": Secret(key["access_key_id"]),
                "secret_key": Secret(key["secret_access_key"]),
            }
        await self.desk.registry.set_credentials(
            added.id,
            Credentials(
                lwa_client_id=made["lwa_client_id"],
                lwa_client_secret=Secret(made["lwa_client_secret"]),
                secret_expires_at=datetime.fromisoformat(made["secret_ends_at"][0]),
                **given,
            ),
            by=SYSTEM,
        )

    async def _add(self, life: Life) -> None:
        kind = "vendor" if life.vendor else "seller"
        partner = self.amazon.partner(kind, name=life.name, home="DE")
        account = await self.desk.accounts.add(
            NewAccount(
                name=life.name,
                partner_kind=kind,
                client_email=life.email,
                application_id=self.application_ids[life.app.name],
                client_instance_id=self.instance_ids[life.instance.name],
                region="eu",
                home_marketplace="DE",
                vendor_kind="retail" if life.vendor else None,
            ),
            by=SYSTEM,
        )
        self.shops[life.number] = _Shop(life, partner, account.id)

    # --- a day at noon ------------------------------------------------------------------------

    async def act(self, day: int) -> None:
        self.move(noon(day))
        for life in self.plan.lives:
            await self._come(self.shops[life.number], day)
        for app in APPLICATIONS:
            await self._keep(app, day)
        acts = [(self.shops[life.number], act) for life, act in self.plan.acts(day)]
        for shop, act in acts:
            if act.what != "end_early":
                await self._do(shop, act)
        # Within the last day, whatever the second was at which consent was given.
        self.move(noon(day) + timedelta(minutes=20))
        for shop, act in acts:
            if act.what == "end_early":
                await self._do(shop, act)

    async def _do(self, shop: _Shop, act: Act) -> None:
        try:
            await getattr(self, f"_{act.what}")(shop, act)
        except (EvergrantError, AssertionError) as error:
            self.strange.append(f"day {act.day}: {act.what} of {shop.life.name}: {error}")

    async def _come(self, shop: _Shop, day: int) -> None:
        life = shop.life
        if life.comes_by == "adopt" and life.comes == day:
            await self._adopt(shop, life.granted)
        elif life.comes_by == "consent" and life.comes - 1 == day:
            await self._do(shop, Act(day, "invite"))
        elif life.comes_by == "consent" and life.comes == day:
            await self._do(shop, Act(day, "renew"))

    async def _keep(self, app: App, day: int) -> None:
        if day in app.pasted:
            await self._paste(app)
        if app.broken and day == app.broken.start:
            self.amazon.pull("POST", f"/world/aws-keys/{self.aws_keys[app.name]}/secret", {})
        if app.broken and day == app.broken.stop:
            await self._mend(app)

    async def _adopt(self, shop: _Shop, granted: int | None) -> None:
        wishes: dict[str, Any] = {}
        really = granted
        for act in shop.life.acts:
            really = act.to if act.what == "date" else really
        if really is not None:
            wishes["granted_at"] = noon(really).isoformat()
        if shop.life.app.kind == "public":
            ends = DAYS + 100 if shop.life.endless or really is None else really + 365
            wishes["ends_at"] = noon(ends).isoformat()
        made = self.amazon.grant(
            shop.partner["selling_partner_id"], self.amazon_ids[shop.life.app.name], **wishes
        )
        await self.desk.consent.adopt(
            shop.account_id,
            Secret(made["refresh_token"]),
            granted_at=None if granted is None else noon(granted),
            selling_partner_id=shop.partner["selling_partner_id"],
            by=SYSTEM,
        )

    async def _adopt_anew(self, shop: _Shop, act: Act) -> None:
        await self._adopt(shop, act.day)

    async def _invite(self, shop: _Shop, act: Act) -> None:
        await self.desk.consent.invite(shop.account_id, by=SYSTEM)

    async def _renew(self, shop: _Shop, act: Act) -> None:
        await self._consent(shop, await self._link(shop))

    async def _fail_to_renew(self, shop: _Shop, act: Act) -> None:
        link = await self._link(shop)
        self.amazon.fail_lwa("503", times=1, grant_type="authorization_code")
        with suppress(ConsentRefused):
            await self._consent(shop, link)
            raise AssertionError("a consent without an answer of LWA's went well")

    async def _link(self, shop: _Shop) -> str:
        """That of the newest letter which still works; else one that the house reads out."""
        async with self.desk.store.transaction() as tx:
            for link in reversed(self.mails.links.get(shop.life.name, [])):
                made = await tx.invitations.one(link_digest=digest(link))
                if (
                    made is not None
                    and made.state is InvitationState.OPEN
                    and made.expires_at > self.desk.clock.now()
                ):
                    return link
        self.copied_links += 1
        link = (await self.desk.consent.link(shop.account_id, by=SYSTEM)).reveal()
        return link.rpartition("/")[2]

    async def _consent(self, shop: _Shop, link: str) -> None:
        """The whole way: our page, Amazon's pages, and back in whichever shape Amazon takes."""
        await self.desk.consent.open(link)
        departure = await self.desk.consent.begin(link, None)
        cookie = departure.browser.reveal()
        back = await self._confirm(shop, departure.location.reveal())
        if back.startswith(f"{HOUSE}/amazon/login"):
            onward = await self.desk.consent.log_in(urlsplit(back).query, cookie)
            assert isinstance(onward, Onward), onward
            back = await self._redirected("GET", onward.location.reveal())
        arrived = await self.desk.consent.accept(urlsplit(back).query, cookie)
        assert arrived.connected, arrived

    async def _reauthorize(self, shop: _Shop, act: Act) -> None:
        """The button on Amazon's own page: it comes to the log-in URI, and nobody began it here."""
        central = self.emulator.addresses[
            "vendor_central" if shop.life.vendor else "seller_central"
        ]
        application_id = self.amazon_ids[shop.life.app.name]
        asked = f"{central}/apps/authorize/consent?application_id={application_id}&start=central"
        back = await self._confirm(shop, asked)
        assert back.startswith(f"{HOUSE}/amazon/login"), back
        await self.desk.consent.log_in(urlsplit(back).query, None)

    async def _confirm(self, shop: _Shop, asked: str) -> str:
        """Signs in at Amazon and confirms; where it sends the browser then."""
        self.browser.cookies.clear()
        who = {name: shop.partner[name] for name in ("email", "password")}
        await self._redirected("POST", urljoin(asked, "/ap/signin"), {"return_to": "/", **who})
        page = (await self.browser.get(asked)).text
        form = {name: unescape(value) for name, value in HIDDEN.findall(page)}
        form.pop("return_to", None)
        if region := REGION.search(page):
            form["region"] = region[1]
        return await self._redirected(
            "POST",
            urljoin(asked, "/apps/authorize/consent"),
            {**form, "permission": "on", "decision": "confirm"},
        )

    async def _redirected(self, method: str, url: str, form: dict[str, str] | None = None) -> str:
        answer = await self.browser.request(method, url, data=form)
        assert answer.status_code in (302, 303), (answer.status_code, answer.text[:2000])
        return urljoin(url, answer.headers["location"])

    # --- what Amazon does ---------------------------------------------------------------------

    def _whose(self, shop: _Shop) -> dict[str, str]:
        return {
            "selling_partner_id": shop.partner["selling_partner_id"],
            "application_id": self.amazon_ids[shop.life.app.name],
        }

    async def _ask_for_access(self, shop: _Shop) -> None:
        """As the house's software does each hour, and so learns what became of the grant."""
        with suppress(EvergrantError):
            await self.desk.tokens.mint(shop.account_id, by=SYSTEM)

    async def _revoke(self, shop: _Shop, act: Act) -> None:
        self.amazon.pull("POST", "/revoke", self._whose(shop))
        await self._ask_for_access(shop)

    async def _reinstate(self, shop: _Shop, act: Act) -> None:
        self.amazon.pull("POST", "/reinstate", self._whose(shop))
        await self._look_again(shop, act)

    async def _renew_unseen(self, shop: _Shop, act: Act) -> None:
        self.amazon.pull("POST", "/reinstate", self._whose(shop))

    async def _look_again(self, shop: _Shop, act: Act) -> None:
        with suppress(EvergrantError):
            await self.desk.tokens.look_again(shop.account_id, by=SYSTEM)

    async def _end_early(self, shop: _Shop, act: Act) -> None:
        self.amazon.pull("POST", "/expire", {"what": "grant", **self._whose(shop)})
        await self._ask_for_access(shop)

    # --- what the house does ------------------------------------------------------------------

    async def _close(self, shop: _Shop, act: Act) -> None:
        await self.desk.accounts.close(shop.account_id, by=SYSTEM)

    async def _reopen(self, shop: _Shop, act: Act) -> None:
        view = await self.desk.accounts.get(shop.account_id, by=SYSTEM)
        if not view.account.client_email:
            # Closed for so long that it was forgotten: somebody has to ask for it.
            changes = {"client_email": shop.life.email}
            await self.desk.accounts.change(shop.account_id, changes, by=SYSTEM)
        await self.desk.accounts.reopen(shop.account_id, by=SYSTEM)
        await self._ask_for_access(shop)

    async def _date(self, shop: _Shop, act: Act) -> None:
        await self.desk.watch.note_granted_at(shop.account_id, noon(act.to), by=SYSTEM)

    async def _mend_address(self, shop: _Shop, act: Act) -> None:
        changes = {"client_email": mended(shop.life)}
        await self.desk.accounts.change(shop.account_id, changes, by=SYSTEM)

    async def _paste(self, app: App) -> None:
        made = self.amazon.rotate(self.amazon_ids[app.name])
        await self.desk.rotations.paste(
            self.application_ids[app.name],
            Secret(made["lwa_client_secret"]),
            by=SYSTEM,
            expires_at=datetime.fromisoformat(made["secret_ends_at"][0]),
        )

    async def _mend(self, app: App) -> None:
        key = self.amazon.aws_key()
        await self.desk.registry.set_credentials(
            self.application_ids[app.name],
            Credentials(
                access_key=Secret(key["access_key_id"]),
                secret_key=Secret(key["secret_access_key"]),
            ),
            by=SYSTEM,
        )

    async def close(self) -> None:
        await self.browser.aclose()
