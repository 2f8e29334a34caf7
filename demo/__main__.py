"""``make demo``: the main job, step by step.

``make demo-serve`` connects the same two, lets a whole town live around them for a year that ends
now, and leaves everything running, for a person to click through.
"""

from __future__ import annotations

import argparse
import errno
import os
import shlex
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import httpx2
from rich.panel import Panel
from rich.table import Table

from demo import rush, sdks
from demo.house import House, add_application, lever, link_in
from demo.partner import Browser
from demo.stage import (
    Emulator,
    Evergrant,
    Stage,
    StageError,
    alone_in,
    is_free,
    start_emulator,
    start_evergrant,
)
from demo.telling import console, step
from demo.town import BEGINS, Town
from demo.townsfolk import EVENTFUL, SHOPS
from demo.trade import Shop, trade
from demo.year import Time

FOLDER = Path(__file__).parents[1] / ".demo"
SERVE_PORT = 8080
INTERRUPTED = 130


class Play:
    """The demo: who connects, in which order."""

    def __init__(self, stage: Stage, *, serve: bool, small: bool = False) -> None:
        self.stage = stage
        self.serve = serve
        self.small = small
        self.began = time.monotonic()
        self.emulator: Emulator
        self.evergrant: Evergrant
        self.house: House
        self.accounts: dict[str, dict[str, Any]] = {}
        self.passwords: dict[str, str] = {}
        self.rows: list[tuple[str, str, str, str]] = []

    def perform(self) -> None:
        self.raise_curtain()
        self.register()
        self.connect("Blue Heron Books", "seller", shape="always")
        self.connect("Mill Lane Hardware", "vendor", shape="never")
        if self.serve:
            self.let_a_town_live()
            return
        self.hand_out()
        self.use_sdks()
        trade(
            Shop(self.house, self.emulator, self.accounts["seller"]), self.time, self.evergrant.cli
        )
        self.share_limits()
        self.let_a_year_pass()
        self.close()

    def let_a_town_live(self) -> None:
        self.town = Town(
            self.house,
            self.emulator,
            self.evergrant,
            self.time,
            self.application,
            self.instance,
            EVENTFUL if self.small else SHOPS,
        )
        self.town.live()
        self.town.arrive()
        lever(self.emulator, "POST", "/login-leg", {"mode": "alternate"})

    def raise_curtain(self) -> None:
        with step("Amazon in a box: consent pages, Login with Amazon, SP-API") as said:
            self.emulator = start_emulator(self.stage, "--gentle")
            said.append(f"Seller Central at {self.emulator.addresses['seller_central']}")
        with step("Evergrant: embedded PostgreSQL, migrations, vault key, mailbox, server") as said:
            # One fixed address when people are to visit it and it can be had, else any free port.
            port = SERVE_PORT if self.serve and is_free(SERVE_PORT) else None
            self.time = Time(self.stage.folder / "clock")
            settings = {"EVERGRANT_CLOCK_FILE": str(self.time.clock_file)}
            if self.serve:
                # The year that passes is the one that ends now.
                self.time.pass_(-timedelta(days=BEGINS), self.emulator)
                settings["EVERGRANT_SECOND_FACTOR"] = "optional"
            self.evergrant = start_evergrant(self.stage, self.emulator, settings, port=port)
            said.append(f"{self.evergrant.url}, home {self.evergrant.env['EVERGRANT_HOME']}")
        with step("An API key for the software house"):
            self.house = House.open(self.evergrant)

    def register(self) -> None:
        with step("The house's SP-API application and its client instance") as said:
            self.application = add_application(self.house, self.emulator)
            self.instance = self.house.ask(
                "POST",
                "/v1/instances",
                {"name": "ERP production", "base_url": "https://erp.northwind.example"},
            )
            said.append(f"{self.application['name']}: {self.application['application_id']}")

    def connect(self, name: str, kind: str, *, shape: str) -> None:
        """One selling partner from nothing to connected."""
        partner = lever(
            self.emulator,
            "POST",
            "/world/partners",
            {"kind": kind, "name": name, "home": "DE"},
        )
        lever(self.emulator, "POST", "/login-leg", {"mode": shape})
        with step(f"{name} ({kind}): account made, invitation on its way") as said:
            account = self.house.ask("POST", "/v1/accounts", self.wanted(name, kind, partner))
            self.house.ask("POST", f"/v1/accounts/{account['id']}/invitation")
            letter = self.house.wait_for_letter(account["client_email"])
            said.append(f"mail to {account['client_email']}: “{letter['subject']}”")
        with step(f"{name}: opens the mail, gives consent on Amazon's pages") as said:
            browser = Browser()
            visit(browser, link_in(letter), partner)
            leg = any("/amazon/login" in url for url in browser.visited)
            said.append(f"callback {'after' if leg else 'without'} the log-in leg")
            said.append(f"“{first_words(browser)}”")
            browser.close()
            if leg is (shape == "never"):
                raise RuntimeError(f"the callback should have come in the other shape: {shape}")
        account = self.house.ask("GET", f"/v1/accounts/{account['id']}")
        self.accounts[kind] = account
        self.passwords[kind] = partner["password"]

    def wanted(self, name: str, kind: str, partner: dict[str, Any]) -> dict[str, Any]:
        body = {
            "name": name,
            "partner_kind": kind,
            "client_email": partner["email"],
            "application_id": self.application["id"],
            "client_instance_id": self.instance["id"],
            "region": "eu",
            "home_marketplace": "DE",
        }
        if kind == "vendor":
            return {**body, "vendor_kind": "retail", "vendor_codes": partner["vendor_codes"]}
        return {**body, "merchant_token": partner["selling_partner_id"]}

    def hand_out(self) -> None:
        for kind, account in self.accounts.items():
            with step(f"Access token for the {kind}, good for at least ten minutes") as said:
                answer = self.house.ask(
                    "GET", f"/v1/accounts/{account['id']}/access-token", min_ttl=600
                )
                said.append(f"lives until {answer['expires_at']}")
        seller = self.accounts["seller"]
        with step("getMarketplaceParticipations with the seller's access token") as said:
            answer = self.house.ask("GET", f"/v1/accounts/{seller['id']}/access-token")
            rows = call_amazon(self.emulator, rush.PATH, answer["access_token"])["payload"]
            said.append(", ".join(row["marketplace"]["countryCode"] for row in rows))

    def use_sdks(self) -> None:
        seller = self.accounts["seller"]
        key = self.house.ask(
            "POST", f"/v1/accounts/{seller['id']}/connection-keys", {"name": "demo SDKs"}
        )
        access = sdks.Access(
            evergrant_url=self.evergrant.url,
            endpoint=self.emulator.addresses["eu"],
            client_id="northwind-scripts",
            api_key=self.house.api_key,
            connection_key=key["secret"],
        )
        for name, read in (
            ("amzn-sp-api, Amazon's own SDK", sdks.official_sdk),
            ("python-amazon-sp-api", sdks.python_amazon_sp_api),
        ):
            with step(f"{name}: reads with two addresses changed, and no secret of Amazon") as said:
                said.append(", ".join(read(access)))

    def share_limits(self) -> None:
        """Last, because Amazon's limit is made a narrow one for it."""
        seller = self.accounts["seller"]["id"]
        rush.narrow(self.emulator)
        total = rush.PROGRAMS * rush.CALLS
        with step("Two programs in a hurry, each calling Amazon for the same account") as said:
            answer = self.house.ask("GET", f"/v1/accounts/{seller}/access-token")
            alone = rush.rush(
                self.emulator,
                self.emulator.addresses["eu"],
                {"x-amz-access-token": answer["access_token"]},
            )
            said.append(f"{alone.answered} of {total} calls answered, {alone.refused} met a 429")
        plan = {"operation": rush.NAME, "rate_per_s": 5, "burst": 5, "note": "demo"}
        self.house.ask("POST", "/v1/plans", plan)
        rush.fill(self.emulator)
        with step(
            "The same two through the gateway, with a key of the house and nothing else"
        ) as said:
            together = rush.rush(
                self.emulator,
                f"{self.evergrant.url}/gateway",
                {
                    "authorization": f"Bearer {self.house.api_key}",
                    "x-evergrant-account": seller,
                    "x-evergrant-wait": "30",
                },
            )
            said.append(
                f"{together.answered} of {total} calls answered, {together.refused} met a 429, "
                f"in {together.seconds:.1f} s"
            )
        if together.refused or together.answered != total:
            raise RuntimeError(f"the gateway let Amazon's limit be met: {together}")

    def let_a_year_pass(self) -> None:
        """The seller is reminded and renews with one click; the vendor does not, and lapses."""
        seller, vendor = self.accounts["seller"], self.accounts["vendor"]
        with step("Half a year later: the client secret ends, and is rotated") as said:
            self.time.pass_(timedelta(days=170), self.emulator)
            said.append(self.rotate_secret())
        newest = self.house.newest_letter()
        with step("Eleven months after the consent: somebody is told in time") as said:
            self.time.pass_(timedelta(days=166), self.emulator)
            self.evergrant.cli("watch", "now")
            letter = self.house.wait_for_letter(seller["client_email"], after=newest)
            said.append(f"mail to {seller['client_email']}: “{letter['subject']}”")
        with step("The seller renews: the link of that mail, a button, Amazon's page") as said:
            partner = {"email": seller["client_email"], "password": self.passwords["seller"]}
            visit(browser := Browser(), link_in(letter), partner)
            said.append(f"“{first_words(browser)}”")
            browser.close()
        with step("A month later: the vendor has not, and nothing works with a dead grant") as said:
            self.rotate_secret()
            self.time.pass_(timedelta(days=31), self.emulator)
            self.evergrant.cli("watch", "now")
            refused = self.house.send("GET", f"/v1/accounts/{vendor['id']}/access-token")
            problem = refused.json()
            said.append(f"{refused.status_code} {problem['code']}, with the link to renew it")
            if problem["code"] != "grant_lapsed" or "/connect/" not in problem["renewal_url"]:
                raise RuntimeError(f"the vendor's year should be over: {problem}")
        self.rows.clear()
        for account in (seller, vendor):
            now = self.house.ask("GET", f"/v1/accounts/{account['id']}")
            self.rows.append(row_of(now))

    def rotate_secret(self) -> str:
        """As a person does without a queue: a button in Amazon's console, and paste."""
        amazon = self.application["amazon"]["application_id"]
        fresh = lever(self.emulator, "POST", f"/world/applications/{amazon}/rotate")
        pasted = {"lwa_client_secret": fresh["lwa_client_secret"]}
        self.house.ask("POST", f"/v1/applications/{self.application['id']}/secret", pasted)
        return "Login with Amazon takes the new one, and it is in force."

    def close(self) -> None:
        asked = lever(self.emulator, "GET", "/history", kind="lwa")
        table = Table(title="A year later", title_justify="left", expand=False)
        for heading in ("account", "kind", "authorization", "lasts or lasted until"):
            table.add_column(heading)
        for row in self.rows:
            table.add_row(*row)
        console.print()
        console.print(table)
        console.print(
            f"\nTwo accounts connected, a day traded, seven programs served and a year passed in "
            f"{time.monotonic() - self.began:.0f} s, with {asked['count']} calls to Login with "
            f"Amazon.\n"
        )

    def invite_guest(self) -> str:
        """One open invitation, so that a person can give consent with their own hands."""
        partner = lever(
            self.emulator,
            "POST",
            "/world/partners",
            {"kind": "seller", "name": "Your own shop", "home": "DE"},
        )
        account = self.house.ask(
            "POST", "/v1/accounts", self.wanted("Your own shop", "seller", partner)
        )
        self.house.ask("POST", f"/v1/accounts/{account['id']}/invitation")
        link = link_in(self.house.wait_for_letter(account["client_email"]))
        return f"{link}\n  sign in as {partner['email']} with password {partner['password']}"


def call_amazon(emulator: Emulator, path: str, access_token: str) -> Any:
    """As a program does that has an access token, and nothing else of Amazon's."""
    answer = httpx2.get(
        f"{emulator.addresses['eu']}{path}",
        headers={"x-amz-access-token": access_token},
        timeout=30,
        trust_env=False,
    )
    answer.raise_for_status()
    return answer.json()


def row_of(account: dict[str, Any]) -> tuple[str, str, str, str]:
    authorization = account["authorization"]
    ends = (authorization["term_ends_at"] or "unknown")[:10]
    return account["name"], account["partner_kind"], authorization["state"], ends


def visit(browser: Browser, link: str, partner: dict[str, Any]) -> None:
    """What a shop owner does: press the button, sign in, tick, confirm."""
    browser.open(link)
    browser.press("Amazon")
    browser.press("Sign in", email=partner["email"], password=partner["password"])
    browser.press("Confirm", permission="on")


def first_words(browser: Browser) -> str:
    return browser.page.heading if browser.page else ""


def say_what_next(play: Play, guest: str | None) -> None:
    if guest is None:
        words = (
            "make demo-serve    leaves all of this running, for you to click through\n"
            "make test          everything that must hold, tried\n"
            "make bench         how fast, as ratios\n"
            f".venv/bin/evergrant --help\n\nThe logs of this run: {play.stage.folder / 'logs'}"
        )
    else:
        surroundings = write_surroundings(play)
        addresses = play.emulator.addresses
        words = (
            f"Console           {play.evergrant.url}/console\n"
            f"{sign_ins(play.town)}\n"
            f"Connect a shop yourself:\n  {guest}\n\n"
            f"Mailbox           {play.evergrant.url}/dev/mailbox\n"
            f"API, described    {play.evergrant.url}/v1/docs\n"
            f"Gateway           {play.evergrant.url}/gateway (in place of Amazon's address)\n"
            f"Seller Central    {addresses['seller_central']}\n"
            f"Vendor Central    {addresses['vendor_central']}\n"
            f"Emulator levers   {addresses['levers']}\n\n"
            f"On the command line, in another terminal:\n"
            f"  . {surroundings}\n"
            f"  .venv/bin/evergrant account list\n"
            f"  .venv/bin/evergrant feeds status\n\n"
            f"Ctrl-C ends all of it."
        )
    console.print(Panel(words, title="What to try next", title_align="left", expand=False))


def sign_ins(town: Town) -> str:
    """The passwords were made for this run."""
    return "".join(
        f"  {one.role.replace('_', ' '):<14}  {one.email:<26} {one.password}\n"
        for one in town.people.values()
    )


def write_surroundings(play: Play) -> Path:
    """A file for the shell: with it `evergrant` works on the demo's installation."""
    path = play.stage.folder / "env.sh"
    lines = [f"export {name}={shlex.quote(value)}" for name, value in play.evergrant.env.items()]
    path.write_text("\n".join(lines) + "\n")
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def heed_endings() -> None:
    """Asked to end, or its terminal closed, it ends as by Ctrl-C: with everything that it started.
    Asked once more while it does so, it goes on doing so."""

    def end(number: int, frame: FrameType | None) -> None:
        for one in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_IGN)
        if number == signal.SIGHUP:
            hush()
        raise KeyboardInterrupt

    for one in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(one) is not signal.SIG_IGN:  # as by nohup
            signal.signal(one, end)


def hush() -> None:
    """There is nobody left to read, and who writes to a closed terminal fails."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def wait_for_ctrl_c(play: Play) -> None:
    """Until somebody ends it, or one of the processes falls over."""
    try:
        while True:
            for running in play.stage.running:
                running.check()
            time.sleep(1)
    except KeyboardInterrupt:
        console.print("\nEnding ...")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--serve", action="store_true", help="leave everything running")
    parser.add_argument(
        "--small", action="store_true", help="only the part of the town to which something happens"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the demo lives")
    options = parser.parse_args()
    heed_endings()
    try:
        with alone_in(options.folder):
            stage = Stage.clean(options.folder)
            return perform(stage, serve=options.serve, small=options.small)
    except KeyboardInterrupt:
        console.print("\nInterrupted before anything was started.")
        return INTERRUPTED
    except StageError as error:
        console.print(f"[red]The demo did not start:[/] {error}", markup=True)
        return 1


def perform(stage: Stage, *, serve: bool, small: bool = False) -> int:
    """The whole play; gives the exit code."""
    play = Play(stage, serve=serve, small=small)
    try:
        with stage.open():
            play.perform()
            guest = play.invite_guest() if serve else None
            say_what_next(play, guest)
            if serve:
                wait_for_ctrl_c(play)
    except KeyboardInterrupt:
        console.print("\nInterrupted; everything that was started has been ended.")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  # the last line of a demo is for a person
        if isinstance(error, OSError) and error.errno == errno.EIO:
            # A word to the terminal that was closed came before the signal that tells of it.
            hush()
            return INTERRUPTED
        console.print(f"\n[red]The demo stopped:[/] {error}", markup=True)
        console.print(f"The logs are in {stage.folder / 'logs'}.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
