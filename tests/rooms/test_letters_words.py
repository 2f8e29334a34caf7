"""The catalogues: every sentence of letters and public pages in every language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import evergrant
from evergrant.letters import LANGUAGES

Said = str | tuple[str, ...]


def messages() -> set[Said]:
    """Every sentence that is marked for translation, those for one and for many together."""
    found: set[Said] = set()
    trimmed = {"trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true"}
    for room in ("letters", "entrances/public"):
        found |= {
            message
            for _, _, message, *_ in extract_from_dir(
                f"{evergrant.__path__[0]}/{room}",
                [("**/templates/**", "jinja2.ext:babel_extract"), ("**.py", "python")],
                {"**/templates/**": {**trimmed, "silent": "false"}},
                keywords={"marked": None, "gettext": None, "ngettext": (1, 2)},
            )
        }
    return found


def catalogue_of(language: str) -> Catalog:
    path = Path(evergrant.__path__[0], f"letters/catalogues/{language}.po")
    with path.open("rb") as lines:
        return read_po(lines, locale=language)


def forms(said: Said | list[str] | None) -> list[str]:
    return [said] if isinstance(said, str) else list(said or ())


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "en"])
def test_every_sentence_is_translated(language: str) -> None:
    catalogue = catalogue_of(language)
    entries = {entry.id: entry for entry in catalogue if entry.id}
    wanted = messages()
    assert len(wanted) > 200
    assert not wanted - set(entries), "not translated"
    assert not set(entries) - wanted, "said nowhere any more"
    for entry in entries.values():
        assert not entry.fuzzy
        many = not isinstance(entry.id, str)
        assert len(forms(entry.string)) == (catalogue.num_plurals if many else 1), entry.id
        for said in forms(entry.string):
            assert said.strip(), entry.id
            for marks in (r"%\(\w+\)s", r"</?\w+>"):
                found = [sorted(re.findall(marks, one)) for one in forms(entry.id)]
                assert sorted(re.findall(marks, said)) in found, entry.id
