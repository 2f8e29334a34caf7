"""The press: one letter from its templates.

Answers for: the three parts of a letter. A topic is three templates: ``<topic>.subject.txt``,
``<topic>.txt`` and ``<topic>.html``. Does not answer for: sending, or for what the facts say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from evergrant.letters.looks import LetterLooks
from evergrant.letters.plain import plain
from evergrant.letters.tongues import tongue
from evergrant.rules.secrecy import Secret

__all__ = ["TOPICS", "Rendered", "render"]

#: Every letter that Evergrant writes.
TOPICS: tuple[str, ...] = (
    "invitation",
    "renewal",
    "support_report",
    "authorization_interrupted",
    "letter_undeliverable",
    "authorization_ending",
    "operators_digest",
    "secret_incident",
    "operator_invitation",
    "operator_locked",
    "operator_way_in",
)
SUBJECT_LIMIT = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A letter in words. It may hold a link that is a secret."""

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


def render(topic: str, language: str, facts: Mapping[str, Any]) -> Rendered:
    """``facts["looks"]`` are the house's ``LetterLooks``, ours when there are none. Raises
    ``LookupError`` for a topic that is none, ``jinja2.UndefinedError`` when a fact that the letter
    tells is missing: both are our mistakes."""
    if topic not in TOPICS:
        raise LookupError(f"there is no letter {topic!r}")
    facts = {"looks": LetterLooks(), **facts}
    press = _press(tongue(language).language)
    return Rendered(
        subject=plain(press.get_template(f"{topic}.subject.txt").render(facts), SUBJECT_LIMIT),
        text=press.get_template(f"{topic}.txt").render(facts).strip() + "\n",
        html=press.get_template(f"{topic}.html").render(facts).strip() + "\n",
    )


@cache
def _press(language: str) -> Environment:
    spoken = tongue(language)
    press = Environment(
        loader=PackageLoader("evergrant.letters"),
        autoescape=select_autoescape(["html"], default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    press.install_gettext_translations(spoken.translations, newstyle=True)  # type: ignore[attr-defined]
    press.filters["plain"] = plain
    press.filters["day"] = spoken.day
    press.filters["moment"] = spoken.moment
    # A letter is a socket: here a link that stands in a table stops being a secret.
    press.filters["reveal"] = Secret.reveal
    press.globals["language"] = spoken.language
    press.policies["ext.i18n.trimmed"] = True
    return press
