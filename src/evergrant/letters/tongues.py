"""The translations.

Answers for: finding the catalogue of a language and speaking it. English is the language of the
sources; every other language is a ``catalogues/<language>.po`` beside this file, compiled when it
is first needed, so no compiled file lies in the repository. Does not answer for: choosing the
language of a reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from gettext import NullTranslations
from importlib.resources import files
from io import BytesIO

from babel.core import Locale
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from evergrant.rules.ids import LANGUAGES

__all__ = ["FALLBACK", "LANGUAGES", "Tongue", "marked", "tongue"]

#: The first language of all is that of the sources.
FALLBACK = LANGUAGES[0]


def marked(text: str) -> str:
    """Marks a text for translation where it is written; it is translated where it is shown."""
    return text


@dataclass(frozen=True, slots=True)
class Tongue:
    """One language, ready to speak."""

    language: str
    translations: NullTranslations

    def say(self, text: str, /, **facts: object) -> str:
        """``text`` in this language, its ``%(name)s`` filled with ``facts``."""
        said = self.translations.gettext(text)
        return said % facts if facts else said

    def day(self, at: datetime) -> str:
        return format_date(at, "long", locale=Locale(self.language))

    def moment(self, at: datetime) -> str:
        """Date and time, in UTC and saying so."""
        at = at.astimezone(UTC)
        return f"{format_date(at, 'medium', locale=Locale(self.language))}, {at:%H:%M} UTC"


@cache
def tongue(language: str) -> Tongue:
    """The tongue of that language; English for one that is not spoken here."""
    if language not in LANGUAGES or language == FALLBACK:
        return Tongue(FALLBACK, NullTranslations())
    source = files("evergrant.letters").joinpath(f"catalogues/{language}.po")
    with source.open("rb") as lines:
        catalogue = read_po(lines, locale=language)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Tongue(language, Translations(compiled))
