"""Settings in force: found, with where they come from, and no secret among them."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from evergrant.rules.rights import Right, Role
from evergrant.settings import SETTINGS
from tests.doors.test_console.conftest import Console, open_console, text_of
from tests.doors.test_console.trade_ground import MARKUP, may, statuses

PATH = "/console/settings"
HIDDEN = secrets.token_hex(16)


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Console]:
    """A house whose settings come from everywhere."""
    ring = tmp_path / "ring"
    ring.write_text(f"k1:{secrets.token_urlsafe(32)}=")
    opened = await open_console(
        EVERGRANT_PUBLIC_URL="http://127.0.0.1:8088",
        EVERGRANT_DATABASE_URL=f"postgresql://someone:{HIDDEN}@db.internal/evergrant",
        EVERGRANT_KEYRING_FILE=str(ring),
        EVERGRANT_HOUSE_NAME="<b>House</b>",
        EVERGRANT_FEED_MINUTES="45",
    )
    async with opened.open_windows:
        yield opened


def names(page: str) -> set[str]:
    return set(re.findall(r'<tr id="([A-Z_]+)">', page))


def row(page: str, name: str) -> str:
    return text_of(page.partition(f'<tr id="{name}">')[2].partition("</tr>")[0])


async def test_who_may_see_them(console: Console) -> None:
    for role, status in (await statuses(console, "GET", PATH)).items():
        assert status == (200 if may(role, Right.AUDIT) else 403)
    assert not may(Role.SUPPORT, Right.AUDIT)


async def test_every_setting_is_there_with_what_it_does(told: Console) -> None:
    page = await (await told.as_(Role.AUDITOR)).read(PATH)
    assert names(page) == {one.name for one in SETTINGS}
    for one in SETTINGS:
        begins = " ".join(one.what.replace("`", " ").split()[:4])
        assert begins in row(page, one.name)
    assert "restart every process" in text_of(page)


async def test_where_each_comes_from(told: Console, tmp_path: Path) -> None:
    page = await (await told.as_(Role.AUDITOR)).read(PATH)
    assert row(page, "EVERGRANT_FEED_MINUTES").endswith("45 environment")
    assert row(page, "EVERGRANT_SWEEP_MINUTES").endswith("10 default")
    assert row(page, "EVERGRANT_KEYRING").endswith(f"set, not shown file {tmp_path / 'ring'}")
    assert "an embedded PostgreSQL" not in row(page, "EVERGRANT_DATABASE_URL")
    assert "mails go to the development mailbox" in row(page, "EVERGRANT_SMTP_URL")
    assert "Each process has its own." in row(page, "EVERGRANT_PORT")
    assert "Each process has its own." not in row(page, "EVERGRANT_PUBLIC_URL")


async def test_no_secret_is_shown_or_found(told: Console, tmp_path: Path) -> None:
    window = await told.as_(Role.ADMIN)
    ring = (tmp_path / "ring").read_text().partition(":")[2]
    for query in ("", f"?q={HIDDEN}", f"?q={ring[:8]}"):
        page = await window.read(PATH + query)
        main = page.partition("<main")[2].partition("<section")[2]
        assert HIDDEN not in main
        assert ring not in main
    assert row(await window.read(PATH), "EVERGRANT_DATABASE_URL").endswith(
        "set, not shown environment"
    )
    assert names(await window.read(f"{PATH}?q={HIDDEN}")) == set()


async def test_stored_markup_is_text(told: Console) -> None:
    window = await told.as_()
    page = await window.read(PATH)
    assert "<b>House</b>" not in page
    assert "&lt;b&gt;House&lt;/b&gt;" in page
    answer = await window.get(PATH, params={"q": MARKUP})
    assert "<img" not in answer.text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=feed_minutes", {"EVERGRANT_FEED_MINUTES"}),
        ("q=FEED+minutes+twenty", {"EVERGRANT_FEED_MINUTES"}),
        ("q=no+such+setting", set()),
        (
            "set=on",
            {
                "EVERGRANT_PUBLIC_URL",
                "EVERGRANT_DATABASE_URL",
                "EVERGRANT_KEYRING",
                "EVERGRANT_HOUSE_NAME",
                "EVERGRANT_SUPPORT_EMAIL",
                "EVERGRANT_FEED_MINUTES",
            },
        ),
        ("set=on&q=minutes", {"EVERGRANT_FEED_MINUTES"}),
    ],
)
async def test_finding(told: Console, query: str, found: set[str]) -> None:
    page = await (await told.as_(Role.AUDITOR)).read(f"{PATH}?{query}")
    assert names(page) == found
    assert f"{len(found)} of {len(SETTINGS)}" in text_of(page)
