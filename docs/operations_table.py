"""Writes the table of Amazon's operations, and the page that shows what Evergrant makes of it.

python docs/operations_table.py FIGURES.csv   # writes src/evergrant/rules/operation_table.py
python docs/operations_table.py               # writes docs/reference/operations.md
python docs/operations_table.py --check       # says whether the page is stale; exit code 1 then

FIGURES.csv has one row for each operation of Amazon's models, with the columns ``operationId``,
``method``, ``path``, ``rate``, ``burst``, and ``sdk_rate``, ``sdk_burst``: the figures of the
models, and those of rate-limits.yml of Amazon's SDK, which are taken where a model is silent.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from evergrant.rules import operations
from evergrant.rules.budgets import Plan
from evergrant.rules.operations import Group, Operation, Personal

HERE = Path(__file__).parent
TABLE = HERE.parent / "src" / "evergrant" / "rules" / "operation_table.py"
PAGE = HERE / "reference" / "operations.md"

HEAD = '''"""Amazon's operations with their usage plans: data, and nothing else.

Answers for: what Amazon's models (repository selling-partner-api-models) say of each operation,
and where they are silent, rate-limits.yml of Amazon's selling-partner-api-sdk (marked ``sdk``).
Does not answer for: what follows from it (`rules.operations`).

Written by docs/operations_table.py. A line that begins with a slash is where the paths of an API
begin; each line below is one operation: id, method, rest of the path, calls a second, burst; ``-``
where Amazon publishes none.
"""

from __future__ import annotations

__all__ = ["ROWS"]

ROWS = """
'''
TAIL = '"""  # noqa: E501\n'


# --- the table --------------------------------------------------------------------------------


def table(figures: str) -> str:
    """The module, from the text of a CSV. Raises SystemExit when a row cannot be used."""
    bases: dict[str, list[tuple[str, str, str]]] = {}
    seen: set[tuple[str, str]] = set()
    for number, row in enumerate(csv.DictReader(io.StringIO(figures)), 2):
        method, path = row["method"].strip().upper(), row["path"].strip()
        base = operations.base_of(path)
        if base is None or (method, path) in seen:
            raise SystemExit(f"line {number}: {method} {path} stands there twice or has no version")
        seen.add((method, path))
        rest = path.removeprefix(base)
        line = f"{row['operationId'].strip()} {method} {rest} {_plan(row, number)}"
        bases.setdefault(base, []).append((rest, method, line))
    if not seen:
        raise SystemExit("there is no operation in it")
    lines = []
    for base in sorted(bases):
        lines.append(base)
        lines.extend(line for _, _, line in sorted(bases[base]))
    return HEAD + "\n".join(lines) + "\n" + TAIL


def _plan(row: Mapping[str, str], number: int) -> str:
    for prefix, mark in (("", ""), ("sdk_", " sdk")):
        rate, burst = (row.get(f"{prefix}{name}", "").strip() for name in ("rate", "burst"))
        if not rate or not burst:
            continue
        try:
            plan = Plan(float(rate), int(burst))
        except ValueError:
            raise SystemExit(f"line {number}: {rate} and {burst} are no usage plan") from None
        return f"{plan.rate_per_s:g} {plan.burst}{mark}"
    return "-"


# --- the page ---------------------------------------------------------------------------------

NOTE = "<!-- Written by docs/operations_table.py; change the rules and run it. -->"
INTRO = """\
What the gateway makes of a request: its operation, and what follows from it. A path that is not
here passes through as `unknown.` and its method: with a careful plan, and only for a key that may
see personal data.

- **right**: what the key needs, `amazon_read` or `amazon_write`. A few POSTs and PUTs only read.
- **again**: whether Evergrant may send the call a second time by itself.
- **personal data**: `plain` needs the right `personal_data`; `query` needs it when the query asks
  for it; `restricted` needs it and gets a restricted data token; `elements` does so when data
  elements are named, and else answers without personal data; `content` depends on the document.
- **per pair**: calls a second and burst for one account and the application; *careful* where
  Amazon publishes no figure. **per application**: calls a second over all accounts.
- **scope**: of a grantless operation. It is called with the application's own access token, and
  takes a key that reaches everything. Rotating a client secret takes the right `manage` too.

Figures are Amazon's, of its public models (of its SDK where they are silent). The rate that
Amazon reports with its answers replaces them, and so does a plan that an operator sets."""

KEPT = """\
Cancellations, refunds and confirmations of shipments go through these. Programs at the gateway
leave a quarter of the burst to Evergrant's own work, and Evergrant's other work leaves an eighth
to those three; at least one token, and none where the burst is one."""

COLUMNS = (
    "operation",
    "request",
    "right",
    "again",
    "personal data",
    "per pair",
    "per application",
    "scope",
)


def page(known: Iterable[Operation] = operations.ALL) -> str:
    rows = [_row(operation) for operation in known]
    rule = "|".join("---" for _ in COLUMNS)
    listed = "\n".join([f"| {' | '.join(COLUMNS)} |", f"|{rule}|", *rows])
    kept = "\n".join(f"- `{name}`" for name in sorted(operations.KEPT_FREE))
    return (
        "\n\n".join(
            [
                "# Amazon's operations",
                NOTE,
                INTRO,
                listed,
                "## Tokens that are kept free",
                KEPT,
                kept,
            ]
        )
        + "\n"
    )


def _row(operation: Operation) -> str:
    application = operation.application_plan
    cells = (
        f"`{operation.name}`",
        f"`{operation.method} {operation.template}`",
        "read" if operation.group is Group.READ else "write",
        "yes" if operation.repeatable else "",
        _personal(operation),
        f"{operation.plan.rate_per_s:g}, {operation.plan.burst}"
        + ("" if operation.published else " *careful*"),
        "" if application is None else f"{application.rate_per_s:g}",
        "" if operation.scope is None else f"`{operation.scope}`",
    )
    return f"| {' | '.join(cells)} |"


def _personal(operation: Operation) -> str:
    if operation.personal is Personal.NEVER:
        return ""
    elements = ", ".join(operation.data_elements)
    return operation.personal.value + (f": {elements}" if elements else "")


def main(arguments: list[str], *, path: Path = PAGE, table_path: Path = TABLE) -> int:
    if len(arguments) > 1 or (
        arguments and arguments[0].startswith("-") and arguments[0] != "--check"
    ):
        print(__doc__)
        return 2
    if arguments and arguments[0] != "--check":
        table_path.write_text(
            table(Path(arguments[0]).read_text(encoding="utf-8")), encoding="utf-8"
        )
        print(f"written: {table_path}")
        return 0
    text = page()
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return 0
    if arguments:
        print(f"stale: {path.name}; run: python docs/operations_table.py")
        return 1
    path.write_text(text, encoding="utf-8")
    print(f"written: {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
