"""The gateway beside plain nginx: what it costs to have one place that spends all limits.

Answers for: one upstream (nginx itself, answering 1 KB of JSON from memory), asked in turns plainly
through nginx, through Evergrant's own stream, and through nginx with Evergrant deciding. Does not
answer for: Amazon's own slowness, beside which all of this vanishes.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

from bench.measures import CONNECTIONS, Result, measure
from bench.town import Town, rss_mib
from demo.stage import Evergrant, Running, Stage, free_port, wait_for

OPERATION = "sellers.v1.getMarketplaceParticipations"
PATH = "/sellers/v1/marketplaceParticipations"
NGINX = shutil.which(
    "nginx", path=f"/usr/sbin:/usr/local/sbin:{sys.prefix}/nginx/usr/sbin"
) or shutil.which("nginx")
BODY = '{"payload":"' + "x" * 1000 + '"}'

_PLAIN = """
daemon off;
worker_processes {workers};
error_log {folder}/error.log warn;
pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  default_type application/json;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 10000000;
  upstream amazon {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 10000000; }}
  server {{
    listen 127.0.0.1:{upstream};
    location / {{ add_header x-amzn-RequestId bench; return 200 '{body}'; }}
  }}
  server {{
    listen 127.0.0.1:{plain};
    location / {{
      proxy_pass http://amazon; proxy_http_version 1.1; proxy_set_header Connection "";
    }}
  }}
}}
"""


class Plain:
    """nginx as upstream, and as the plain proxy that everything is compared with."""

    def __init__(self, stage: Stage, *, workers: int) -> None:
        if NGINX is None:
            raise RuntimeError("nginx is not here; on Debian: apt-get install nginx")
        folder = stage.folder / "nginx"
        folder.mkdir()
        self.upstream, self.plain = free_port(), free_port()
        config = folder / "plain.conf"
        config.write_text(
            _PLAIN.format(
                folder=folder,
                upstream=self.upstream,
                plain=self.plain,
                workers=workers,
                body=BODY,
            )
        )
        self.running: Running = stage.start(
            "nginx",
            [NGINX, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)],
            {},
        )
        wait_for("nginx", lambda: _answers(self.plain_url), 20)

    @property
    def plain_url(self) -> str:
        return f"http://127.0.0.1:{self.plain}"

    @property
    def upstream_url(self) -> str:
        return f"http://127.0.0.1:{self.upstream}"


def _answers(url: str, path: str = "/", headers: dict[str, str] | None = None) -> bool:
    try:
        measure(url, [path], headers or {}, seconds=0.01, connections=1)
    except RuntimeError:
        return False
    return True


class Gateways:
    """Processes of Evergrant that only have the gateway, facing ``Plain``'s upstream. With
    ``deciding`` they decide for an nginx as well."""

    def __init__(self, town: Town, plain: Plain, count: int, *, deciding: bool = False) -> None:
        table = town.stage.folder / "marketplaces-gateway.json"
        marketplaces = town.emulator.marketplaces()
        for region in marketplaces["regions"].values():
            region["endpoint"] = plain.upstream_url
        table.write_text(json.dumps(marketplaces))
        self.processes: list[Evergrant] = []
        self.urls: list[str] = []
        for number in range(count):
            file = town.stage.folder / f"gateway-{number}.address"
            settings = {
                "EVERGRANT_ROLE": "gateway",
                "EVERGRANT_GATEWAY_PORT": "0",
                "EVERGRANT_MARKETPLACES_FILE": str(table),
            }
            if deciding:
                settings["EVERGRANT_DECIDE_PORT"] = str(free_port())
                settings["EVERGRANT_OUTCOMES_PORT"] = str(free_port())
            process = town.gateway_process(f"gateway-{number}", file, settings)
            self.processes.append(process)
            self.urls.append(_line(file, "gateway"))


class DataPlane:
    """nginx as data plane, configured by the command line as an operator would."""

    def __init__(self, town: Town, gateways: Gateways) -> None:
        folder = town.stage.folder / "data-plane"
        folder.mkdir()
        config = folder / "nginx.conf"
        port = free_port()
        key = town.evergrant.cli_json("apikey", "add", "nginx", "--right", "data_plane")["secret"]
        each = []
        for process in gateways.processes:
            each += ["--decide", f"127.0.0.1:{process.env['EVERGRANT_DECIDE_PORT']}"]
            each += ["--outcomes", f"127.0.0.1:{process.env['EVERGRANT_OUTCOMES_PORT']}"]
        for url in gateways.urls:
            each += ["--upstream", url]
        gateways.processes[0].cli(
            *("gateway", "nginx-config", "--whole", "--out", str(config)),
            *("--api-key-file", "-", "--listen", f"127.0.0.1:{port}", *each),
            stdin=key,
        )
        assert NGINX is not None
        self.url = f"http://127.0.0.1:{port}"
        self.running: Running = town.stage.start(
            "data-plane", [NGINX, "-c", str(config), "-p", str(folder), "-g", "daemon off;"], {}
        )


def _line(file: Path, name: str) -> str:
    for line in file.read_text().splitlines():
        if line.startswith(f"{name} "):
            return line.split(" ", 1)[1]
    raise RuntimeError(f"{file} names no {name}")


def stream(town: Town, *, seconds: float, rounds: int) -> Result:
    """Our own stream, one process on each core, against nginx with as many workers."""
    plain = Plain(town.stage, workers=2)
    gateways = Gateways(town, plain, 2)
    account_id = town.account()
    town.widen(OPERATION)
    headers = town.gateway_headers(account_id)
    theirs, ours = [], []
    for _ in range(rounds):
        theirs.append(measure(plain.plain_url, [PATH], headers, seconds=seconds))
        ours.append(measure(gateways.urls, [PATH], headers, seconds=seconds))
    direct = measure(plain.upstream_url, [PATH], headers, seconds=seconds, connections=1)
    proxied = measure(plain.plain_url, [PATH], headers, seconds=seconds, connections=1)
    alone = measure(gateways.urls[0], [PATH], headers, seconds=seconds, connections=1)
    added_ms = alone["p50_ms"] - direct["p50_ms"]
    ratio = statistics.median(
        float(mine["per_second"]) / its["per_second"]
        for mine, its in zip(ours, theirs, strict=True)
    )
    return Result(
        "the gateway's own stream, two processes, against nginx proxy_pass with two workers",
        f"{ratio:.2f} x ({_median(ours):,.0f} of {_median(theirs):,.0f} calls/s at "
        f"{CONNECTIONS} connections); at one connection p50 {added_ms:.2f} ms added to "
        f"{direct['p50_ms']:.2f} (nginx adds {proxied['p50_ms'] - direct['p50_ms']:.2f})",
        ">= 0.20 x, p50 <= 1 ms added",
        ratio >= 0.2 and added_ms <= 1.0,
        {"ours": ours, "nginx": theirs, "direct": direct, "alone": alone, "proxied": proxied},
    )


def data_plane(town: Town, *, seconds: float, rounds: int) -> Result:
    """nginx streams and two processes decide, against the same nginx without questions."""
    plain = Plain(town.stage, workers=2)
    gateways = Gateways(town, plain, 2, deciding=True)
    account_id = town.account()
    town.widen(OPERATION)
    headers = town.gateway_headers(account_id)
    plane = DataPlane(town, gateways)
    wait_for("nginx as data plane", lambda: _answers(plane.url, PATH, headers), 20)
    theirs, ours = [], []
    for _ in range(rounds):
        theirs.append(measure(plain.plain_url, [PATH], headers, seconds=seconds))
        ours.append(measure(plane.url, [PATH], headers, seconds=seconds))
    direct = measure(plain.upstream_url, [PATH], headers, seconds=seconds, connections=1)
    alone = measure(plane.url, [PATH], headers, seconds=seconds, connections=1)
    added_ms = alone["p50_ms"] - direct["p50_ms"]
    ratio = statistics.median(
        float(mine["per_second"]) / its["per_second"]
        for mine, its in zip(ours, theirs, strict=True)
    )
    return Result(
        "nginx streams, two processes decide, against nginx proxy_pass with two workers",
        f"{ratio:.2f} x ({_median(ours):,.0f} of {_median(theirs):,.0f} calls/s at "
        f"{CONNECTIONS} connections); at one connection p50 {added_ms:.2f} ms added to "
        f"{direct['p50_ms']:.2f}",
        ">= 0.50 x",
        ratio >= 0.5,
        {"ours": ours, "nginx": theirs, "direct": direct, "alone": alone},
    )


def warm(town: Town, accounts: int) -> Result:
    """Memory of one gateway process through which so many accounts have called."""
    plain = Plain(town.stage, workers=1)
    account_ids = [town.account() for _ in range(accounts)]
    town.widen(OPERATION)
    gateways = Gateways(town, plain, 1)
    pid = gateways.processes[0].running.process.pid
    before_mib = rss_mib(pid)
    in_turn = [town.gateway_headers(account_id) for account_id in account_ids]
    figures = measure(gateways.urls, [PATH], {}, seconds=8.0, headers_in_turn=in_turn)
    after_mib = rss_mib(pid)
    return Result(
        f"the gateway with {accounts:,} accounts warm",
        f"{after_mib:.0f} MiB ({after_mib - before_mib:+.1f} for the accounts); "
        f"{figures['per_second']:,.0f} calls/s over all of them in turn",
        "< 150 MiB",
        after_mib < 150 and figures["answers"] >= accounts,
        {"rss_mib": after_mib, "rss_mib_before": before_mib, "figures": figures},
    )


def _median(rounds: list[dict[str, Any]]) -> float:
    return statistics.median(float(one["per_second"]) for one in rounds)
