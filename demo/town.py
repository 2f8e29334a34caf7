"""A town around the demo: sixty shops, a year of their life, and the people who look after them.

Answers for: `make demo-serve` opening on a console that is full. All of it comes about as in
earnest: accounts are added by /v1, links are mailed and followed on Amazon's pages, refresh tokens
of an earlier connector are adopted, operators are invited and sign in, and both clocks are moved
from a year ago to the present. Nothing is written into tables. Does not answer for: the play that
everybody sees (`__main__`), or for a single shop's trade (`trade`).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from demo.house import House, add_application, lever, link_in
from demo.partner import Browser
from demo.stage import Emulator, Evergrant, wait_for
from demo.telling import step
from demo.townsfolk import SHOPS, WAVES, Shopkeeper
from demo.trade import Shop
from demo.year import Time

__all__ = ["BEGINS", "Colleague", "Town"]

#: Days before the present.
BEGINS = WAVES[0]
#: Days before the present on which an application (by its number) gets a new client secret. One
#: that is pasted counts as a week old, so the first one's newest ends in twenty days.
_ROTATIONS = ((211, 0), (153, 0), (60, 1))
_SECOND_APPLICATION = 182
_WEBHOOK_BREAKS = 31
_HANDS = 5
_TERM = timedelta(days=365)
#: Days before the present.
_LATELY = 0.03
_SOME_MINUTES = 0.004
_SKUS = ("LAMP-04", "MUG-11")
_TRADING = ("trades", "refused lines", "uncertain")
_REFUSAL = {
    "sku": _SKUS[0],
    "code": "99022",
    "message": "The price is more than five times what this product usually costs.",
}
Facts = dict[str, Any]


@dataclass
class Colleague:
    """Somebody of the software house, with a browser."""

    name: str
    email: str
    role: str
    password: str = field(default_factory=lambda: secrets.token_hex(8), repr=False)
    browser: Browser = field(default_factory=Browser)

    def sign_in(self, url: str) -> None:
        self.browser.close()
        self.browser = Browser()
        self.browser.open(f"{url}/console/sign-in")
        page = self.browser.press("Sign in", email=self.email, password=self.password)
        if "/console/sign-in" in page.url:
            raise RuntimeError(f"{self.name} was not let in: {page.words[:300]}")

    def does(self, url: str, button: str, **answers: str) -> None:
        """Opens a page and presses a button there."""
        self.browser.open(url)
        page = self.browser.press(button, **answers)
        if page.status >= 400:
            raise RuntimeError(f"{self.name}, {button} at {url}: {page.words[:300]}")


def colleagues() -> dict[str, Colleague]:
    return {
        role: Colleague(name, f"{name.partition(' ')[0].lower()}@northwind.example", role)
        for role, name in (
            ("admin", "Ada Lindqvist"),
            ("team_lead", "Tomas Okafor"),
            ("support", "Mei Castellano"),
            ("auditor", "Ruth Amsel"),
        )
    }


class Town:
    """Everything besides the two shops of the play."""

    def __init__(
        self,
        house: House,
        emulator: Emulator,
        evergrant: Evergrant,
        time: Time,
        application: Facts,
        instance: Facts,
        shops: Sequence[Shopkeeper] = SHOPS,
    ) -> None:
        self.shops = shops
        self.house = house
        self.emulator = emulator
        self.evergrant = evergrant
        self.url = evergrant.url
        self.time = time
        self.applications = [application]
        self.instances = [instance]
        self.people = colleagues()
        self.partners: dict[str, Facts] = {}
        self.accounts: dict[str, Facts] = {}
        self.now: float = BEGINS  # days ago

    # --- the year ---------------------------------------------------------------------------------

    def live(self) -> None:
        with step("People of the house: an admin by the code of the first start, three invited"):
            self._let_people_in()
        with step(f"A year of a town with {len(self.shops)} more accounts") as said:
            self._add_instances()
            for days in WAVES:
                self._until(days)
                if days == _SECOND_APPLICATION:
                    self._add_second_application()
                if days == _WEBHOOK_BREAKS:
                    self._break_webhook()
                if days == WAVES[-1]:
                    self._open_shops()
                self._each(self._connect, (one for one in self.shops if one.days_ago == days))
            said.append(f"{len(self.accounts)} accounts, four client instances, two applications")
        with step("The last days: letters nobody opens, a wrong shop, a bounce, a lapse") as said:
            self._let_it_go_wrong()
        with step("Orders, changes, and what Amazon makes of them") as said:
            said.extend(self._trade())
        with step("What four people did about it"):
            self._work()

    def arrive(self) -> None:
        """The present, to the second."""
        self._until(0)
        for one in self.people.values():
            one.browser.close()

    def _until(self, days: float) -> None:
        for made, number in _ROTATIONS:
            if days <= made < self.now:
                self._pass(made)
                self._rotate(self.applications[number])
        self._pass(days)

    def _pass(self, days: float) -> None:
        if days < self.now:
            self.time.pass_(timedelta(days=self.now - days), self.emulator)
            self.now = days

    def _rotate(self, application: Facts) -> None:
        """As without a queue: a button in Amazon's console, and paste."""
        amazon = application["amazon"]["application_id"]
        fresh = lever(self.emulator, "POST", f"/world/applications/{amazon}/rotate")
        pasted = {"lwa_client_secret": fresh["lwa_client_secret"]}
        self.house.ask("POST", f"/v1/applications/{application['id']}/secret", pasted)

    def _each(self, verb: Callable[[Any], None], things: Iterable[Any]) -> None:
        with ThreadPoolExecutor(_HANDS) as hands:
            try:
                for done in [hands.submit(verb, one) for one in things]:
                    done.result()
            except BaseException:
                hands.shutdown(wait=False, cancel_futures=True)  # what was begun is all
                raise

    # --- the house --------------------------------------------------------------------------------

    def _let_people_in(self) -> None:
        found = re.search(r"With the code +(\S+)", self.evergrant.running.log.read_text())
        if found is None:
            raise RuntimeError("the server should have printed the code of the first start")
        admin = self.people["admin"]
        admin.browser.open(f"{self.url}/console/first")
        answers = {"name": admin.name, "email": admin.email, "code": found[1]}
        admin.browser.press("Begin", **answers, **_twice(admin.password))
        for one in self.people.values():
            if one is not admin:
                admin.does(
                    f"{self.url}/console/operators/invite",
                    "Send the invitation",
                    name=one.name,
                    email=one.email,
                    role=one.role,
                )
        for one in self.people.values():
            if one is not admin:
                letter = self.house.wait_for_letter(one.email, says="/console/join/")
                link = re.search(r"https?://\S+/console/join/\S+", letter["text"])
                assert link is not None, "an invitation holds its link"
                one.browser.open(link[0])
                one.browser.press("Go on", **_twice(one.password))

    def _add_instances(self) -> None:
        for name in ("OMS Lyon", "Marketplace desk Turin", "Shop system Osaka"):
            host = name.rpartition(" ")[2].lower()
            wanted = {"name": name, "base_url": f"https://{host}.northwind.example"}
            self.instances.append(self.house.ask("POST", "/v1/instances", wanted))

    def _break_webhook(self) -> None:
        """Where nobody listens."""
        wanted = {"webhook_url": "http://127.0.0.1:9/amazon-events"}
        self.house.ask("PATCH", f"/v1/instances/{self.instances[1]['id']}", wanted)

    def _add_second_application(self) -> None:
        self.applications.append(
            add_application(self.house, self.emulator, name="Northwind Stock", status="published")
        )
        self._until(_SECOND_APPLICATION - 1)

    # --- accounts ---------------------------------------------------------------------------------

    def _connect(self, shop: Shopkeeper) -> None:
        account = self._add(shop)
        if shop.way == "consent":
            self._consent(shop, account)
        elif shop.way == "adopt":
            self._adopt(shop, account)
        elif shop.way in ("asked", "opened"):
            self._ask(account)
            if shop.way == "opened":
                browser = Browser()
                browser.open(self._link(account))
                browser.close()

    def _add(self, shop: Shopkeeper) -> Facts:
        number = SHOPS.index(shop)
        wanted = {"kind": shop.kind, "name": shop.name, "home": shop.home}
        partner = lever(self.emulator, "POST", "/world/partners", wanted)
        application = self.applications[-1 if number % 3 == 1 else 0]
        body = {
            "name": shop.name,
            "partner_kind": shop.kind,
            "client_email": partner["email"],
            "application_id": application["id"],
            "client_instance_id": self.instances[number % len(self.instances)]["id"],
            "region": shop.region,
            "home_marketplace": shop.home,
            "language": shop.language,
            "flags": dict.fromkeys(shop.switched_off, False),
        }
        if shop.kind == "vendor":
            body |= {"vendor_kind": shop.vendor_kind, "vendor_codes": partner["vendor_codes"]}
        elif shop.way != "wrong":
            body["merchant_token"] = partner["selling_partner_id"]
        account: Facts = self.house.ask("POST", "/v1/accounts", body)
        self.partners[shop.name] = {**partner, "amazon": application["amazon"]}
        self.accounts[shop.name] = account
        return account

    def _ask(self, account: Facts) -> None:
        self.house.ask("POST", f"/v1/accounts/{account['id']}/invitation")

    def _link(self, account: Facts) -> str:
        return link_in(self.house.wait_for_letter(account["client_email"]))

    def _consent(self, shop: Shopkeeper, account: Facts, who: Facts | None = None) -> None:
        """By the link that came by mail, on Amazon's pages. ``who`` signs in there."""
        self._ask(account)
        self._follow(self._link(account), who or self.partners[shop.name])

    def _follow(self, link: str, who: Facts, *, confirm: bool = True) -> None:
        browser = Browser()
        browser.open(link)
        browser.press("Amazon")
        browser.press("Sign in", email=who["email"], password=who["password"])
        if confirm:
            browser.press("Confirm", permission="on")
        browser.close()

    def _adopt(self, shop: Shopkeeper, account: Facts) -> None:
        """It was connected elsewhere before, and moves in."""
        partner = self.partners[shop.name]
        now = datetime.fromisoformat(lever(self.emulator, "GET", "/clock")["now"])
        granted_at = now - timedelta(days=(shop.granted or shop.days_ago) - shop.days_ago)
        given = {
            "selling_partner_id": partner["selling_partner_id"],
            "application_id": partner["amazon"]["application_id"],
            "region": shop.region,
            "granted_at": granted_at.isoformat(),
            "ends_at": (granted_at + _TERM).isoformat(),
        }
        grant = lever(self.emulator, "POST", "/world/grants", given)
        adopted = {
            "refresh_token": grant["refresh_token"],
            "granted_at": granted_at.isoformat(),
        }
        self.house.ask("POST", f"/v1/accounts/{account['id']}/adopt", adopted)

    # --- what goes wrong --------------------------------------------------------------------------

    def _let_it_go_wrong(self) -> None:
        self._take_orders("SHIPPED", count=1)
        self._until(2)
        self._take_orders("UNSHIPPED", count=1)
        self._renew(*_named("renewed"))
        self._wrong_shop(*_named("wrong shop"))
        for shop in _named("at amazon"):
            self._ask(self.accounts[shop.name])
            link = self._link(self.accounts[shop.name])
            self._follow(link, self.partners[shop.name], confirm=False)
        for shop in _named("bounced"):
            self._bounce(shop)
        for shop in _named("revoked"):
            who = {"selling_partner_id": self.partners[shop.name]["selling_partner_id"]}
            lever(self.emulator, "POST", "/revoke", who)
        self._until(1)
        self._meet_revocations()
        self.evergrant.cli("watch", "now")

    def _meet_revocations(self) -> None:
        """A program asks for an access token, as one does all day: that is how a house learns that
        the partner took the authorization back. Amazon is believed the second time."""
        for shop in _named("revoked"):
            self.house.send("GET", f"/v1/accounts/{self.accounts[shop.name]['id']}/access-token")

    def _renew(self, *shops: Shopkeeper) -> None:
        for shop in shops:
            account = self.accounts[shop.name]
            newest = self.house.newest_letter()
            self._ask(account)
            letter = self.house.wait_for_letter(account["client_email"], after=newest)
            self._follow(link_in(letter), self.partners[shop.name])

    def _wrong_shop(self, *shops: Shopkeeper) -> None:
        """Somebody signs in at Amazon as another shop than the one that was asked."""
        for shop in shops:
            other = lever(
                self.emulator,
                "POST",
                "/world/partners",
                {"kind": "seller", "name": f"{shop.name} Outlet", "home": shop.home},
            )
            self._consent(shop, self.accounts[shop.name], other)

    def _bounce(self, shop: Shopkeeper) -> None:
        """What a mail server reports of a letter: here somebody hands it in."""
        account = self.accounts[shop.name]
        self._ask(account)
        letter = self.house.wait_for_letter(account["client_email"])
        named = {name.lower(): value for name, value in letter["headers"]}
        report = {
            "message_id": named["message-id"],
            "reason": "550 5.1.1 No such user here",
            "permanent": True,
        }
        self.house.ask("POST", "/v1/mail/bounces", report)

    # --- trade ------------------------------------------------------------------------------------

    def _shop(self, shop: Shopkeeper) -> Shop:
        account = self.house.ask("GET", f"/v1/accounts/{self.accounts[shop.name]['id']}")
        return Shop(self.house, self.emulator, account)

    def _open_shops(self) -> None:
        lever(self.emulator, "PUT", "/feeds/pace", {"queue_s": 0, "processing_s": 0})
        for shop in self.shops:
            if shop.later in _TRADING:
                for sku in _SKUS:
                    listing = {"sku": sku, "stock": 8, "price": 39.0, "marketplaces": [shop.home]}
                    lever(self.emulator, "POST", "/world/listings", self._about(shop) | listing)

    def _take_orders(self, status: str, *, count: int) -> None:
        """Orders of some minutes ago in every shop that trades."""
        for number, shop in enumerate(one for one in self.shops if one.later in _TRADING):
            order = {
                "marketplace": shop.home,
                "age_seconds": 300,
                "items": [{"sku": _SKUS[number % 2], "quantity": 1 + number % 2, "price": "39.00"}],
                "status": status,
                "count": count + number % 3,
            }
            lever(self.emulator, "POST", "/orders", self._about(shop) | order)

    def _about(self, shop: Shopkeeper) -> Facts:
        return {"selling_partner_id": self.partners[shop.name]["selling_partner_id"]}

    def _trade(self) -> list[str]:
        """The last hour."""
        trading = [one for one in self.shops if one.later in _TRADING]
        self._until(_LATELY)
        self._meet_revocations()
        self._take_orders("UNSHIPPED", count=1)
        self._take_orders("SHIPPED", count=1)
        self._pass(_LATELY - _SOME_MINUTES)
        self._each(self._sweep, trading)
        for shop in _named("refused lines"):
            lever(self.emulator, "POST", "/world/listings/failing", self._about(shop) | _REFUSAL)
        self._each(self._change, [*trading, *(one for one in self.shops if one.switched_off)])
        for shop in _named("uncertain"):
            self._lose_a_refund(shop)
        return [f"{len(trading)} shops traded"]

    def _sweep(self, shop: Shopkeeper) -> None:
        account_id = self.accounts[shop.name]["id"]
        self.house.ask("POST", f"/v1/accounts/{account_id}/order-sweep")

    def _change(self, shop: Shopkeeper) -> None:
        number = SHOPS.index(shop)
        currency = {"US": "USD", "CA": "CAD", "GB": "GBP"}.get(shop.home, "EUR")
        self._shop(shop).hand_in(
            {"kind": "stock", "sku": _SKUS[0], "quantity": 3 + number},
            {"kind": "stock", "sku": _SKUS[1], "quantity": 2 * number},
            {"kind": "price", "sku": _SKUS[0], "price": f"{30 + number}.90", "currency": currency},
        )

    def _lose_a_refund(self, shop: Shopkeeper) -> None:
        """Amazon took the feed, and never told what became of it: nobody may send it twice."""
        trader = self._shop(shop)

        def shipped() -> Facts | None:
            found = self.house.ask("GET", "/v1/orders", account_id=trader.account_id)["items"]
            return next((one for one in found if one["status"] == "SHIPPED"), None)

        order = wait_for("an order that was shipped", shipped, 60)
        lever(self.emulator, "POST", "/feeds/hold", self._about(shop))
        refund = {
            "kind": "refund",
            "order_id": order["order_id"],
            "reference": "RMA-4711",
            "currency": "GBP",
            "reason": "CustomerReturn",
            "items": [
                {
                    "order_item_id": str(order["body"]["orderItems"][0]["orderItemId"]),
                    "principal": "10.00",
                }
            ],
        }
        taken = trader.hand_in(refund)
        trader.feeds("run-now")
        trader.submitted(taken["intake_id"])
        feeds = lever(self.emulator, "GET", "/feeds", **self._about(shop))["items"]
        for feed in feeds:
            if "PAYMENT_ADJUSTMENT" in feed["feed_type"]:
                end = {"status": "DONE", "report": "none"}
                lever(self.emulator, "POST", f"/feeds/{feed['feed_id']}/finish", end)
        lever(self.emulator, "POST", "/feeds/release", {})

        def is_uncertain() -> bool:
            self._pass(max(0, self.now - _SOME_MINUTES / 3))
            trader.feeds("run-now")
            return any(one["step"] == "uncertain" for one in trader.runs())

        wait_for("a run of which nobody can tell", is_uncertain, 60)

    # --- work -------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Lines of the journal by people with names."""
        for one in self.people.values():
            one.sign_in(self.url)
        admin, lead = self.people["admin"], self.people["team_lead"]
        support = self.people["support"]
        support.does(
            f"{self._page('Red Kite Drones')}/notes",
            "Save",
            notes="Called on Monday: the owner reads mail on Fridays. Call again after that.",
        )
        support.does(f"{self._page('Hazel & Rye')}/invite", "Send it to")
        support.does(f"{self._page('Grand Canal Leather')}/invite", "Send it to")
        for shop in _named("closed"):
            support.does(f"{self._page(shop.name)}/close", "Close it", name=shop.name)
        lead.does(f"{self._page('Terracotta Pots')}/invite", "Send it to")
        lead.does(f"{self.url}/console/checks", "I looked at it: sign", note="As agreed.")
        admin.does(
            f"{self.url}/console/api-keys/new", "Make", name="ERP Hamburg, stock", rights="read"
        )

    def _page(self, name: str) -> str:
        return f"{self.url}/console/accounts/{self.accounts[name]['id']}"


def _named(later: str) -> list[Shopkeeper]:
    return [one for one in SHOPS if one.later == later]


def _twice(password: str) -> dict[str, str]:
    return {"password": password, "again": password}
