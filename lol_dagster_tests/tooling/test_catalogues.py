"""The translations: complete, none too many, and with the same things to fill in."""

from __future__ import annotations

import string
from types import ModuleType

import pytest
from babel import Locale
from babel.messages.catalog import Message

from lol_dagster.messages.language import LANGUAGES
from lol_dagster_tests.tooling.scripts import load_tool

TRANSLATED = [code for code in LANGUAGES if code != "en"]


@pytest.fixture(scope="module")
def catalogues() -> ModuleType:
    return load_tool("catalogues")


def fields(text: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}


def messages(catalogues: ModuleType, code: str) -> list[Message]:
    return [each for each in catalogues.catalogue(code) if each.id]


def test_every_language_has_a_file_and_no_file_is_without_one(catalogues: ModuleType) -> None:
    assert sorted(file.name for file in catalogues.FOLDER.iterdir()) == [
        f"{code}.po" for code in sorted(TRANSLATED)
    ]


@pytest.mark.parametrize("code", TRANSLATED)
def test_what_the_code_says_is_what_is_translated(catalogues: ModuleType, code: str) -> None:
    said = {each.id for each in catalogues.texts_of_the_code() if each.id}
    there = {each.id for each in messages(catalogues, code)}
    assert not said - there, "new: run tools/catalogues.py and translate what is empty"
    assert not there - said, "no longer said: tools/catalogues.py takes it away"
    assert (catalogues.FOLDER / f"{code}.po").read_text() == catalogues.up_to_date(code)


@pytest.mark.parametrize("code", TRANSLATED)
def test_everything_is_translated_in_each_plural_form(catalogues: ModuleType, code: str) -> None:
    forms = len({Locale.parse(code).plural_form(number) for number in range(200)})
    for each in messages(catalogues, code):
        strings = catalogues.strings(each)
        assert all(strings), f"{each.id} is not translated"
        assert not each.fuzzy, f"{each.id} was only guessed"
        assert len(strings) == (1 if isinstance(each.id, str) else forms), each.id


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_translation_fills_in_what_the_text_does(catalogues: ModuleType, code: str) -> None:
    for each in messages(catalogues, code):
        ids = (each.id,) if isinstance(each.id, str) else each.id
        # "The last game" may do without its number, in any language.
        wanted, counted = fields(ids[-1]), {"number"} if len(ids) == 2 else set()
        for text in catalogues.strings(each):
            assert fields(text) | counted == wanted | counted, text


def test_texts_are_found_inside_calls_and_in_tables(catalogues: ModuleType) -> None:
    code = """
T = {"a": marked("one"), "b": marked_plural("{number} two", "{number} twos")}
language.say("three {x}", x=language.plural("four", "fours", len(y)))
say(x.count("no"), saying("neither")) if False else language.say("five "
    "and a half")
"""
    with pytest.raises(ValueError, match="line 4: say"):
        list(catalogues.texts_of(code, catalogues.SAID))
    code = code.replace('say(x.count("no"), saying("neither"))', 'x.count("no")')
    assert list(catalogues.texts_of(code, catalogues.SAID)) == [
        "one",
        ("{number} two", "{number} twos"),
        "three {x}",
        ("four", "fours"),
        "five and a half",
    ]


@pytest.mark.parametrize("code", ['say(f"{x} wins")', "say(text)", 'plural("one", several, n)'])
def test_a_text_that_is_put_together_is_refused(catalogues: ModuleType, code: str) -> None:
    with pytest.raises(ValueError, match="takes literal texts only"):
        list(catalogues.texts_of(code, catalogues.SAID))


def test_names_of_modes_and_queues_are_texts(catalogues: ModuleType) -> None:
    said = {each.id for each in catalogues.texts_of_the_code() if each.id}
    assert {"Arena", "Ranked Flex", "ARAM: Mayhem", "Custom {mode}", "Tournament"} <= said
