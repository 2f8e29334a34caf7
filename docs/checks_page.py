"""Writes docs/reference/checks.md from the list of findings itself.

python docs/checks_page.py           # writes it
python docs/checks_page.py --check   # says whether it is stale; exit code 1 then
"""

from __future__ import annotations

import sys
from pathlib import Path

from evergrant.checks import FINDINGS, FindingKind, Severity

PAGE = Path(__file__).parent / "reference" / "checks.md"
NOTE = "<!-- Written by docs/checks_page.py; change the code and run it. -->"
INTRO = (
    "`evergrant check` looks at an installation, changes nothing, and prints what it finds, worst "
    "first; `--json` for programs, `--live` to ask Login with Amazon once per application "
    "and to read its queue. It ends "
    "with 1 when a finding is an error. Numbers are stable. *Who* is who has to act: `us` is the "
    "operator of this installation, `application` the owner of the SP-API application, `caller` "
    "whoever set up the account, `amazon` nobody here."
)
SEVERITIES = {
    Severity.ERROR: "something does not work",
    Severity.WARNING: "something will not work, or not safely",
    Severity.NOTE: "worth knowing",
}


def page() -> str:
    parts = ["# Findings of `evergrant check`", NOTE, INTRO]
    parts.append("\n".join(f"- **{severity}**: {means}" for severity, means in SEVERITIES.items()))
    rows = [_row(kind) for kind in sorted(FINDINGS.values(), key=lambda kind: kind.code)]
    parts.append(
        "\n".join(["| number | | who | finding | what to do |", "|---|---|---|---|---|", *rows])
    )
    return "\n\n".join(parts) + "\n"


def _row(kind: FindingKind) -> str:
    cells = (f"`{kind.code}`", kind.severity.value, kind.blame.value, kind.title, kind.hint)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main(arguments: list[str], path: Path = PAGE) -> int:
    if arguments not in ([], ["--check"]):
        print(__doc__)
        return 2
    text = page()
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return 0
    if arguments:
        print(f"stale: {path.name}; run: python docs/checks_page.py")
        return 1
    path.write_text(text, encoding="utf-8")
    print(f"written: {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
