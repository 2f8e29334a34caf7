"""Writes packages/emulator/LEVERS.md and OPERATIONS.md from the emulator itself.

python docs/emulator_pages.py           # writes them
python docs/emulator_pages.py --check   # says whether one is stale; exit code 1 then
"""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

from amazon_emulator.apis.operations import Operation
from amazon_emulator.apis.played import OPERATIONS
from amazon_emulator.faces.levers import lever_list
from amazon_emulator.limits import Plans

PACKAGE = Path(__file__).parents[1] / "packages" / "emulator"
NOTE = "<!-- Written by docs/emulator_pages.py; change the code and run it. -->"
LEVERS_INTRO = (
    "JSON in, JSON out, on the address `levers`. Unknown fields and wrong types are told (422) "
    "and change nothing. In braces stands what a lever takes, with `?` what may be left out. "
    "`amazon-emulator levers` prints the same list; `amazon_emulator.Levers` pulls them in Python."
)
OPERATIONS_INTRO = (
    "These operations are played with state, with or without Amazon's models. Every other "
    "operation of a folder of models gives the models' canned answers. *Rate* and *burst* are "
    "Amazon's default usage plan, for each pair of application and selling partner and each "
    "region; *all accounts* is the limit of the application over all of them, where Amazon states "
    "one. Roles: any of them is enough."
)


def levers_page() -> str:
    parts = ["# Levers of the emulator", NOTE, LEVERS_INTRO]
    for area, levers in groupby(lever_list(), lambda lever: lever["area"]):
        rows = [f"| `{one['method']} {one['path']}` | {_cell(one['does'])} |" for one in levers]
        parts.append(f"## {area}\n\n" + "\n".join(["| lever | does |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def operations_page() -> str:
    parts = ["# Operations that are played", NOTE, OPERATIONS_INTRO]
    ordered = sorted(OPERATIONS, key=lambda one: (one.path.split("/")[1:3], one.path, one.method))
    head = "| operation | | rate/s | burst | all accounts | who | roles or scope |"
    rows = [head, "|---|---|---|---|---|---|---|", *(_row(one) for one in ordered)]
    parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"


def _row(operation: Operation) -> str:
    plan = Plans().of(operation.method, operation.path)
    figures = ("", "", "")
    if plan is not None:
        whole = plan.per_application
        figures = (plan.header, str(plan.burst), "" if whole is None else f"{float(whole):g}/s")
    if operation.scope is not None:
        who, needs = "grantless", f"`{operation.scope}`"
    else:
        who, needs = ", ".join(operation.partner_kinds), ", ".join(operation.roles)
    place = f"`{operation.method} {operation.path}`"
    return f"| {operation.name} | {place} | {' | '.join(figures)} | {who} | {needs} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


PAGES = {"LEVERS.md": levers_page, "OPERATIONS.md": operations_page}


def main(arguments: list[str], folder: Path = PACKAGE) -> int:
    if arguments not in ([], ["--check"]):
        print(__doc__)
        return 2
    stale = 0
    for name, page in PAGES.items():
        path = folder / name
        text = page()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if arguments:
            print(f"stale: {name}; run: python docs/emulator_pages.py")
            stale = 1
        else:
            path.write_text(text, encoding="utf-8")
            print(f"written: {path}")
    return stale


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
