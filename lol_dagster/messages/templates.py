"""How a channel wants a member's line: a template for each of its plain fields.

A small part of Jinja's language, chosen so that the time and the length of what comes of it follow from the
template's length: texts, the names below, conditions, comparisons, sums and a few filters. No loops, no calls, no
attributes, nothing that multiplies. Beneath it lies Jinja's sandbox. What comes of a template is plain text, which
the transports escape as they do all texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.filters import FILTERS as JINJAS_FILTERS
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lol_dagster.messages.compose import AnnouncedGame, Member
from lol_dagster.messages.content import Line
from lol_dagster.messages.text import isolated

FIELDS = ("lead", "facts", "details")
"""Of `Line`, which a template may fill."""
LONGEST = 300
"""Letters of a template."""
MOST_SHOWN = 200
"""Letters of what comes of it; the rest is cut off."""
NAMES = (
    "name", "account", "champion", "kills", "deaths", "assists", "cs", "cs_per_min", "kda",
    "kill_participation", "outcome", "placement", "mvp", "queue", "minutes", *FIELDS,
)  # fmt: skip
"""What a template may use: figures of the member and the game (None: there is none), and its fields as they are
without templates.
"""
FILTERS = ("capitalize", "default", "int", "lower", "round", "title", "trim", "truncate", "upper")
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If,
    nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Add,
    nodes.Sub, nodes.Div, nodes.FloorDiv, nodes.Concat, nodes.Neg, nodes.Pos, nodes.Filter,
)  # fmt: skip
_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
_ENVIRONMENT.globals.clear()
_ENVIRONMENT.tests.clear()
_ENVIRONMENT.filters = {name: JINJAS_FILTERS[name] for name in FILTERS}


class TemplateError(ValueError):
    """A template is none, or fails with these figures."""


def check_template(text: str) -> None:
    """
    Raises:
        TemplateError: it is too long, no Jinja, or more of it than is allowed.
    """
    _compiled(text)


@lru_cache(maxsize=256)
def _compiled(text: str) -> Template:
    if len(text) > LONGEST:
        raise TemplateError(f"a template has {LONGEST} letters at most, and this one {len(text)}")
    try:
        tree = _ENVIRONMENT.parse(text)
        for node in tree.find_all(nodes.Node):
            if not isinstance(node, _ALLOWED):
                raise TemplateError(
                    f"{type(node).__name__} is not allowed: a template may have conditions, comparisons, "
                    f"+ - / ~ and the filters {', '.join(FILTERS)}"
                )
        unknown = find_undeclared_variables(tree).difference(NAMES)
        if unknown:
            names = ", ".join(sorted(unknown))
            raise TemplateError(f"there is no {names}: a template may use {', '.join(NAMES)}")
        return _ENVIRONMENT.from_string(tree)
    except TemplateSyntaxError as error:
        raise TemplateError(str(error.message)) from None


def filled(templates: Mapping[str, str], game: AnnouncedGame, member: Member, line: Line) -> Line:
    """The line with its plain fields as the templates say.

    Args:
        templates: Of `FIELDS`; a field without one stays.

    Raises:
        TemplateError: one fails with these figures.
    """
    values = _values(game, member, line)
    said = {field: _rendered(text, values) for field, text in templates.items()}
    return replace(
        line,
        lead=said.get("lead", line.lead),
        facts=_one(said["facts"]) if "facts" in said else line.facts,
        details=_one(said["details"]) if "details" in said else line.details,
    )


def _one(text: str) -> tuple[str, ...]:
    return (text,) if text else ()


def _rendered(text: str, values: Mapping[str, Any]) -> str:
    try:
        said = _compiled(text).render(values)
    except TemplateError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever an expression may do with these figures
        raise TemplateError(f"{type(error).__name__}: {error}") from None
    said = " ".join(said.split())
    return isolated(said if len(said) <= MOST_SHOWN else f"{said[: MOST_SHOWN - 1]}…")


def _values(game: AnnouncedGame, member: Member, line: Line) -> dict[str, Any]:
    return {
        "name": member.name,
        "account": member.account_name,
        "champion": member.champion,
        "kills": member.kills,
        "deaths": member.deaths,
        "assists": member.assists,
        "cs": member.cs,
        "cs_per_min": member.cs_per_min,
        "kda": member.kda,
        "kill_participation": member.kill_participation,
        "outcome": member.outcome,
        "placement": member.placement,
        "mvp": member.is_mvp,
        "queue": game.queue_name,
        "minutes": game.duration_s // 60,
        "lead": line.lead,
        "facts": " · ".join(line.facts),
        "details": " · ".join(line.details),
    }
