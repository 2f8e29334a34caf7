"""The five languages are spoken wherever one is named: rules, API, command line, imports,
settings, letters and pages."""

from __future__ import annotations

import html
import re

import pytest
import typer.main

from evergrant.entrances.api.wishes import AccountChange, AccountWish
from evergrant.entrances.cli.root import app
from evergrant.entrances.public.paper import NAMES
from evergrant.letters import LANGUAGES, tongue
from evergrant.moving import words
from evergrant.rules import ids
from evergrant.rules.rights import SYSTEM
from evergrant.settings import SETTINGS, Settings
from tests.rooms.letters_ground import LetterHouse

#: How letters in it begin.
HELLO = {
    "en": "Hello,",
    "de": "Guten Tag,",
    "fr": "Bonjour,",
    "it": "Buongiorno,",
    "es": "Buenos días:",
}


def test_there_are_five() -> None:
    assert set(LANGUAGES) == set(NAMES) == set(HELLO)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_an_account_may_have_it_and_its_letters_speak_it(language: str) -> None:
    house = await LetterHouse().open()
    account_id = await house.account(language=language.upper())
    view = await house.desk.accounts.get(account_id, by=SYSTEM)
    assert view.account.language == language
    house.fakes.clock.move(days=342)
    await house.sent(await house.ending(account_id))
    (letter,) = house.fakes.mail.to("shop@heron.example")
    assert letter.text.startswith(HELLO[language])
    assert f'<html lang="{language}">' in letter.html


@pytest.mark.parametrize("language", LANGUAGES)
def test_programs_and_operators_may_name_it(language: str) -> None:
    assert ids.check_language(f" {language.upper()} ") == language
    described = AccountWish.model_json_schema()["properties"]["language"]["description"]
    assert f"`{language}`" in described
    assert AccountChange.model_validate({"language": language}).language == language
    account = typer.main.get_command(app).commands["account"]  # type: ignore[attr-defined]
    for verb in ("add", "change"):
        (option,) = [one for one in account.commands[verb].params if one.name == "language"]
        assert re.search(rf"\b{language}\b", option.help), verb
    settings = Settings.from_environment({"EVERGRANT_OPERATORS_LANGUAGE": language})
    assert settings.house.operators_language == language
    (setting,) = [one for one in SETTINGS if one.into == "operators_language"]
    assert f"`{language}`" in setting.what


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_former_system_may_call_it_as_it_likes(language: str) -> None:
    for written in (language, language.upper(), f"{language}_{language.upper()}", NAMES[language]):
        assert words.language(written) == language
    for name in ("French", "français", "Italienisch", "SPANISH", "Español", "tedesco", "inglese"):
        assert words.language(name) in LANGUAGES


@pytest.mark.parametrize(
    ("written", "language"),
    [
        ("de-AT", "de"),
        ("fr_FR.UTF-8", "fr"),
        ("deDE", "de"),
        ("ITA", "it"),
        (" es ", "es"),
        ("Estonian", None),
        ("est", None),
        ("Dansk", None),
        ("Denglisch", None),
        ("", None),
        ("-", None),
    ],
)
def test_a_language_that_only_begins_like_ours_is_another(
    written: str, language: str | None
) -> None:
    assert words.language(written) == language


def test_french_keeps_its_signs_on_the_line() -> None:
    """No line of a French page or letter begins with a colon or a question mark."""
    for said in ("Questions?", "Questions? Write to %(email)s.", "Amazon says:"):
        assert re.search("\u00a0[?:]", html.unescape(tongue("fr").say(said)))
