"""Which of Riot's hosts knows what: platforms, regional routes, and the form of match ids.

Facts: routes.json of MingweiSamuel/riotapi-schema and developer-relations threads. No network here.
"""

# ruff: noqa: N818 - the names say what happened, and read better without «Error»

from __future__ import annotations

import re

from lol_dagster.errors import UserError

REGIONAL_ROUTES: dict[str, str] = {
    "na1": "americas",
    "br1": "americas",
    "la1": "americas",
    "la2": "americas",
    "pbe1": "americas",
    "euw1": "europe",
    "eun1": "europe",
    "tr1": "europe",
    "ru": "europe",
    "me1": "europe",
    "kr": "asia",
    "jp1": "asia",
    "oc1": "sea",
    "sg2": "sea",
    "tw2": "sea",
    "vn2": "sea",
    # Folded into sg2 on 2025-01-08; their old match ids keep the prefix.
    "ph2": "sea",
    "th2": "sea",
}
"""Platform → the regional route that serves its matches."""

PLATFORMS: tuple[str, ...] = tuple(REGIONAL_ROUTES)

PLATFORM_NAMES: dict[str, str] = {
    "euw1": "EU West",
    "eun1": "EU Nordic & East",
    "na1": "North America",
    "br1": "Brazil",
    "jp1": "Japan",
    "kr": "Korea",
    "la1": "Latin America North",
    "la2": "Latin America South",
    "me1": "Middle East",
    "oc1": "Oceania",
    "ru": "Russia",
    "sg2": "Southeast Asia",
    "tw2": "Taiwan",
    "tr1": "Türkiye",
    "vn2": "Vietnam",
    "pbe1": "Public Beta",
}
"""Platform → what players call it. Those that are no longer played on have none."""

# The number has had 7 to 10 digits so far; 19 is what a BIGINT holds.
_MATCH_ID = re.compile(r"[A-Z][A-Z0-9]{1,19}_[0-9]{1,19}", re.ASCII)


class UnknownPlatform(UserError):
    """Riot has no such platform, or none that answers for it."""


class InvalidMatchId(UserError):
    """A text that is not of the form of Riot's match ids."""


def validate_platform(platform: str) -> str:
    """The platform in lower case.

    Raises:
        UnknownPlatform: Riot has none of this name.
    """
    folded = platform.strip().lower()
    if folded not in REGIONAL_ROUTES:
        raise UnknownPlatform(
            f"{_shown(platform)} is no Riot platform: choose one of {', '.join(PLATFORMS)}"
        )
    return folded


def regional_route(platform: str) -> str:
    """The route for match-v5: americas, europe, asia or sea.

    Raises:
        UnknownPlatform: Riot has none of this name.
    """
    return REGIONAL_ROUTES[validate_platform(platform)]


def account_route(platform: str) -> str:
    """The route for account-v1, which knows every account on each of its hosts but has no `sea`.

    Raises:
        UnknownPlatform: Riot has none of this name.
    """
    route = regional_route(platform)
    return "asia" if route == "sea" else route


def validate_match_id(match_id: str) -> str:
    """`match_id`, unchanged, if it is of Riot's form PLATFORM_number.

    The form only: `ESPORTSTMNT01_3693495` passes although no route answers for it. Dagster takes
    any text for a partition key, and control characters, `...` or brackets break its pages.

    Raises:
        InvalidMatchId: it is not.
    """
    if not is_match_id(match_id):
        raise InvalidMatchId(
            f"{_shown(match_id)} is no match id: it should look like NA1_5012345678"
        )
    return match_id


def is_match_id(text: str) -> bool:
    """Whether it is of Riot's form; see `validate_match_id`."""
    return _MATCH_ID.fullmatch(text) is not None


def platform_of(match_id: str) -> str:
    """The platform that a match was played on, in lower case: `na1` of `NA1_5012345678`.

    Not necessarily the platform of the account that played it.

    Raises:
        InvalidMatchId: it is not of Riot's form.
        UnknownPlatform: the prefix is of no platform, as in the ids of esports dumps.
    """
    return validate_platform(validate_match_id(match_id).partition("_")[0])


def _shown(text: str) -> str:
    """A stranger's text on one line, whatever is in it."""
    return ascii(text if len(text) <= 60 else text[:59] + "…")
