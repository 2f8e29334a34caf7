"""Writes docs/reference/settings.md and docs/reference/errors.md from the code itself.

python docs/reference_pages.py           # writes them
python docs/reference_pages.py --check   # says which are stale; exit code 1 then
"""

from __future__ import annotations

import inspect
import itertools
import sys
from pathlib import Path

from evergrant import errors
from evergrant.settings import READ_ELSEWHERE, SETTINGS, Setting

REFERENCE = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/reference_pages.py; change the code and run `make docs`. -->"


def settings_page() -> str:
    parts = [
        "# Settings",
        NOTE,
        (
            "Settings are environment variables, read once when a process starts. Instead of a "
            "value, `NAME_FILE` may name a file that holds it (a mounted secret, say); blanks "
            "around the value are dropped, and an empty value counts as not set. A name that "
            "begins with `EVERGRANT_` and that is not known here is an error, so a slip of the "
            "pen does not pass unseen. `evergrant settings` shows what is in force, and where "
            "it came from."
        ),
    ]
    for section, group in itertools.groupby(SETTINGS, key=lambda one: one.section):
        parts.append(f"## {section}")
        parts.append(
            "\n".join(
                ["| name | what | default | example |", "|---|---|---|---|", *map(_row, group)]
            )
        )
    others = ", ".join(f"`{name}`" for name in sorted(READ_ELSEWHERE))
    parts.append(f"Read by the client package and by the tests, and left alone here: {others}.")
    return "\n\n".join(parts) + "\n"


def _row(one: Setting) -> str:
    default = f"`{one.default}`" if one.default else f"none: {one.unset}"
    what = one.what + (" A secret: never shown." if one.secret else "")
    what += " Has no `_FILE` form, as it names a file itself." if one.names_a_file else ""
    return _cells(f"`{one.name}`", what, default, f"`{one.example}`")


def errors_page() -> str:
    parts = [
        "# Errors",
        NOTE,
        (
            "Every error has a stable code, says who has to act, and whether the same call can "
            "succeed later without anybody acting (*permanent: no*). At `/v1` and the gateway it "
            "is a problem (RFC 9457) with `code`, `blame` and `hint`; on the command line it is "
            "one line."
        ),
    ]
    for family in errors.EvergrantError.__subclasses__():
        parts.append(f"## To be solved by: {_person(family.blame)}")
        rows = [_error_row(one) for one in _leaves(family)]
        parts.append(
            "\n".join(["| code | error | permanent | meaning |", "|---|---|---|---|", *rows])
        )
    return "\n\n".join(parts) + "\n"


def _leaves(family: type[errors.EvergrantError]) -> list[type[errors.EvergrantError]]:
    below = [one for one in family.__subclasses__() if one.__module__ == errors.__name__]
    return [leaf for one in below for leaf in _leaves(one)] if below else [family]


def _error_row(error: type[errors.EvergrantError]) -> str:
    own = error.__dict__.get("__doc__")
    meaning = error.default_message
    if own:
        meaning += f" {' '.join(inspect.cleandoc(own).split())}"
    decided = "permanent" in inspect.signature(error.__init__).parameters
    permanent = "it says so" if decided else "yes" if error.permanent else "no"
    return _cells(f"`{error.code}`", f"`{error.__name__}`", permanent, meaning.replace("``", "`"))


def _person(blame: errors.Blame) -> str:
    return {
        errors.Blame.CALLER: "whoever asked (`caller`)",
        errors.Blame.PARTNER: "the selling partner (`partner`)",
        errors.Blame.APPLICATION: "the owner of the application (`application`)",
        errors.Blame.AMAZON: "nobody here; it is Amazon's side (`amazon`)",
        errors.Blame.US: "the operator of this installation (`us`)",
    }[blame]


def _cells(*texts: str) -> str:
    return f"| {' | '.join(text.replace('|', chr(92) + '|') for text in texts)} |"


PAGES = {"settings.md": settings_page, "errors.md": errors_page}


def main(arguments: list[str], folder: Path = REFERENCE) -> int:
    if arguments not in ([], ["--check"]):
        print(__doc__)
        return 2
    stale = []
    for name, page in PAGES.items():
        path, text = folder / name, page()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not arguments:
            path.write_text(text, encoding="utf-8")
            print(f"written: {path}")
    if arguments and stale:
        print(f"stale: {', '.join(stale)}; run: python docs/reference_pages.py")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
