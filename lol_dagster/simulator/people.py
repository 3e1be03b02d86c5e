"""The people of this world: the friends whom the demo tracks, and the strangers they meet.

Some friends' names are what hostile or merely unlucky people call themselves: markup, a mention, HTML,
other scripts. They are here so that whoever shows a name shows it as it is.
"""

from __future__ import annotations

import base64
import hashlib

from lol_dagster.simulator.games import Account
from lol_dagster.simulator.rng import seeded_rng

_FRIENDS = (
    ("Old Man Teemo", "NA1", "na1"),
    ("Sleepy Yasuo", "zzz", "na1"),
    ("Captain Quinn", "quack", "na1"),
    ("_under_ *score*", "md42", "na1"),
    ("@everyone", "ping", "na1"),
    ("지은이", "KR7", "na1"),
    ("Zoë Ωmega ツ", "GRK", "na1"),
    ("[link](x.y)", "void", "na1"),
    ("Nightingale", "sing", "na1"),
    ("Bär im Busch", "EUW", "euw1"),
    ("Émilie ✿", "cafe", "euw1"),
    ("<b>Karim</b>", "html", "euw1"),
)
_SYLLABLES = ("ka", "ri", "mo", "zen", "tal", "vex", "lu", "shi", "dor", "nym", "qua", "fen")
_STRANGERS = 240


def puuid_of(*name: str) -> str:
    """A made-up puuid: 78 characters of base64url, as Riot's are."""
    digest = hashlib.shake_256("/".join(name).encode()).digest(60)
    return base64.urlsafe_b64encode(digest).decode()[:78]


def _account(game_name: str, tag_line: str, platform: str) -> Account:
    rng = seeded_rng(game_name, tag_line, platform)
    return Account(
        puuid_of(game_name, tag_line, platform),
        game_name,
        tag_line,
        platform,
        rng.randint(35, 600),
        rng.randint(1, 6000),
    )


FRIENDS: tuple[Account, ...] = tuple(_account(*friend) for friend in _FRIENDS)


def strangers(platform: str) -> tuple[Account, ...]:
    """The other people on a platform, always the same."""
    rng = seeded_rng("strangers", platform)
    return tuple(
        _account(
            "".join(rng.choices(_SYLLABLES, k=3)).capitalize() + str(rng.randint(1, 99)),
            f"{platform.upper()[:3]}{number % 10}",
            platform,
        )
        for number in range(_STRANGERS)
    )
