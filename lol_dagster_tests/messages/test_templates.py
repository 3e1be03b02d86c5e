"""A channel's templates of a member's line: what they may do, and that they never cost a message."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete, select

from lol_dagster.delivery.transports import discord_format
from lol_dagster.messages.compose import AnnouncedGame, Member, compose_game
from lol_dagster.messages.content import Line, MessageContent
from lol_dagster.messages.failed_templates import failed_template
from lol_dagster.messages.language import language
from lol_dagster.messages.templates import (
    LONGEST,
    MOST_SHOWN,
    NAMES,
    TemplateError,
    check_template,
    filled,
)
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Channel, Fact, Message, MessageGame
from lol_dagster_tests._support.message_rows import add_game, played
from lol_dagster_tests.messages.writing import change_kills, the_message, world, write

ANN = Member(
    name="Ann", account_name=None, champion="Jinx", champion_id=222, kills=10, deaths=2, assists=8,
    cs=200, side="team-100", outcome="win", placement=None, kda=9.0, kill_participation=0.5,
    cs_per_min=None,
)  # fmt: skip
GAME = AnnouncedGame(
    match_id="EUW1_1", queue_name="Ranked Solo", mode_family="rift",
    ended_at=datetime(2026, 8, 1, tzinfo=UTC), duration_s=1930, subteams=0,
    ended_over_behaviour=False, members=(ANN,),
)  # fmt: skip
LINE = Line(
    lead="Ann", facts=("Jinx", "10/2/8"), details=("KDA 9.0",), highlights=("A pentakill!",)
)


def fill(templates: dict[str, str], member: Member = ANN, line: Line = LINE) -> Line:
    return filled(templates, GAME, member, line)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ name }} as {{ champion }}", "Ann as Jinx"),
        ("{{ kills + assists }} takedowns", "18 takedowns"),
        (
            "{{ name|upper }}{% if deaths < 3 %}, hardly ever dead{% endif %}",
            "ANN, hardly ever dead",
        ),
        ("{{ 'won' if outcome == 'win' else 'played' }} {{ queue }}", "won Ranked Solo"),
        ("{{ (kills / deaths)|round(1) }} : {{ minutes }} min", "5.0 : 32 min"),
        ("{{ lead }} / {{ facts }} / {{ details }}", "Ann / Jinx · 10/2/8 / KDA 9.0"),
        ("  two\n rows ", "two rows"),
    ],
)
def test_a_template_fills_a_field(text: str, said: str) -> None:
    assert fill({"lead": text}) == replace(LINE, lead=said)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("name", "Ann"), ("account", "ann2"), ("champion", "Jinx"), ("kills", "10"), ("deaths", "2"),
        ("assists", "8"), ("cs", "200"), ("cs_per_min", "7.5"), ("kda", "9.0"),
        ("kill_participation", "0.5"), ("outcome", "win"), ("placement", "3"), ("mvp", "True"),
        ("queue", "Ranked Solo"), ("minutes", "32"), ("lead", "Ann"), ("facts", "Jinx · 10/2/8"),
        ("details", "KDA 9.0 · 50% KP"),
    ],
)  # fmt: skip
def test_every_name_is_a_figure_of_the_member_or_the_game(name: str, said: str) -> None:
    ann = replace(ANN, account_name="ann2", cs_per_min=7.5, placement=3, is_mvp=True)
    line = replace(LINE, details=("KDA 9.0", "50% KP"))
    assert fill({"lead": f"{{{{ {name} }}}}"}, ann, line).lead == said


def test_every_name_that_is_offered_is_there() -> None:
    # None and True are written, and nothing is undefined.
    assert fill({"details": " ".join(f"{{{{ {each} }}}}" for each in NAMES)}).details != ()


def test_other_fields_stay_and_an_empty_one_is_left_out() -> None:
    found = fill({"facts": "{{ champion }}", "details": "{% if kills > 99 %}wow{% endif %}"})
    assert found == Line(lead="Ann", facts=("Jinx",), highlights=("A pentakill!",))


@pytest.mark.parametrize(
    "text",
    [
        "{% for each in name %}x{% endfor %}",
        "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{% include 'x' %}",
        "{% set x = 1 %}{{ x }}",
        "{{ 'x' * 999999999 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ '%0999999999d' % 1 }}",
        "{{ range(99999999) }}",
        "{{ name.__class__ }}",
        "{{ name['x'] }}",
        "{{ name|center(99999999) }}",
        "{{ name|replace('n', 'nnnnnn') }}",
        "{{ [name, name] }}",
        "{{ name is defined }}",
        "{{ secret }}",
        "{{ name",
        "x" * (LONGEST + 1),
    ],
)
def test_what_may_take_time_or_space_or_leads_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        check_template(text)


def test_what_comes_of_a_template_is_cut_off() -> None:
    longest = "{{ name }}" * 30
    assert len(longest) == LONGEST
    said = fill({"lead": longest}, replace(ANN, name="A" * 100)).lead
    assert said == "A" * (MOST_SHOWN - 1) + "…"
    as_long_as_can_be = "A" * MOST_SHOWN
    assert (
        fill({"lead": "{{ name }}"}, replace(ANN, name=as_long_as_can_be)).lead == as_long_as_can_be
    )


def test_it_is_plain_text_which_is_escaped_as_all_is() -> None:
    content = compose_game(
        GAME, language("en"), lambda game, member, line: filled({"lead": "**{{ name }}** @here"}, game, member, line)
    )  # fmt: skip
    (embed,) = discord_format.render(content, "marker")["embeds"]
    assert r"\*\*Ann\*\*" in embed["description"]


def test_a_name_from_right_to_left_turns_nothing_around() -> None:
    said = fill({"lead": "{{ name }} x"}, replace(ANN, name="قرين")).lead
    assert (said[0], said[-1]) == ("\u2068", "\u2069")


@pytest.mark.parametrize(
    "text", ["{{ cs_per_min + 1 }}", "{{ kills / (deaths - 2) }}", "{{ name + 1 }}"]
)
def test_what_fails_with_some_figures_says_so(text: str) -> None:
    check_template(text)
    with pytest.raises(TemplateError):
        fill({"lead": text})


def test_nobody_has_played_a_remake() -> None:
    remake = replace(GAME, members=(replace(ANN, outcome="remake"),))
    content = compose_game(remake, language("en"), lambda *_: Line(lead="filled"))
    assert content.sections[0].lines[0].lead == "Ann"


def lead(database: Database) -> str:
    return MessageContent.from_json(the_message(database).content).sections[0].lines[0].lead


def facts(database: Database) -> list[Any]:
    with database.reading() as session:
        channel = session.scalars(select(Channel.id)).one()
        fact = session.get(Fact, failed_template(channel))
        return [] if fact is None else [fact.value]


def test_a_template_that_fails_costs_no_message_and_is_known(
    any_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    ann, channel = world(any_database, templates={"lead": "{{ 100 / (kills - 10) }} {{ name }}"})
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ann))  # 10/2/8
        write(session, "EUW1_1")
    assert lead(any_database) == "Ann"
    assert facts(any_database) == [
        {"match_id": "EUW1_1", "error": "ZeroDivisionError: division by zero"}
    ]
    (line,) = (each for each in caplog.records if each.levelname == "WARNING")
    assert line.getMessage() == "A template fails: ZeroDivisionError: division by zero"
    assert line.match_id == "EUW1_1"  # type: ignore[attr-defined]
    # Of several that fail the last one is named.
    with any_database.writing() as session:
        add_game(session, "EUW1_2", played(ann))
        write(session, "EUW1_2")
        session.delete(session.get_one(MessageGame, (channel.id, "EUW1_2")))
        session.flush()
        session.execute(delete(Message).where(Message.subject == "EUW1_2"))
    assert facts(any_database) == [
        {"match_id": "EUW1_2", "error": "ZeroDivisionError: division by zero"}
    ]
    change_kills(any_database, 12)
    with any_database.writing() as session:
        write(session, "EUW1_1")
    assert lead(any_database) == "50.0 Ann"
    assert facts(any_database) == []
