"""Writes the tables of events into the guide for integrators.

python docs/events_table.py            # writes docs/guides/integrate.md
python docs/events_table.py --check    # says whether it is stale; exit code 1 then
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from evergrant.rules.event_facts import FACTS, OF_ACCOUNT, OF_APPLICATION
from evergrant.rules.topics import EVENTS

PAGE = Path(__file__).parent / "guides" / "integrate.md"
BEGIN, END = "<!-- events: written by docs/events_table.py -->", "<!-- events end -->"
BETWEEN = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)


def tables() -> str:
    kinds = "\n".join(
        f"| `{topic}` | {means} | {names(FACTS[topic])} |" for topic, means in EVENTS.items()
    )
    return f"""\
| event | means | `data` has besides |
|---|---|---|
{kinds}

`data` of every event but `secret.*`: {listed(OF_ACCOUNT)}.

`data` of every `secret.*`: {listed(OF_APPLICATION)}."""


def names(facts: Mapping[str, str]) -> str:
    return ", ".join(f"`{name}`" for name in facts) or "-"


def listed(facts: Mapping[str, str]) -> str:
    return "; ".join(f"`{name}` ({means})" for name, means in facts.items())


def page(text: str) -> str:
    """The guide with fresh tables. Raises SystemExit when it has no place for them."""
    written, places = BETWEEN.subn(lambda _: f"{BEGIN}\n{tables()}\n{END}", text)
    if places != 1:
        raise SystemExit(f"{PAGE} needs '{BEGIN}' and '{END}', once each.")
    return written


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    fresh = page(text)
    if "--check" in sys.argv[1:]:
        if fresh != text:
            raise SystemExit(f"{PAGE} is stale: run 'python docs/events_table.py'.")
        return
    PAGE.write_text(fresh, encoding="utf-8")


if __name__ == "__main__":
    main()
