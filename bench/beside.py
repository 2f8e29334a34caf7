"""What the hot door feels of people who work in the console of the same process.

Answers for: access tokens over HTTP at a steady, modest pace, alone and beside windows of the
console that are read again and again, in the role `all` and with the console in a process of its
own. Does not answer for: how many tokens there could be (``measures``).
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from bench.console_house import ConsoleHouse, open_house
from bench.measures import Result
from bench.town import path_of
from demo.house import House, add_application, lever
from demo.stage import Evergrant, Stage

__all__ = ["beside"]

#: So many programs that ask for an access token, each so often.
PROGRAMS = 4
EVERY_S = 0.01
#: So many people who click from page to page without a rest.
PEOPLE = 2
PATHS = ("/console/accounts", "/console", "/console/accounts/acc_000123", "/console/journal")


def beside(stage: Stage, *, many: int = 10_000, seconds: float = 2.0, rounds: int = 3) -> Result:
    """In turn, so that whoever else is busy is so for all three."""
    with open_house(stage, many=many, changes=1000, lines=1000, operators=PEOPLE) as house:
        both, web = house.serve("all"), house.serve("web")
        program = House.open(both)
        try:
            path = path_of(_account(program, house))
            key = program.api_key
        finally:
            program.close()
        alone, together, apart = [], [], []
        for _ in range(rounds):
            alone.append(_round(house, both, None, path, key, seconds))
            together.append(_round(house, both, both, path, key, seconds))
            apart.append(_round(house, both, web, path, key, seconds))
    found = {
        name: {
            part: statistics.median(one[part] for one in measured)
            for part in ("p50_ms", "p99_ms", "pages_per_s")
        }
        for name, measured in (("alone", alone), ("together", together), ("apart", apart))
    }
    words = "; ".join(
        f"{said} p50 {found[name]['p50_ms']:.1f} ms, p99 {found[name]['p99_ms']:.1f} ms"
        for name, said in (
            ("alone", "nobody in the console"),
            ("together", f"{found['together']['pages_per_s']:.0f} pages a second beside it"),
            ("apart", f"{found['apart']['pages_per_s']:.0f} pages a second in a process of theirs"),
        )
    )
    ratio = found["together"]["p99_ms"] / found["alone"]["p99_ms"]
    of_apart = found["apart"]["p99_ms"] / found["alone"]["p99_ms"]
    return Result(
        f"{PROGRAMS / EVERY_S:.0f} access tokens a second beside {PEOPLE} people who never rest "
        "in the console",
        f"{words}; p99 {ratio:.1f} x in the same process, {of_apart:.1f} x beside another",
        "a process of its own keeps the p99 lower",
        of_apart < ratio,
        {"alone": alone, "together": together, "apart": apart},
    )


def _account(program: House, house: ConsoleHouse) -> str:
    """One whose grant was adopted just now, so that its access token is at hand."""
    application = add_application(program, house.emulator)
    instance = program.ask("POST", "/v1/instances", {"name": "ERP"})
    seller = {"kind": "seller", "name": "Shop", "home": "DE"}
    partner = lever(house.emulator, "POST", "/world/partners", seller)
    grant = lever(
        house.emulator,
        "POST",
        "/world/grants",
        {
            "selling_partner_id": partner["selling_partner_id"],
            "application_id": application["application_id"],
            "region": "eu",
        },
    )
    account = program.ask(
        "POST",
        "/v1/accounts",
        {
            "name": "Shop",
            "partner_kind": "seller",
            "client_email": "owner@shop.example",
            "application_id": application["id"],
            "client_instance_id": instance["id"],
            "region": "eu",
            "home_marketplace": "DE",
        },
    )
    body = {"refresh_token": grant["refresh_token"]}
    program.ask("POST", f"/v1/accounts/{account['id']}/adopt", body)
    return str(account["id"])


# --- one round ------------------------------------------------------------------------------------


def _round(
    house: ConsoleHouse,
    api: Evergrant,
    console: Evergrant | None,
    path: str,
    key: str,
    seconds: float,
) -> dict[str, Any]:
    return asyncio.run(
        _measured(house, api.url, None if console is None else console.url, path, key, seconds)
    )


async def _measured(
    house: ConsoleHouse, api: str, console: str | None, path: str, key: str, seconds: float
) -> dict[str, Any]:
    until = time.monotonic() + seconds
    head = f"authorization: Bearer {key}"
    programs = [_again(api, [path], head, until, EVERY_S) for _ in range(PROGRAMS)]
    people = (
        [_again(console, PATHS, f"cookie: {cookie}", until, 0.0) for cookie in house.cookies]
        if console
        else []
    )
    found = await asyncio.gather(*programs, *people)
    spans = sorted(one for spans in found[:PROGRAMS] for one in spans)
    return {
        "p50_ms": spans[len(spans) // 2] * 1000,
        "p99_ms": spans[len(spans) * 99 // 100] * 1000,
        "answers": len(spans),
        "pages_per_s": sum(map(len, found[PROGRAMS:])) / seconds,
    }


async def _again(
    url: str, paths: Sequence[str], head: str, until: float, every_s: float
) -> list[float]:
    """One connection, one request at a time; how long each took."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    spans: list[float] = []
    try:
        while (began := time.monotonic()) < until:
            path = paths[len(spans) % len(paths)]
            asked = f"GET {path} HTTP/1.1\r\nhost: {address.netloc}\r\n{head}\r\n\r\n"
            writer.write(asked.encode())
            answered = await reader.readuntil(b"\r\n\r\n")
            if not answered.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"{path}: the server answered {answered[:200]!r}")
            at = answered.lower().index(b"content-length:") + 15
            await reader.readexactly(int(answered[at:].split(b"\r\n", 1)[0]))
            spans.append(time.monotonic() - began)
            if every_s:
                await asyncio.sleep(max(began + every_s - time.monotonic(), 0))
    finally:
        writer.close()
    return spans
