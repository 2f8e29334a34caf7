"""`make demo-serve` opens on a console that is full, lets four people in, and ends in order.

Only the part of the town comes to which something happens: the rest of it is more of the same.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from demo.partner import Browser
from demo.stage import wait_for

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("demo-town")]


@pytest.mark.skipif(
    os.environ.get("EVERGRANT_TOWN") != "full",
    reason="takes a minute and a half: `make town` plays it",
)
def test_the_console_opens_on_a_town_full_of_life(tmp_path: Path) -> None:
    folder, log = tmp_path / "demo", tmp_path / "said"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "demo", "--serve", "--small", "--folder", str(folder)],
            cwd=ROOT,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    try:
        said = wait_for("the town", lambda: _said(process, log), 280)
        _look_around(said)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    left = subprocess.run(["pgrep", "-f", str(folder)], capture_output=True, text=True, check=False)
    assert left.stdout == "", "no process of the demo is left"


def _said(process: subprocess.Popen[bytes], log: Path) -> str | None:
    text = log.read_text()
    assert process.poll() is None, text
    return text if "Ctrl-C ends all of it." in text else None


def _look_around(said: str) -> None:
    (url,) = re.findall(r"Console +(http://\S+)/console", said)
    people = dict(re.findall(r"(\w+@northwind\.example) +(\w+)", said))
    assert len(people) == 4
    pages = {}
    for email, password in people.items():
        browser = Browser()
        browser.open(f"{url}/console/sign-in")
        overview = browser.press("Sign in", email=email, password=password)
        assert overview.heading == "Overview", overview.words[:500]
        pages[email] = overview.words
        if email.startswith("ada"):
            accounts = browser.open(f"{url}/console/accounts").words
            journal = browser.open(f"{url}/console/journal").words
            orders = browser.open(f"{url}/console/orders").words
            set_up = browser.open(f"{url}/console/set-up").words
        browser.close()
    for words in pages.values():
        for what in ("Lapsed", "Revoked", "uncertain", "Webhooks fail", "Mail did not arrive"):
            assert what in words, what
        for what in ("Consent failed", "lines refused", "No answer since", "Client secret ends"):
            assert what in words, what
    for what in ("Closed", "Awaiting consent", "Authorized until"):
        assert what in accounts, what
    for who in ("Ada Lindqvist", "Tomas Okafor", "Mei Castellano", "Ruth Amsel"):
        assert who in journal, who
    assert "to be shipped" in orders
    assert "Everything is connected" in set_up
