"""The one table of modes: what each is called, how it reads, and which kind of queue it is played in.

A game belongs to its mode by gameMode and never by its queue: Riot's own list of queues
(static.developer.riotgames.com/docs/lol/queues.json) lags behind the games, and Arena alone has had eight
queue ids. So a queue stands here only where it is called, or counts, otherwise than its mode; any other is
its mode's. A mode that is not here is called by Riot's word for it and reads by what its payload holds.

Sources: Riot's queues.json and gameModes.json; real payloads of patches 10.25 to 16.15 for CLASSIC, SWIFTPLAY,
ARAM, KIWI, CHERRY, STRAWBERRY, BRAWL, RUBY and its trials, URF, ONEFORALL; the client's data (Data Dragon's
summoner.json, patch 16.18) for JADE and KIWI_JADE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

ModeFamily = Literal["rift", "aram", "arena", "swarm", "other"]
"""Modes that read alike."""
QueueKind = Literal["ranked", "normal", "aram", "arena", "bots", "custom", "tournament", "other"]

KIND_NAMES: Final[dict[QueueKind, str]] = {
    "ranked": "Ranked",
    "normal": "Normal",
    "aram": "ARAM",
    "arena": "Arena",
    "bots": "Bots",
    "custom": "Custom",
    "tournament": "Tournament",
    "other": "Everything else",
}
"""Every kind of queue → what people call it. Each game is of one."""

CUSTOM_GAME: Final = "CUSTOM_GAME"
_TUTORIAL_GAME: Final = "TUTORIAL_GAME"


@dataclass(frozen=True)
class Queue:
    """A queue that is called, or counts, otherwise than its mode."""

    id: int
    name: str
    kind: QueueKind | None = None
    """None: as its mode."""
    announced: bool = True


@dataclass(frozen=True)
class Mode:
    """A mode, and everything that depends on it."""

    code: str
    """Riot's gameMode."""
    name: str
    family: ModeFamily = "other"
    kind: QueueKind = "other"
    """Of its queues, but for those that say otherwise."""
    announced: bool = True
    queues: tuple[Queue, ...] = ()


MODES: Final = (
    Mode(
        "CLASSIC", "Summoner's Rift", "rift", "normal",
        queues=(
            Queue(400, "Normal Draft"),
            Queue(420, "Ranked Solo", "ranked"),
            Queue(430, "Normal Blind"),
            Queue(440, "Ranked Flex", "ranked"),
            Queue(490, "Quickplay"),
            Queue(700, "Clash", "tournament"),
            Queue(710, "Ranked 5s", "ranked"),
            Queue(830, "Co-op vs. AI Intro", "bots"),
            Queue(840, "Co-op vs. AI Beginner", "bots"),
            Queue(850, "Co-op vs. AI Intermediate", "bots"),
            Queue(870, "Co-op vs. AI Intro", "bots"),
            Queue(880, "Co-op vs. AI Beginner", "bots"),
            Queue(890, "Co-op vs. AI Intermediate", "bots"),
            Queue(2000, "Tutorial", announced=False),
            Queue(2010, "Tutorial", announced=False),
            Queue(2020, "Tutorial", announced=False),
        ),
    ),
    Mode("SWIFTPLAY", "Swiftplay", "rift", "normal"),
    Mode(
        "ARAM", "ARAM", "aram", "aram",
        queues=(
            Queue(720, "ARAM Clash", "tournament"),
            Queue(721, "ARAM Clash", "tournament"),
            Queue(860, "ARAM vs. AI", "bots"),
        ),
    ),
    Mode("KIWI", "ARAM: Mayhem", "aram", "aram"),
    Mode("KIWI_JADE", "ARAM: Mayhem", "aram", "aram"),
    Mode("CHERRY", "Arena", "arena", "arena"),
    Mode("STRAWBERRY", "Swarm", "swarm"),
    Mode("JADE", "League Classic", "rift"),
    Mode("BRAWL", "Brawl"),
    Mode("URF", "URF"),
    Mode("ARURF", "ARURF"),
    Mode("SNOWURF", "Snow ARURF"),
    Mode("ONEFORALL", "One for All"),
    Mode("ULTBOOK", "Ultimate Spellbook"),
    Mode("NEXUSBLITZ", "Nexus Blitz"),
    Mode("GAMEMODEX", "Nexus Blitz"),
    Mode("RUBY", "Doom Bots", "rift", "bots"),
    Mode("RUBY_TRIAL_1", "Doom Bots", "rift", "bots"),
    Mode("RUBY_TRIAL_2", "Doom Bots", "rift", "bots"),
    Mode("RUBY_TRIAL_3", "Doom Bots", "rift", "bots"),
    Mode("DOOMBOTSTEEMO", "Doom Bots", "rift", "bots"),
    Mode("ARSR", "All Random", "rift"),
    Mode("KINGPORO", "Legend of the Poro King"),
    Mode("ASCENSION", "Ascension"),
    Mode("ASSASSINATE", "Blood Hunt"),
    Mode("DARKSTAR", "Dark Star"),
    Mode("FIRSTBLOOD", "Snowdown Showdown"),
    Mode("ODIN", "Dominion"),
    Mode("ODYSSEY", "Odyssey"),
    Mode("PROJECT", "PROJECT: Hunters"),
    Mode("SIEGE", "Nexus Siege"),
    Mode("STARGUARDIAN", "Star Guardian Invasion"),
    Mode("PRACTICETOOL", "Practice Tool", kind="custom", announced=False),
    Mode("TUTORIAL", "Tutorial", announced=False),
    Mode("TUTORIAL_MODULE_1", "Tutorial", announced=False),
    Mode("TUTORIAL_MODULE_2", "Tutorial", announced=False),
    Mode("TUTORIAL_MODULE_3", "Tutorial", announced=False),
)  # fmt: skip
"""The queues that games have been played in since match-v5 began (2021), and older modes that may return."""

_CUSTOM_QUEUES: Final = frozenset({*range(3100, 3141), *range(3200, 3281)})
"""Custom games and the practice tool, whatever is played in them."""

_BY_CODE: Final = {mode.code: mode for mode in MODES}
_BY_QUEUE: Final = {queue.id: (mode, queue) for mode in MODES for queue in mode.queues}


@dataclass(frozen=True)
class PlayedMode:
    """What was played."""

    name: str
    """As people say: `Ranked Solo`, `Arena`, `Custom ARAM`, `Tournament`."""
    family: ModeFamily
    kind: QueueKind
    announced: bool
    """False: tutorials and the practice tool."""


def played_mode(
    queue_id: int,
    *,
    game_mode: str,
    game_type: str,
    tournament_code: str | None = None,
    against_bots: bool = False,
    has_places: bool = False,
) -> PlayedMode:
    """What was played.

    Args:
        against_bots: A side consists of bots.
        has_places: There are subteams with places. A mode that is not in the table reads as Arena then.
    """
    owner, queue = _BY_QUEUE.get(queue_id, (None, None))
    mode = _BY_CODE.get(game_mode.upper())
    if mode is None:
        mode = owner if owner and not game_mode else _unknown(game_mode, has_places)
    if owner is None or owner.family != mode.family:
        queue = None  # the number is another mode's now
    name = queue.name if queue and owner is mode else mode.name
    kind = (queue and queue.kind) or mode.kind
    if against_bots and kind not in {"ranked", "tournament"}:
        kind = "bots"
    announced = mode.announced and (queue is None or queue.announced)
    if game_type.upper() == CUSTOM_GAME or queue_id in _CUSTOM_QUEUES:
        kind = "tournament" if tournament_code else "custom"
        name = _custom_name(mode, tournament_code)
    return PlayedMode(name, mode.family, kind, announced and game_type.upper() != _TUTORIAL_GAME)


def mode_name(game_mode: str) -> str:
    """`ARAM` or `Arena`; a mode that is not in the table is called by Riot's own word for it."""
    mode = _BY_CODE.get(game_mode.upper())
    return mode.name if mode else game_mode.replace("_", " ").title() or "Unknown mode"


def _unknown(game_mode: str, has_places: bool) -> Mode:
    name = mode_name(game_mode)
    return Mode(game_mode, name, "arena", "arena") if has_places else Mode(game_mode, name)


def _custom_name(mode: Mode, tournament_code: str | None) -> str:
    if not mode.announced:
        return mode.name
    if tournament_code:
        return "Tournament"
    return "Custom" if mode.code == "CLASSIC" else f"Custom {mode.name}"


# --- what a channel wants ---------------------------------------------------------------------------

Wanted = list[str | int]
"""Which games a channel wants, as people said: kinds of queue (`ranked`), names of modes and queues
(`Brawl`, `Ranked Solo`) and Riot's ids of queues."""

_SPOKEN: Final[dict[str, str]] = {
    **{
        name.casefold(): name
        for mode in MODES
        if mode.announced
        for name in (mode.name, *(queue.name for queue in mode.queues if queue.announced))
    },
    **{word.casefold(): kind for kind, name in KIND_NAMES.items() for word in (kind, name)},
}
"""What can be said, folded → how it is written down."""

MODE_NAMES: Final = tuple(
    dict.fromkeys(each for each in _SPOKEN.values() if each not in KIND_NAMES)
)
"""Modes and queues that can be named, but those that are a kind of their own."""


def spoken(word: str) -> str | None:
    """How a kind of queue, or the name of a mode or queue, is written down; None: it is none."""
    return _SPOKEN.get(" ".join(word.split()).casefold())


def shown_wanted(each: str | int) -> str:
    """One of `Wanted`, as people call it: `Ranked`, `Brawl`, `queue 420 (Ranked Solo)`."""
    if isinstance(each, str):
        return next((name for kind, name in KIND_NAMES.items() if kind == each), each)
    _, queue = _BY_QUEUE.get(each, (None, None))
    return f"queue {each} ({queue.name})" if queue else f"queue {each}"


def is_wanted(
    wanted: Wanted, *, queue_id: int, queue_name: str, queue_kind: str, game_mode: str
) -> bool:
    """Whether a game is among what a channel wants.

    A mode by its name: the games that were made for people to play it, and no custom ones.
    """
    said = {queue_id, queue_kind, queue_name}
    if queue_kind not in {"custom", "tournament"}:
        said.add(mode_name(game_mode))
    return not said.isdisjoint(wanted)
