"""The letter box: each file is taken once, whatever dies on the way and whoever looks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evergrant import vault
from evergrant.errors import StoreUnavailable
from evergrant.feeds import folder as folder_module
from evergrant.feeds.drawers import Drawer
from evergrant.feeds.folder import LEFT_FOR, QUIET_FOR, Folder, FolderRound
from evergrant.ports.things import Account
from evergrant.rules.changes import ChangeState
from evergrant.rules.lifecycle import State
from evergrant.testing.store import MemoryStore
from tests.rooms.hatch_ground import ORDER, Hatch, pdf

STOCK = "kind,sku,quantity\nstock,MUG-1,12\nstock,MUG-2,0\n"
REFUND = (
    "kind,order_id,reference,currency,reason,order_item_id,principal\n"
    f"refund,{ORDER},RMA-1,EUR,CustomerReturn,11,19.99\n"
)
INVOICE = f"kind,order_id,invoice_number,total,vat,pdf\ninvoice,{ORDER},R-1,119.00,19.00,R-1.pdf\n"


class Box:
    """The folder of one account."""

    def __init__(self, hatch: Hatch, folder: Path, account: Account) -> None:
        self.hatch = hatch
        self.folder = folder
        self.account = account
        self.path = folder / account.name
        self.path.mkdir(parents=True)

    def another(self) -> Folder:
        """As a second node sees it."""
        return Folder(
            store=self.hatch.store,
            clock=self.hatch.clock,
            taking=self.hatch.another(),
            folder=self.folder,
        )

    def put(self, name: str, content: str | bytes, *, age: timedelta = QUIET_FOR) -> Path:
        path = self.path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        written = (self.hatch.clock.now() - age).timestamp()
        os.utime(path, (written, written))
        return path

    async def round(self) -> FolderRound:
        return await self.another().round()

    def names(self, below: str = "") -> list[str]:
        """Without the mark before them."""
        folder = self.path / below
        found = sorted(one.name for one in folder.iterdir() if not one.is_dir())
        return [name.split("-", 2)[2] for name in found] if below else found

    def answer(self, below: str, name: str) -> dict[str, Any]:
        (path,) = (self.path / below).glob(f"*-{name}.answer.json")
        read: dict[str, Any] = json.loads(path.read_bytes())
        return read

    async def skus(self) -> list[tuple[str, str]]:
        return [(one.kind, one.key) for one in await self.hatch.changes(self.account)]


@pytest.fixture
async def box(tmp_path: Path) -> Box:
    hatch = await Hatch().open()
    # What the file system notes of moved files is the machine's time, not the clock's.
    hatch.clock.set(datetime.now(UTC))
    return Box(hatch, tmp_path / "changes", await hatch.add())


async def test_a_file_is_taken_and_answered(box: Box) -> None:
    box.put("morning.csv", STOCK)
    assert await box.round() == FolderRound(files=1, taken=2)
    assert await box.skus() == [("stock", "MUG-1"), ("stock", "MUG-2")]
    assert box.names() == []
    assert box.names("done") == ["morning.csv", "morning.csv.answer.json"]
    answer = box.answer("done", "morning.csv")
    assert (answer["taken"], answer["refused"], answer["refusal"]) == (2, 0, None)
    assert [line["rows"] for line in answer["lines"]] == [[2], [3]]
    assert answer["lines"][0]["change_id"].startswith("chg_")
    async with box.hatch.store.transaction() as tx:
        intake = await tx.intakes.get(answer["intake_ids"][0])
    assert intake is not None
    assert (intake.source, intake.name, intake.caller) == ("folder", "morning.csv", "system")
    assert await box.round() == FolderRound()


async def test_the_folder_may_be_named_by_the_accounts_id(box: Box) -> None:
    box.path.rename(box.folder / box.account.id)
    box.path = box.folder / box.account.id
    box.put("a.json", '[{"kind": "stock", "sku": "A", "quantity": 1}]')
    assert (await box.round()).taken == 1
    assert box.names("done") == ["a.json", "a.json.answer.json"]


async def test_bad_lines_are_told_and_good_ones_taken(box: Box) -> None:
    box.put("a.csv", STOCK + "stock,MUG-3,many\n")
    assert await box.round() == FolderRound(files=1, taken=2, refused=1)
    assert box.names("refused") == ["a.csv", "a.csv.answer.json"]
    bad = box.answer("refused", "a.csv")["lines"][2]
    assert (bad["rows"], bad["outcome"], bad["flaws"][0]["field"]) == ([4], "refused", "quantity")


@pytest.mark.parametrize(
    "content",
    ["nonsense\n", "kind,sku,quantity\nstock,A,1", "{", b"\x00\x01"],
    ids=["no names", "cut off", "no json", "no text"],
)
async def test_a_file_that_is_none_is_refused_as_a_whole(box: Box, content: str | bytes) -> None:
    box.put("a.json" if content == "{" else "a.csv", content)
    assert await box.round() == FolderRound(files=1)
    (name,) = [one for one in box.names("refused") if not one.endswith("answer.json")]
    answer = box.answer("refused", name)
    assert answer["refusal"]["code"] == "invalid_input"
    assert await box.skus() == []


async def test_an_amount_that_was_cut_off_is_not_taken(box: Box) -> None:
    box.put("a.csv", REFUND.removesuffix(".99\n"))
    await box.round()
    assert "cut off" in box.answer("refused", "a.csv")["refusal"]["message"]
    assert await box.skus() == []


async def test_closed_accounts_take_no_files(box: Box) -> None:
    closed = Box(box.hatch, box.folder, await box.hatch.add(State.CLOSED))
    closed.put("a.csv", STOCK)
    box.put("a.csv", STOCK)
    assert await box.round() == FolderRound(files=2, taken=2)
    assert closed.answer("refused", "a.csv")["refusal"]["code"] == "account_closed"


async def test_only_complete_files_are_looked_at(box: Box) -> None:
    box.put("young.csv", STOCK, age=QUIET_FOR - timedelta(seconds=1))
    box.put("slow.csv.part", STOCK)
    box.put("notes.txt", STOCK)
    box.put(".hidden.csv", STOCK)
    box.put("future.csv", STOCK, age=timedelta(days=-1))
    (box.path / "folder.csv").mkdir()
    os.mkfifo(box.path / "pipe.csv")
    before = box.names()
    assert await box.round() == FolderRound()
    assert box.names() == before
    box.hatch.clock.move(seconds=2)
    (box.path / "slow.csv.part").rename(box.path / "slow.csv")
    assert (await box.round()).files == 2


async def test_links_are_not_followed(box: Box, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    target = outside / "target.csv"
    target.write_text(STOCK)
    os.utime(target, (1, 1))
    (box.path / "link.csv").symlink_to(target)
    (box.folder / box.account.id).symlink_to(outside)
    assert await box.round() == FolderRound()
    assert target.read_text() == STOCK
    (box.path / "done").symlink_to(outside)
    box.put("a.csv", STOCK)
    assert (await box.round()).troubled == 1
    assert sorted(one.name for one in outside.iterdir()) == ["target.csv"]
    # Nothing is lost, and nothing is taken twice, once the link is gone.
    (box.path / "done").unlink()
    box.hatch.clock.move(seconds=LEFT_FOR.total_seconds() + 60)
    assert (await box.round()).files == 1
    assert len(await box.skus()) == 2


async def test_a_folder_of_nobody_is_left_alone(box: Box) -> None:
    nobody = box.folder / "Nobody's Shop"
    nobody.mkdir()
    (nobody / "a.csv").write_text(STOCK)
    os.utime(nobody / "a.csv", (1, 1))
    assert (await box.round()).unknown == ("Nobody's Shop",)
    assert (nobody / "a.csv").exists()


async def test_without_a_folder_nothing_happens(box: Box, tmp_path: Path) -> None:
    for folder, troubled in ((None, 0), (tmp_path / "gone", 1)):
        room = Folder(
            store=box.hatch.store,
            clock=box.hatch.clock,
            taking=box.hatch.taking,
            folder=folder,
        )
        assert await room.round() == FolderRound(troubled=troubled)


# --- invoices ---------------------------------------------------------------------------------


async def test_pdfs_lie_beside_the_file_and_go_with_it(box: Box) -> None:
    content = pdf()
    box.put("R-1.pdf", content)
    box.put("R-2.pdf", content)
    box.put("a.csv", INVOICE)
    assert (await box.round()).taken == 1
    (change,) = await box.hatch.changes(box.account)
    async with box.hatch.store.transaction() as tx:
        assert await box.hatch.vault.open(tx, vault.invoice_document(change.id)) is not None
    assert box.names() == ["R-2.pdf"]
    assert box.names("done") == ["R-1.pdf", "a.csv", "a.csv.answer.json"]


async def test_pdfs_of_a_file_with_bad_lines_stay(box: Box) -> None:
    box.put("R-1.pdf", pdf())
    box.put("a.csv", INVOICE + f"invoice,{ORDER},R-2,1.00,0.10,../R-2.pdf\n")
    assert await box.round() == FolderRound(files=1, taken=1, refused=1)
    assert box.names() == ["R-1.pdf"]
    box.put("a.csv", INVOICE)
    assert await box.round() == FolderRound(files=1, duplicates=1)
    assert box.names() == []


# --- once, and never twice --------------------------------------------------------------------


async def test_two_nodes_take_each_file_once(box: Box) -> None:
    for number in range(12):
        box.put(f"{number}.csv", REFUND.replace("RMA-1", f"RMA-{number}"))
    rounds = await asyncio.gather(*(box.round() for _ in range(4)))
    assert sum(one.files for one in rounds) == 12
    assert sum(one.taken for one in rounds) == 12
    assert sum(one.troubled for one in rounds) == 0
    assert len(await box.skus()) == 12


async def test_the_same_values_may_be_put_there_again(box: Box) -> None:
    """Stock was 12, then 3, and is 12 again."""
    box.put("stock.csv", STOCK)
    await box.round()
    box.hatch.clock.move(hours=1)
    box.put("stock.csv", STOCK)
    assert (await box.round()).taken == 2
    assert len(box.names("done")) == 4


async def test_the_same_refund_in_two_files_is_one(box: Box) -> None:
    box.put("a.csv", REFUND)
    box.put("b.csv", REFUND)
    assert await box.round() == FolderRound(files=2, taken=1, duplicates=1)
    assert len(await box.skus()) == 1


class Killed(BaseException):
    """As if the process had died: nobody tidies up."""


STEPS = ["read", "write", "move pdf", "move file"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_whoever_dies_on_the_way_takes_nothing_twice(
    box: Box, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    box.put("R-1.pdf", pdf())
    box.put("a.csv", REFUND)
    box.put("b.csv", INVOICE)
    deaths: list[str] = []

    def die(real: Callable[..., Any], when: Callable[..., bool]) -> Callable[..., Any]:
        def dying(*args: Any) -> Any:
            if not when(*args):
                return real(*args)
            deaths.append(step)
            if after:
                real(*args)
            raise Killed

        return dying

    def of_done(drawer: Drawer, name: str, to: Drawer, new_name: str) -> bool:
        return "Z-" in new_name and new_name.endswith(".pdf") == (step == "move pdf")

    with monkeypatch.context() as patch:
        patch.setattr(folder_module, "_put_back", lambda *_: None)
        if step == "read":
            patch.setattr(folder_module, "_read", die(folder_module._read, lambda *_: True))
        elif step == "write":
            patch.setattr(Drawer, "write", die(Drawer.write, lambda *_: True))
        else:
            patch.setattr(Drawer, "move", die(Drawer.move, of_done))
        for _ in range(3):
            with contextlib.suppress(Killed):
                await box.round()
            box.hatch.clock.move(seconds=LEFT_FOR.total_seconds() + 60)
    assert deaths
    for _ in range(2):
        await box.round()
        box.hatch.clock.move(seconds=LEFT_FOR.total_seconds() + 60)
    assert sorted(await box.skus()) == [("invoice", "R-1"), ("refund", "RMA-1")]
    assert box.names() == []
    assert list((box.path / "taking").iterdir()) == []
    assert set(box.names("done")) == {
        *("R-1.pdf", "a.csv", "a.csv.answer.json", "b.csv", "b.csv.answer.json"),
    }
    for name in ("a.csv", "b.csv"):
        (line,) = box.answer("done", name)["lines"]
        assert line["outcome"] == "taken"


async def test_what_is_in_hand_is_left_to_whoever_has_it(box: Box) -> None:
    box.put("a.csv", STOCK)
    taking = box.path / "taking"
    taking.mkdir()
    (box.path / "a.csv").rename(taking / "0123abcd-a.csv")
    assert await box.round() == FolderRound()
    box.hatch.clock.move(seconds=LEFT_FOR.total_seconds() + 60)
    assert (await box.round()).taken == 2


async def test_while_the_database_is_away_files_wait(box: Box) -> None:
    assert isinstance(box.hatch.store, MemoryStore)
    box.put("a.csv", STOCK)
    store, another = box.hatch.store, box.another()
    real = another._taking.put

    async def away(*args: Any, **more: Any) -> Any:
        store.down = True
        return await real(*args, **more)

    another._taking.put = away  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable):
        await another.round()
    store.down = False
    assert box.names() == ["a.csv"]
    assert await box.round() == FolderRound(files=1, taken=2)
    assert {one.state for one in await box.hatch.changes(box.account)} == {ChangeState.PENDING}


async def test_long_files_are_taken_in_parts(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "MOST_LINES", 10)
    rows = "".join(f"stock,S-{number:02},1\n" for number in range(25))
    box.put("a.csv", "kind,sku,quantity\n" + rows + "stock,S-00,\n")
    assert await box.round() == FolderRound(files=1, taken=25, refused=1)
    answer = box.answer("refused", "a.csv")
    assert len(answer["intake_ids"]) == 3
    assert [line["rows"] for line in answer["lines"]] == [[number] for number in range(2, 28)]


async def test_a_file_that_is_too_large_is_refused(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "LARGEST_FILE", 20)
    box.put("a.csv", STOCK)
    assert await box.round() == FolderRound(files=1)
    assert box.answer("refused", "a.csv")["refusal"]["code"] == "too_large"
