"""Champions by the position where they are usually played: Riot's ids and payload names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Champion:
    """`name` as payloads have it: MonkeyKing for Wukong, FiddleSticks with a large S."""

    id: int
    name: str


def _table(text: str) -> tuple[Champion, ...]:
    return tuple(
        Champion(int(number), name)
        for name, _, number in (one.partition(":") for one in text.split())
    )


POSITIONS = ("TOP", "JUNGLE", "MIDDLE", "BOTTOM", "UTILITY")

BY_POSITION: dict[str, tuple[Champion, ...]] = {
    "TOP": _table(
        "Aatrox:266 Camille:164 Darius:122 Fiora:114 Garen:86 Gnar:150 Jax:24 Malphite:54 "
        "Mordekaiser:82 Ornn:516 Sett:875 Shen:98 Teemo:17 Yorick:83 KSante:897"
    ),
    "JUNGLE": _table(
        "Amumu:32 Diana:131 Evelynn:28 FiddleSticks:9 Graves:104 Hecarim:120 JarvanIV:59 Kayn:141 "
        "LeeSin:64 MasterYi:11 MonkeyKing:62 Nidalee:76 Shaco:35 Viego:234 Belveth:200"
    ),
    "MIDDLE": _table(
        "Ahri:103 Akali:84 Anivia:34 Annie:1 Katarina:55 Lissandra:127 Orianna:61 Syndra:134 "
        "TwistedFate:4 Veigar:45 Vex:711 Viktor:112 Yasuo:157 Zed:238 Zoe:142"
    ),
    "BOTTOM": _table(
        "Aphelios:523 Ashe:22 Caitlyn:51 Draven:119 Ezreal:81 Jhin:202 Jinx:222 Kaisa:145 KogMaw:96 "
        "MissFortune:21 Samira:360 Sivir:15 Tristana:18 Vayne:67 Xayah:498"
    ),
    "UTILITY": _table(
        "Alistar:12 Bard:432 Blitzcrank:53 Braum:201 Janna:40 Leona:89 Lulu:117 Lux:99 Nami:267 "
        "Nautilus:111 Pyke:555 Renata:888 Senna:235 Soraka:16 Thresh:412"
    ),
}

SWARM = _table("Strawberry_Jinx:3151 Strawberry_Xayah:3947 Strawberry_Yasuo:3157")

ALL = tuple(champion for group in BY_POSITION.values() for champion in group)
