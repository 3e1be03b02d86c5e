"""Where a game can be read about in full."""

from __future__ import annotations

# League of Graphs' names for Riot's platforms. A platform that is not here gets no link: a wrong
# one would be worse. PH2 and TH2 no longer get games, but their old match ids keep the prefix.
_REGIONS = {
    "br1": "br",
    "eun1": "eune",
    "euw1": "euw",
    "jp1": "jp",
    "kr": "kr",
    "la1": "lan",
    "la2": "las",
    "na1": "na",
    "oc1": "oce",
    "ph2": "ph",
    "ru": "ru",
    "sg2": "sg",
    "th2": "th",
    "tr1": "tr",
    "tw2": "tw",
    "vn2": "vn",
}


def match_url(match_id: str) -> str | None:
    """The page of a match id such as `EUW1_5012345678`; None where there is none."""
    platform, _, number = match_id.partition("_")
    region = _REGIONS.get(platform.lower())
    return f"https://www.leagueofgraphs.com/match/{region}/{number}" if region else None
