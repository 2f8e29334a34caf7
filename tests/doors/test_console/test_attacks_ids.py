"""Ids that name nothing, something else, or something of somebody else; and addresses that lead
elsewhere."""

from __future__ import annotations

import string
import zlib
from collections.abc import AsyncIterator, Sequence
from itertools import cycle
from urllib.parse import quote, urlsplit

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from evergrant.entrances.console.asking import is_ours
from evergrant.entrances.console.doors import Admits, Door, all_doors
from evergrant.rules.rights import Role
from tests.doors.test_console.attack_ground import STREAM, Ground, opened_ground, params_of
from tests.doors.test_console.conftest import text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

MALFORMED = (
    "x",
    "acc_",
    "ACC_00000000000000000000000000",
    "%00",
    "acc_%00",
    "%ff",
    "%ed%a0%80",
    "%F0%9F%92%A3",
    "...",
    "a%2Fb",
    "%0d%0aset-cookie:x=y",
    "' OR 1=1 --",
    "{{7*7}}",
    "%3Cscript%3E",
    "-1",
    "1e999",
    "9" * 400,
    "x" * 3000,
    "null",
    "*",
    "%25",
)
#: A name in a query that pages know, with what nobody would send.
QUERIES = (
    "after", "before", "page", "q", "state", "show", "sort", "need", "needing", "who", "what",
    "about", "since", "until", "account", "instance", "application", "next", "day", "month",
    "account_id", "order", "kind", "verb", "size", "limit", "flag", "country", "ids", "filter",
)  # fmt: skip
NONSENSE = (
    "%00", "%ff", "%ed%a0%80", "-1", "0", "9" * 30, "1e999", "NaN", "2026-13-45", "0001-01-01",
    "9999-12-31", "x" * 3000, "%27;--", "%3Cscript%3E", "{{7*7}}", "..%2f", "%F0%9F%92%A3", "%",
    "%25", "_", "%5C", "*", "acc_00000000000000000000000000",
)  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground() -> AsyncIterator[Ground]:
    async with opened_ground() as opened:
        yield opened


def _with_params() -> list[tuple[Door, str]]:
    return [(door, name) for door in all_doors() for name in params_of(door.path)]


def _unknown(value: str) -> str:
    """Of the same shape, and nobody's."""
    prefix, _, body = value.partition("_")
    return f"{prefix}_{'0' * len(body)}" if body else "nobody"


def _some(values: Sequence[str], place: str) -> list[str]:
    """A few, others at each place, so that all are tried at many places and it stays quick."""
    begin = zlib.crc32(place.encode()) % len(values)
    return [*values[begin:], *values[:begin]][::5]


async def _knock(ground: Ground, door: Door, url: str) -> tuple[int, str]:
    window = await ground.window(Role.ADMIN)
    answer = await (window.get(url) if door.method == "GET" else window.post(url, {}))
    if door.method == "POST" and answer.status_code == 303:
        # "Tick the box first", said by the page of what is not there. An address that cannot be one
        # leads to the overview.
        if answer.headers["location"] == "/console":
            return 303, answer.text
        answer = await window.get(answer.headers["location"])
    return answer.status_code, answer.text


async def test_an_id_of_nobody_is_not_found(ground: Ground) -> None:
    """In each place of each address, the others being right."""
    for door, name in _with_params():
        value = _unknown(ground.values(door.path)[name])
        status, text = await _knock(ground, door, ground.url(door.path, **{name: value}))
        assert status in (400, 403, 404, 409, 422), (door.method, door.path, name, status)
        if door.admits is Admits.OPERATOR:
            # An empty form may be told of before anything is looked for.
            assert status == 404 or (door.method == "POST" and status == 422), (door.path, status)
        assert "Traceback" not in text
        assert ground.changes() == [], door.path


async def test_an_id_of_another_kind_is_not_found(ground: Ground) -> None:
    for door, name in _with_params():
        values = ground.values(door.path)
        for other in ("account_id", "operator_id", "application_id", "key_id"):
            if values[other].partition("_")[0] == values[name].partition("_")[0]:
                continue
            url = ground.url(door.path, **{name: values[other]})
            status, _ = await _knock(ground, door, url)
            assert status in (400, 403, 404, 409, 422), (door.method, door.path, name, status)
            assert ground.changes() == [], (door.path, name, other)


async def test_a_thing_of_another_account_is_not_found_under_this_one(ground: Ground) -> None:
    """The account in the address is not decoration."""
    other = ground.filled.vendor_id
    for door in all_doors():
        names = params_of(door.path)
        if "account_id" not in names or len(names) < 2:
            continue
        status, _ = await _knock(ground, door, ground.url(door.path, account_id=other))
        assert status in (404, 422), (door.method, door.path, status)
        assert ground.changes() == [], door.path


async def test_what_is_no_id_at_all_is_no_error_of_ours(ground: Ground) -> None:
    for door, name in _with_params():
        for bad in _some(MALFORMED, f"{door.method}{door.path}{name}"):
            url = ground.url(door.path, **{name: bad})
            status, text = await _knock(ground, door, url)
            assert status < 500, (door.method, url[:80], status)
            assert status != 200 or "/join/" in url, (door.method, url[:80])
            assert "Traceback" not in text
    assert ground.changes() == []


async def test_no_query_breaks_a_page(ground: Ground) -> None:
    window = await ground.window(Role.ADMIN)
    for door in all_doors():
        if door.method != "GET" or door.path == STREAM or door.admits is not Admits.OPERATOR:
            continue
        for turn in range(0, len(NONSENSE), 4):
            values = cycle(NONSENSE[turn:] + NONSENSE[:turn])
            query = "&".join(
                f"{name}={value}" for name, value in zip(QUERIES, values, strict=False)
            )
            answer = await window.get(f"{ground.url(door.path)}?{query}")
            assert answer.status_code < 500, (door.path, turn)
    ground.put_back()


# --- addresses that lead elsewhere ----------------------------------------------------------------

ELSEWHERE = (
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example",
    "https:evil.example",
    "http:/\\evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "/console//evil.example",
    "/console/..//evil.example",
    "/console\\..\\evil",
    "/console@evil.example",
    "/console.evil.example",
    "@evil.example",
    "/%2f/evil.example",
    "%2f%2fevil.example",
    "/console/\r\nset-cookie: x=y",
    "/console/%0d%0aset-cookie:x=y\r\n",
    "/console/\t/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/dev/mailbox",
    "/v1/accounts",
    "/consoles",
    "",
    "?next=x",
    "#",
    "console",
)


async def test_after_signing_in_nobody_is_sent_elsewhere(ground: Ground) -> None:
    for wish in ELSEWHERE:
        stranger = await ground.console.stranger()
        page = await stranger.read(f"/console/sign-in?next={quote(wish, safe='')}")
        kept = page.partition('name="next" value="')[2].partition('"')[0]
        if "%0d" not in wish:
            assert kept == "/console", (wish, kept)
        admin = await ground.window(Role.ADMIN)
        for path in ("/console/sign-in", "/console/second-factor", "/console/enrol"):
            answer = await admin.get(f"{path}?next={quote(wish, safe='')}")
            where = answer.headers["location"]
            assert where == "/console" or where.startswith("/console/"), (path, wish, where)
            assert "\r" not in where
            assert "\n" not in where
            assert "set-cookie" not in answer.headers or "x=y" not in answer.headers["set-cookie"]


async def test_a_stranger_comes_back_to_where_one_was(ground: Ground) -> None:
    """And to nothing that only looks as if it were there."""
    stranger = await ground.console.stranger()
    for path in ("/console/accounts//evil.example", "/console/%5cevil.example", "/console/.."):
        answer = await stranger.get(path)
        assert answer.status_code in (303, 404)
        where = urlsplit(answer.headers.get("location", "/console/sign-in"))
        assert where.netloc == ""
        assert where.path == "/console/sign-in"


@given(st.text(alphabet=string.printable + "\x00\x85\u2028\u202e\\/@:.%é", max_size=40))
def _whatever_is_typed(text: str) -> None:
    for wish in (text, f"/console{text}", f"/console/{text}"):
        if not is_ours(wish):
            continue
        # As a browser reads it on a page of ours.
        read = wish.replace("\\", "/").replace("\t", "").replace("\r", "").replace("\n", "")
        parts = urlsplit(read)
        assert parts.scheme == ""
        assert parts.netloc == ""
        assert read.startswith("/console")
        assert not read.startswith("//")


async def test_whatever_is_typed_leads_to_a_path_of_ours() -> None:
    _whatever_is_typed()


async def test_another_name_of_the_host_changes_no_address(ground: Ground) -> None:
    window = await ground.window(Role.ADMIN)
    usual = await window.get("/console/operators")
    for headers in (
        {"host": "evil.example"},
        {"host": "console.test:99@evil.example"},
        {"x-forwarded-host": "evil.example", "x-forwarded-proto": "http"},
        {"forwarded": "host=evil.example"},
        {"x-original-url": "/evil", "x-rewrite-url": "/evil"},
    ):
        client = window.client
        cookie = "; ".join(f"{one.name}={one.value}" for one in client.cookies.jar)
        answer = await client.get("/console/operators", headers={**headers, "cookie": cookie})
        assert "evil" not in answer.text
        assert answer.status_code == usual.status_code
        turned = await (await ground.console.stranger()).get("/console/operators", headers=headers)
        assert "evil" not in turned.headers["location"]
        answer = await client.get("/console/nothing", headers=headers)
        assert "evil" not in text_of(answer.text)
