"""Consoles on fakes that a browser can reach, and what is looked at on each of their pages.

Answers for: serving a filled house, an empty one and people on their way in; for pages that log no
error, stick out nowhere and stay small; for axe; for where screenshots lie. Does not answer for:
which pages there are.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import struct
import threading
import zlib
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pyotp
import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Locator, Page, ViewportSize

from evergrant.entrances.console import build
from evergrant.entrances.serve import listen, serve, url_of
from evergrant.rules.rights import SYSTEM, Role
from evergrant.rules.secrecy import Secret
from evergrant.sessions import JOIN_PATH
from evergrant.sessions import Browser as Agent
from evergrant.settings import Settings
from tests.doors import mint_house
from tests.doors.test_console.conftest import COOKIES, Console, open_console
from tests.doors.test_console.filled import Filled, fill

__all__ = [
    "ALL_LOOKS",
    "LARGEST_PICTURE",
    "PHONE",
    "PICTURES",
    "SCREEN",
    "SHOTS",
    "Served",
    "Window",
    "axe_source",
    "close_by",
    "found_by_axe",
    "invitation_path",
    "keep_picture",
    "listen_to",
    "name_of",
    "open_window",
    "served",
    "shown_to_eyes",
    "sticks_out",
    "wakes_axe",
]

Given = TypeVar("Given")
WITHIN_S = 60.0
ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "test-output" / "browser" / "console"
#: What the operators' guide shows; written when the surroundings say so, and committed.
PICTURES = ROOT / "docs" / "pictures" / "console"
SCREEN: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}
LARGEST_PICTURE = 60_000
#: `make looks`.
ALL_LOOKS = os.environ.get("EVERGRANT_PICTURES") == "all"
_AXE = ROOT / ".venv" / "node" / "node_modules" / "axe-core" / "axe.min.js"
_AGENT = Agent(address="127.0.0.1", agent="Chromium")
_PASSWORD = Secret("four quiet words here")


@dataclass
class Served:
    """A filled house, an empty one beside it, and the sessions of people of both."""

    console: Console
    filled: Filled
    url: str
    empty_url: str
    first_code: str
    loop: asyncio.AbstractEventLoop
    secrets: dict[str, str] = field(default_factory=dict)

    def do(self, work: Coroutine[Any, Any, Given]) -> Given:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(WITHIN_S)


@contextmanager
def served() -> Iterator[Served]:
    """Both consoles at addresses of their own, served by one thread."""
    made: list[tuple[Served, asyncio.Event]] = []
    failed: list[BaseException] = []
    ready = threading.Event()

    async def run() -> None:
        ports = [listen("127.0.0.1", 0), listen("127.0.0.1", 0)]
        url, empty_url = map(url_of, ports)
        console = await open_console(EVERGRANT_PUBLIC_URL=url)
        house = mint_house.House()
        settings = Settings.from_environment({"EVERGRANT_PUBLIC_URL": empty_url})
        empty = Console(house, settings, build(house.desk, settings), AsyncExitStack())
        code = await empty.desk.sessions.first_start_code()
        assert code is not None
        here = Served(
            console=console,
            filled=await fill(console),
            url=url,
            empty_url=empty_url,
            first_code=code.reveal(),
            loop=asyncio.get_running_loop(),
        )
        here.secrets = await _people(console, here.filled)
        stop = asyncio.Event()
        made.append((here, stop))
        ready.set()
        async with console.open_windows, empty.open_windows:
            await asyncio.gather(
                serve(console.app, ports[0], stop, before_stop=console.desk.news.close),
                serve(empty.app, ports[1], stop, before_stop=empty.desk.news.close),
            )

    def begin() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            ready.set()

    thread = threading.Thread(target=begin)
    thread.start()
    assert ready.wait(WITHIN_S)
    if not made:
        raise AssertionError("the house could not be filled") from failed[0]
    here, stop = made[0]
    yield here
    here.loop.call_soon_threadsafe(stop.set)
    thread.join(WITHIN_S)
    assert not thread.is_alive(), "open pages hold up the end of the server"


async def _people(console: Console, filled: Filled) -> dict[str, str]:
    """The sessions of an operator of each role, of one by name, and of two on their way in."""
    found = {}
    for role in Role:
        window = await console.as_(role)
        found[role.value] = window.secret.reveal()
    async with console.desk.store.transaction() as tx:
        ada = await tx.operators.get(filled.operator_id)
    found["ada"] = (await console.as_(operator=ada)).secret.reveal()
    found["enrolling"] = (await _signed_in(console, "Emil Roth", "emil")).reveal()
    secret = await _signed_in(console, "Hana Mori", "hana")
    key = (await console.desk.sessions.begin_enrolment(secret)).key.reveal()
    code = pyotp.TOTP(key).at(console.fakes.clock.now())
    await console.desk.sessions.confirm_enrolment(secret, code, _AGENT)
    email = "hana@northwind.example"
    again = await console.desk.sessions.sign_in(email, _PASSWORD, _AGENT)
    found["proving"] = again.secret.reveal()
    return found


async def _signed_in(console: Console, name: str, short: str) -> Secret:
    await console.desk.people.add_operator(
        name=name,
        email=f"{short}@northwind.example",
        role=Role.SUPPORT.value,
        password=_PASSWORD,
        by=SYSTEM,
    )
    signed_in = await console.desk.sessions.sign_in(f"{short}@northwind.example", _PASSWORD, _AGENT)
    return signed_in.secret


def invitation_path(here: Served) -> str:
    """A link to join, as the letter has it."""

    async def made() -> str:
        desk = here.console.desk
        link = await desk.sessions.invitation_link(here.filled.invitation_id, by=SYSTEM)
        return link.link.reveal()

    return f"{JOIN_PATH}{here.do(made()).rpartition('/')[2]}"


# --- one window -----------------------------------------------------------------------------------


@dataclass
class Window:
    """A browser's window and all that its console complained of."""

    page: Page
    context: BrowserContext
    complaints: list[str]

    def close(self) -> None:
        self.context.close()


def open_window(
    browser: Browser, url: str = "", secret: str = "", size: ViewportSize | None = None, **more: Any
) -> Window:
    # What turns while one waits is painted sixty times a second.
    still: dict[str, Any] = {"reduced_motion": "reduce", **more}
    context = browser.new_context(viewport=size or SCREEN, locale="en-GB", **still)
    if secret:
        context.add_cookies([{"name": COOKIES.session, "value": secret, "url": url}])
    page = context.new_page()
    complaints: list[str] = []
    listen_to(page, complaints)
    return Window(page, context, complaints)


def listen_to(page: Page, complaints: list[str]) -> None:
    """Errors of scripts, and what the page's own policy refused, which Chromium tells there."""
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))


def close_by(page: Page, button: str) -> None:
    """Presses what closes the page, which may be gone before the click was answered."""
    with page.expect_event("close"):
        try:
            page.get_by_role("button", name=button).click()
        except Error as error:
            if "closed" not in error.message:
                raise


def sticks_out(page: Page) -> str:
    """What is wider than the window, or nothing."""
    return str(page.evaluate(_STICKS_OUT))


_STICKS_OUT = """() => {
  const root = document.documentElement;
  if (root.scrollWidth <= root.clientWidth) return "";
  const wide = [...document.body.querySelectorAll("*")].filter(
    (one) => one.getBoundingClientRect().right > root.clientWidth + 1);
  return `${root.scrollWidth} > ${root.clientWidth}: ` + wide.slice(0, 5).map(
    (one) => `${one.tagName}.${one.className}#${one.id}`).join(", ");
}"""


# --- axe ------------------------------------------------------------------------------------------


def axe_source() -> str | None:
    """axe-core as `make` lays it down beside the SDKs in JavaScript. None: it is not here."""
    if _AXE.exists():
        return _AXE.read_text(encoding="utf-8")
    if os.environ.get("CI") == "true":
        pytest.fail(f"axe-core is not at {_AXE}; with CI=true it must run (make node-sdk)")
    return None


def wakes_axe(page: Page, source: str) -> None:
    """Once for each page that was loaded. Only rules that can find something serious: of the others
    nothing is asked."""
    page.evaluate(source)
    page.evaluate(_SERIOUS_RULES)


_SERIOUS_RULES = """() => axe.configure({ rules: [
  ...axe._audit.rules
    .filter((one) => one.impact === "minor" || one.impact === "moderate")
    .map((one) => ({ id: one.id, enabled: false })),
  { id: "color-contrast", selector: "[data-as-painted]" }] })"""

#: Half of axe's work is contrast, row after row of the same colours. Of all that is painted alike,
#: itself and all that lies behind it, one is asked: here it is marked.
_MARK_COLOURS = """() => {
  const behind = new Map(), seen = new Set();
  const painted = (one) => {
    if (!one) return "";
    if (!behind.has(one)) {
      const { backgroundColor, backgroundImage, opacity, filter } = getComputedStyle(one);
      behind.set(one, [painted(one.parentElement), backgroundColor, backgroundImage, opacity,
        filter].join("|"));
    }
    return behind.get(one);
  };
  for (const one of document.querySelectorAll("*")) {
    delete one.dataset?.asPainted;
    const { color, fontSize, fontWeight, textShadow, position, display, visibility } =
      getComputedStyle(one);
    const words = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!words && !one.matches("input, select, textarea")) continue;
    const key = [one.tagName, one.getAttribute("class"), one.getAttribute("type"), color, fontSize,
      fontWeight, textShadow, position, display, visibility, one.checkVisibility(), one.disabled,
      !!one.closest("[aria-disabled=true], fieldset:disabled, label"), painted(one)].join("|");
    if (!seen.has(key)) one.dataset.asPainted = "";
    seen.add(key);
  }
}"""


#: What another theme or another width can change: colours, and which elements are there to be named
#: and reached. What else a rule asks for stands in the page, whoever looks at it.
_PAINTED = (
    "color-contrast", "link-in-text-block",
    "aria-command-name", "aria-input-field-name", "aria-toggle-field-name", "button-name",
    "image-alt", "input-button-name", "label", "link-name", "role-img-alt", "select-name",
    "summary-name", "svg-img-alt",
    "aria-hidden-focus", "nested-interactive", "scrollable-region-focusable",
    "target-size",  # of WCAG 2.2; axe asks for it only when told to
)  # fmt: skip


def found_by_axe(page: Page, *, again: bool = False) -> list[str]:
    """Serious and critical violations, one a line, with the first places. ``again``: the page was
    asked already, in another theme or at another width."""
    page.evaluate(_MARK_COLOURS)
    results: list[dict[str, Any]] = page.evaluate(_RUN_AXE, list(_PAINTED) if again else None)
    return [f"{one['id']}: {one['help']} {one['where']}" for one in results]


_RUN_AXE = """async (rules) => {
  const wish = { resultTypes: ["violations"], preload: false, ...(rules && { runOnly: rules }) };
  const found = await axe.run(document, wish);
  return found.violations
    .filter((one) => one.impact === "serious" || one.impact === "critical")
    .map((one) => ({ id: one.id, help: one.help, where: one.nodes.slice(0, 4).map(
      (node) => `${node.target.join(" ")} ${node.failureSummary}`.replace(/\\s+/g, " ")) }));
}"""


# --- pictures -------------------------------------------------------------------------------------


def shown_to_eyes(page: Page, path: Path) -> None:
    """Some three hundred pictures take a minute: `make looks` takes them."""
    if ALL_LOOKS:
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=path, full_page=True, animations="disabled")


def name_of(address: str) -> str:
    """A file's name for a page: ids give way to what they are ids of."""
    plain = re.sub(r"\b([a-z]+)_[0-9A-Z]{20,}\b", r"\1", address.removeprefix("/console"))
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:70] or "overview"


def keep_picture(name: str, page: Page, part: Locator | None = None) -> None:
    """For the guide, only where the surroundings ask for it: few colours, few bytes."""
    if os.environ.get("EVERGRANT_PICTURES") != "write":
        return
    painted = (part or page).screenshot()
    for colours in (256, 96, 48, 24, 12):
        small = _with_few_colours(page, painted, colours)
        if len(small) <= LARGEST_PICTURE:
            break
    assert len(small) <= LARGEST_PICTURE, f"{name} takes {len(small)} bytes"
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / f"{name}.png").write_bytes(small)


def _with_few_colours(page: Page, painted: bytes, colours: int) -> bytes:
    """The browser itself counts the colours; a PNG of them is four chunks."""
    beside = page.context.new_page()
    url = f"data:image/png;base64,{base64.b64encode(painted).decode()}"
    told: dict[str, Any] = beside.evaluate(_COUNT_COLOURS, [url, colours])
    beside.close()
    rows = base64.b64decode(told["rows"])
    head = struct.pack(">IIBBBBB", told["width"], told["height"], 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", head),
        (b"PLTE", bytes(told["palette"])),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


# Every row begins with a zero: the filter that does nothing.
_COUNT_COLOURS = """async ([url, most]) => {
  const image = new Image();
  image.src = url;
  await image.decode();
  const [width, height] = [image.width, image.height];
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const brush = canvas.getContext("2d");
  brush.drawImage(image, 0, 0);
  const data = new Uint32Array(brush.getImageData(0, 0, width, height).data.buffer);
  const counts = new Map();
  for (const one of data) counts.set(one, (counts.get(one) || 0) + 1);
  const parts = (one) => [one & 255, (one >> 8) & 255, (one >> 16) & 255];
  // What is red or green says something, however small it is.
  const weight = ([one, times]) => times * (1 + Math.max(...parts(one)) - Math.min(...parts(one)));
  const palette = [...counts].sort((a, b) => weight(b) - weight(a)).slice(0, most)
    .map(([one]) => parts(one));
  const nearest = new Map();
  for (const one of counts.keys()) {
    const [r, g, b] = parts(one);
    let best = 0, least = Infinity;
    palette.forEach(([x, y, z], at) => {
      const far = (r - x) ** 2 + (g - y) ** 2 + (b - z) ** 2;
      if (far < least) [best, least] = [at, far];
    });
    nearest.set(one, best);
  }
  const rows = new Uint8Array((width + 1) * height);
  data.forEach((one, at) => {
    rows[Math.floor(at / width) * (width + 1) + (at % width) + 1] = nearest.get(one);
  });
  let text = "";
  for (let at = 0; at < rows.length; at += 32768) {
    text += String.fromCharCode(...rows.subarray(at, at + 32768));
  }
  return { width, height, palette: palette.flat(), rows: btoa(text) };
}"""
