"""The journal: lines in words, filters, pages, and files to take away."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import evergrant
from evergrant import journal
from evergrant.entrances.console import diary
from evergrant.entrances.console.pages import journal as page_of_journal
from evergrant.rules.rights import SYSTEM, Caller, CallerKind, Right, Role, partner
from tests.doors.test_console.conftest import Console, text_of
from tests.doors.test_console.register_ground import assert_no_secret, every_secret, queued
from tests.doors.test_console.trade_ground import MARKUP, NOBODY, assert_harmless, may, statuses

PATH = "/console/journal"


async def write(console: Console, verb: str = "account.changed", **values: Any) -> None:
    by = values.pop("by", SYSTEM)
    given = {"subject": "acc_1", **values}
    now = console.fakes.clock.move(minutes=1)
    async with console.desk.store.transaction() as tx:
        await journal.write(tx, now=now, by=by, verb=verb, **given)


def numbers(page: str) -> list[int]:
    return [int(one) for one in re.findall(r'id="line-(\d+)"', page)]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


# --- who may, what is shown -----------------------------------------------------------------------


async def test_every_role_reads_it(console: Console) -> None:
    for path in (PATH, f"{PATH}/export.csv", f"{PATH}/export.jsonl"):
        for role, status in (await statuses(console, "GET", path)).items():
            assert may(role, Right.READ)
            assert status == 200
    stranger = await console.stranger()
    assert (await stranger.get(f"{PATH}/export.csv")).status_code == 303


async def test_a_line_says_who_did_what_to_whom_and_leads_there(console: Console) -> None:
    account = await console.house.account()
    operator = await console.operator(name="Ada Lovelace")
    await write(console, by=console.caller(operator), subject=account, account_id=account, to="x")
    await write(console, "handshake.begun", by=partner(), subject="hsk_1", account_id=account)
    page = await (await console.as_(Role.AUDITOR)).read(PATH)
    name = (await console.desk.accounts.get(account, by=SYSTEM)).account.name
    told = text_of(page)
    assert f"Ada Lovelace changed the account: {name}" in told
    assert f"The selling partner went to Amazon's consent page: {name}" in told
    assert f'href="/console/accounts/{account}"' in page
    assert f"?who=operator%3A{operator.id}" in page


async def test_newest_first_in_pages(console: Console) -> None:
    for _ in range(page_of_journal.PAGE + 5):
        await write(console)
    window = await console.as_(Role.AUDITOR)
    first = await window.read(PATH)
    shown = numbers(first)
    assert len(shown) == page_of_journal.PAGE
    assert shown == sorted(shown, reverse=True)
    (older,) = re.findall(r'href="([^"]*after=\d+)"', first)
    second = await window.read(older.replace("&amp;", "&"))
    assert numbers(second)[0] == shown[-1] - 1
    assert numbers(second)[-1] == 1
    assert 'data-news="*"' in first
    assert 'data-news=""' in second  # older lines do not change under the reader


@pytest.mark.parametrize("after", ["0", "-3", "x", "9" * 30, "1e3", "\u0663"])
async def test_a_place_that_is_none_is_the_beginning(console: Console, after: str) -> None:
    await write(console)
    window = await console.as_()
    page = await window.read(PATH, params={"after": after})
    assert numbers(page)


async def test_nothing_there_yet_and_nothing_that_fits(console: Console) -> None:
    window = await console.as_()
    page = await window.read(f"{PATH}?verb=account.closed")
    assert "No line fits." in page
    assert numbers(page) == []


async def test_stored_markup_is_text(console: Console) -> None:
    await write(console, MARKUP[:40], subject=MARKUP, **{"a<b>": MARKUP, "list": [MARKUP]})
    page = await (await console.as_()).read(PATH)
    assert_harmless(page)
    assert "<b>" not in page.partition("<main")[2].replace("<bdi>", "").replace("<body>", "")


async def test_what_a_query_holds_is_text_too(console: Console) -> None:
    window = await console.as_()
    for name in ("account", "subject", "verb", "who", "from", "until"):
        answer = await window.get(PATH, params={name: MARKUP})
        assert answer.status_code in (200, 422)
        assert "<img" not in answer.text
        assert "</script><b>" not in answer.text


async def test_no_secret_is_in_it(console: Console) -> None:
    await queued(console)
    account = await console.house.account()
    await console.house.connection_key(account)
    window = await console.as_()
    pages = [
        await window.read(path) for path in (PATH, f"{PATH}/export.csv", f"{PATH}/export.jsonl")
    ]
    kept = await every_secret(console)
    assert len(kept) > 3
    assert_no_secret(pages, kept)


# --- filters --------------------------------------------------------------------------------------


async def test_each_filter_narrows(console: Console) -> None:
    account = await console.house.account()
    name = (await console.desk.accounts.get(account, by=SYSTEM)).account.name
    operator = await console.operator(name="Ada Lovelace")
    by = console.caller(operator)
    await write(console, "account.closed", by=by, subject=account, account_id=account)
    window = await console.as_(Role.AUDITOR)

    async def verbs(**query: str) -> set[str]:
        page = await window.read(PATH, params=query)
        return set(re.findall(r"<summary><code>([a-z_.]+)</code>", page))

    everything = await verbs()
    assert {"account.closed", "account.added", "application.added"} <= everything
    assert await verbs(account=account) == await verbs(account=name)
    assert "application.added" not in await verbs(account=account)
    assert await verbs(subject=console.house.application_id) == {
        "application.added",
        "application.credentials_set",
    }
    assert await verbs(verb="account.closed") == {"account.closed"}
    assert await verbs(who=f"operator:{operator.id}") == {"account.closed"}
    assert await verbs(who="system") == everything - {"account.closed"}
    assert await verbs(who=f"operator:opr_{NOBODY}") == set()


async def test_days_are_whole_and_both_belong_to_it(console: Console) -> None:
    clock = console.fakes.clock
    day = clock.now().replace(hour=0, minute=0) + timedelta(days=3)
    clock.move(day - clock.now() - timedelta(minutes=2))
    for verb in ("day.before", "day.first"):
        await write(console, verb)
    clock.move(day + timedelta(days=1) - clock.now() - timedelta(minutes=2))
    for verb in ("day.last", "day.after"):
        await write(console, verb)
    window = await console.as_()
    text = f"{day:%Y-%m-%d}"
    page = await window.read(PATH, params={"from": text, "until": text})
    assert re.findall(r"<summary><code>(day\.[a-z]+)</code>", page) == ["day.last", "day.first"]
    assert f'value="{text}"' in page


@pytest.mark.parametrize("text", ["yesterday", "2026-02-30", "01.02.2026"])
@pytest.mark.parametrize("name", ["from", "until"])
async def test_a_day_that_is_none_is_said_beside_the_field(
    console: Console, name: str, text: str
) -> None:
    window = await console.as_()
    answer = await window.get(PATH, params={name: text})
    assert answer.status_code == 422
    assert f'id="w-{name}"' in answer.text
    for ending in ("csv", "jsonl"):
        answer = await window.get(f"{PATH}/export.{ending}", params={name: text})
        assert answer.status_code == 422


async def test_an_account_that_is_none_is_said_beside_the_field(console: Console) -> None:
    window = await console.as_()
    answer = await window.get(PATH, params={"account": "nobody"})
    assert answer.status_code == 422
    assert 'id="w-account"' in answer.text
    assert numbers(answer.text) == []


async def test_the_last_day_of_the_calendar_is_a_day(console: Console) -> None:
    window = await console.as_()
    answer = await window.get(PATH, params={"until": "9999-12-31"})
    assert answer.status_code == 422


# --- files ----------------------------------------------------------------------------------------


async def test_a_file_holds_what_the_filter_shows(console: Console) -> None:
    account = await console.house.account()
    await write(console, subject=account, account_id=account, note='=cmd|" /C calc"!A1')
    await write(console, "account.closed", subject="=1+1")
    window = await console.as_(Role.AUDITOR)
    answer = await window.get(f"{PATH}/export.csv", params={"verb": "account.changed"})
    (row,) = rows(answer.text)
    assert row["account"] == account
    assert row["what"] == "changed the account"
    assert json.loads(row["facts"]) == {"note": '=cmd|" /C calc"!A1'}
    assert answer.headers["content-disposition"] == 'attachment; filename="journal.csv"'
    (closed,) = rows((await window.get(f"{PATH}/export.csv?verb=account.closed")).text)
    assert closed["subject"] == "'=1+1"
    lines = (await window.get(f"{PATH}/export.jsonl?verb=account.closed")).text.splitlines()
    assert json.loads(lines[0])["subject"] == "=1+1"


async def test_a_long_journal_comes_whole_and_a_longer_one_says_so(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with console.desk.store.transaction() as tx:
        for number in range(1200):
            await journal.write(
                tx, now=datetime.now(UTC), by=SYSTEM, verb="x.y", subject="s", n=number
            )
    window = await console.as_()
    found = rows((await window.get(f"{PATH}/export.csv?verb=x.y")).text)
    assert [json.loads(one["facts"])["n"] for one in found] == list(range(1199, -1, -1))
    monkeypatch.setattr(page_of_journal, "MOST_EXPORTED", 700)
    found = rows((await window.get(f"{PATH}/export.csv?verb=x.y")).text)
    assert len(found) == 701
    assert "Only the first 700 rows" in found[-1]["number"]
    assert "at most 700" in text_of(await window.read(PATH))


# --- words ----------------------------------------------------------------------------------------


def _verbs_in_the_sources() -> set[str]:
    """Everything that is written with a dot and looks like a line's verb, where lines are made."""
    folder = Path(evergrant.__file__).parent
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).parts
        if parts[0] in ("adapters", "testing", "rules", "letters", "entrances"):
            continue
        text = path.read_text()
        found |= set(re.findall(r'verb="([a-z_]+\.[a-z_]+)"', text))
        found |= set(
            re.findall(r'"((?:rotation|operator|review|checks|run|feeds|letter)\.[a-z_]+)"', text)
        )
    # Names of jobs, loggers and templates.
    return {
        one for one in found if not one.endswith((".html", ".work", ".tick", ".tidy", ".folder"))
    }


def test_every_verb_has_words() -> None:
    found = _verbs_in_the_sources()
    assert len(found) > 60
    assert found - set(diary.WORDS) == set()


def test_a_verb_of_another_version_is_readable() -> None:
    assert diary.words_of("thing.turned_round") == "thing: turned round"


@pytest.mark.parametrize(
    ("caller", "who"),
    [
        (SYSTEM, "Evergrant"),
        (partner(), "The selling partner"),
        (Caller(kind=CallerKind.API_KEY, id="key_1"), "API key key_1"),
        (Caller(kind=CallerKind.COMMAND_LINE, id="root"), "Command line root"),
        (Caller(kind=CallerKind.OPERATOR, id="opr_1"), "opr_1"),
    ],
)
async def test_who_it_was(console: Console, caller: Caller, who: str) -> None:
    await write(console, by=caller)
    (line,) = await journal.read(console.desk.store, SYSTEM, limit=1)
    (told,) = diary.told([line], {})
    assert told.who == who
