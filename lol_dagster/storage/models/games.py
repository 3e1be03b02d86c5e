"""Games: what Riot listed, what it answered, and what follows from that.

`Match` is the record of a match id's way through the stages, `Payload` and `Timeline` the archive that nothing
ever changes, and `Game`, `Participant` and `PlayerStat` can be dropped and computed again from the
archive at any time. `Match`, `Quarantine` and `RunRequest` are written by pipeline/records.py alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lol_dagster.storage.models.base import Base
from lol_dagster.storage.types import UtcDateTime, choice, only_where

MATCH_STATES = ("listed", "fetched", "processed", "quarantined", "ignored", "not_found")
GAME_RESULTS = ("played", "remake", "aborted", "empty")
OUTCOMES = ("win", "loss", "remake", "aborted", "placement")
MODE_FAMILIES = ("rift", "aram", "arena", "swarm", "other")


class Match(Base):
    """A match id that Riot has listed, and how far it has come.

    listed → fetched → processed; `quarantined`: a stage failed on it, see `Quarantine`; `ignored`: left
    so for good by the operator; `not_found`: Riot listed it and never gave it. What leads from one to
    the other is decided in pipeline/match.py, and written by pipeline/records.py alone.
    """

    __tablename__ = "matches"
    __table_args__ = (
        # What is to be done next. Partial: nearly all rows are processed and never due again.
        Index(
            "ix_matches_due", "next_try_at", "listed_at", **only_where("next_try_at IS NOT NULL")
        ),
        Index("ix_matches_state_listed_at", "state", "listed_at"),
        # What Riot lists and does not give.
        Index(
            "ix_matches_missing",
            "state",
            "first_missing_at",
            **only_where("first_missing_at IS NOT NULL"),
        ),
    )

    match_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    state: Mapped[str] = mapped_column(choice(*MATCH_STATES, name="state"), default="listed")
    listed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    listed_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"))
    """The account in whose list it was first seen; None if the operator asked for it by id."""
    next_try_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When it is due for its next stage; None: nothing more to do."""
    tries: Mapped[int] = mapped_column(default=0)
    """Fetches that brought no payload."""
    first_missing_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Since when Riot says 404 (or 403 for this match alone); 48 hours later it is `not_found`."""
    last_error: Mapped[str | None] = mapped_column(String(500))
    processed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When it was first processed: what decides whether it was stale. Later runs keep it."""
    run_id: Mapped[str | None] = mapped_column(String(64))
    """The Dagster run that last took it a stage further."""

    payload: Mapped[Payload | None] = relationship(back_populates="match")
    game: Mapped[Game | None] = relationship(back_populates="match")


class Payload(Base):
    """Riot's answer for a match, byte for byte, compressed. Written once, never changed."""

    __tablename__ = "payloads"

    match_id: Mapped[str] = mapped_column(ForeignKey("matches.match_id"), primary_key=True)
    encoding: Mapped[str] = mapped_column(String(16))
    """How `body` is compressed: `zlib`."""
    body: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    sha256: Mapped[str] = mapped_column(String(64))
    """Of the uncompressed bytes, in hex."""
    size: Mapped[int]
    """Uncompressed, in bytes."""
    fetched_at: Mapped[datetime] = mapped_column(UtcDateTime)

    match: Mapped[Match] = relationship(back_populates="payload")


class Timeline(Base):
    """What happened in a game, minute by minute, as Riot answered, or how far asking for it has come.

    Of games alone that somebody wants the timeline of. What was answered is kept like a `Payload`. Written by
    pipeline/timelines.py alone.
    """

    __tablename__ = "timelines"
    __table_args__ = (
        # What is to be asked for; partial, as nearly all rows are done with.
        Index("ix_timelines_due", "next_try_at", **only_where("next_try_at IS NOT NULL")),
    )

    match_id: Mapped[str] = mapped_column(ForeignKey("matches.match_id"), primary_key=True)
    next_try_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """None: it is there, or was given up."""
    tries: Mapped[int] = mapped_column(default=0)
    """Calls that brought none."""
    last_error: Mapped[str | None] = mapped_column(String(500))
    encoding: Mapped[str | None] = mapped_column(String(16))
    """This and the following as in `Payload`; None: it is not there."""
    body: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    sha256: Mapped[str | None] = mapped_column(String(64))
    size: Mapped[int | None]
    fetched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Game(Base):
    """One game, as read from its payload."""

    __tablename__ = "games"
    __table_args__ = (
        Index("ix_games_ended_at", "ended_at"),
        # A queue's last games, and which queues there are.
        Index("ix_games_queue_name_ended_at", "queue_name", "ended_at"),
    )

    match_id: Mapped[str] = mapped_column(ForeignKey("matches.match_id"), primary_key=True)
    platform: Mapped[str] = mapped_column(String(20))
    """The match id's prefix in lower case; not necessarily the account's platform."""
    queue_id: Mapped[int]
    queue_name: Mapped[str] = mapped_column(String(100))
    """What people call it: `Ranked Solo`, `ARAM`, `Arena`; from the mode where the queue is new."""
    queue_kind: Mapped[str] = mapped_column(String(16), server_default="other")
    """One of riot.modes.KIND_NAMES: `ranked`, `normal`, `aram`, …"""
    game_mode: Mapped[str] = mapped_column(String(40))
    """Riot's word: CLASSIC, ARAM, CHERRY, …"""
    game_type: Mapped[str] = mapped_column(String(40))
    mode_family: Mapped[str] = mapped_column(choice(*MODE_FAMILIES, name="mode_family"))
    map_id: Mapped[int]
    game_version: Mapped[str] = mapped_column(String(40))
    result: Mapped[str] = mapped_column(choice(*GAME_RESULTS, name="result"))
    """`played`; `remake`; `aborted`: ended without anybody winning; `empty`: no game inside."""
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Start + duration: Riot's own end stamp may be minutes late."""
    duration_s: Mapped[int]
    counts_in_form: Mapped[bool]
    """Whether form and streaks count it: no remakes, no aborted, no custom games, no bots."""
    code_version: Mapped[str] = mapped_column(String(40))
    payload_sha256: Mapped[str] = mapped_column(String(64))
    course: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """How it went, as read from its timeline: `stats.course.Course` as JSON; None without a timeline."""

    match: Mapped[Match] = relationship(back_populates="game")
    participants: Mapped[list[Participant]] = relationship(
        back_populates="game", order_by="Participant.participant_id", cascade="all, delete-orphan"
    )
    player_stats: Mapped[list[PlayerStat]] = relationship(
        back_populates="game", cascade="all, delete-orphan"
    )


class Participant(Base):
    """One of a game's participants, tracked or not, bots included."""

    __tablename__ = "participants"
    __table_args__ = (Index("ix_participants_puuid", "puuid"),)

    match_id: Mapped[str] = mapped_column(ForeignKey("games.match_id"), primary_key=True)
    participant_id: Mapped[int] = mapped_column(primary_key=True)
    puuid: Mapped[str | None] = mapped_column(String(100))
    """None for bots, whom Riot all gives the puuid `BOT`, and where the payload has none."""
    is_bot: Mapped[bool]
    display_name: Mapped[str] = mapped_column(String(100))
    team_id: Mapped[int]
    """Riot's teamId: 100 or 200 as a rule."""
    subteam_id: Mapped[int | None]
    """Arena's playerSubteamId."""
    side: Mapped[str] = mapped_column(String(16))
    """Equal for allies, different for opponents: `team-100`, or `subteam-3` in Arena."""
    outcome: Mapped[str] = mapped_column(choice(*OUTCOMES, name="outcome"))
    placement: Mapped[int | None]
    """With outcome `placement`: 1 is first. None with that outcome: Riot did not say."""
    champion_id: Mapped[int]
    champion: Mapped[str] = mapped_column(String(60))
    """As people write it: `Wukong`, not Riot's id `MonkeyKing`."""
    position: Mapped[str | None] = mapped_column(String(20))
    champ_level: Mapped[int]
    kills: Mapped[int]
    deaths: Mapped[int]
    assists: Mapped[int]
    cs: Mapped[int]
    """Creep score: totalMinionsKilled + neutralMinionsKilled."""
    gold: Mapped[int]
    damage: Mapped[int] = mapped_column(BigInteger)
    """totalDamageDealtToChampions."""
    vision_score: Mapped[int]
    time_played_s: Mapped[int]
    double_kills: Mapped[int]
    triple_kills: Mapped[int]
    quadra_kills: Mapped[int]
    penta_kills: Mapped[int]
    first_blood: Mapped[bool]

    game: Mapped[Game] = relationship(back_populates="participants")


class PlayerStat(Base):
    """How a tracked account did in a game."""

    __tablename__ = "player_stats"
    __table_args__ = (
        Index("ix_player_stats_account_id_ended_at", "account_id", "ended_at"),
        Index("ix_player_stats_player_id_ended_at", "player_id", "ended_at"),
    )

    match_id: Mapped[str] = mapped_column(ForeignKey("games.match_id"), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    player_id: Mapped[int] = mapped_column(ForeignKey("players.id"))
    participant_id: Mapped[int]
    ended_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """The game's, repeated so that a player's last games are one index range."""
    kda: Mapped[float]
    """(kills + assists) / max(1, deaths)."""
    kill_participation: Mapped[float | None]
    """Share of the own side's kills, 0 to 1; None where the side has no kills."""
    cs_per_min: Mapped[float | None]
    """Per minute of the participant's own time; None if that is 0, and where there are no lanes."""
    gold_per_min: Mapped[float | None]
    damage_share: Mapped[float | None]
    """Share of the own side's damage to champions, 0 to 1."""
    gold_share: Mapped[float | None]
    """Share of the own side's gold, 0 to 1."""
    vision_per_min: Mapped[float | None]
    """Per minute of the participant's own time; None where nobody has a vision score."""
    opponent_id: Mapped[int | None]
    """`participant_id` of the one who played the same position on the other side."""
    gold_at_15: Mapped[int | None]
    """None without a timeline, and in shorter games."""
    gold_lead_at_15: Mapped[int | None]
    """How much more than the lane opponent had then."""
    highlights: Mapped[list[str]] = mapped_column(JSON)
    """Feats: of `stats.metrics.HIGHLIGHTS`, in their order."""
    extra: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What only some modes have, such as Arena's augments."""

    game: Mapped[Game] = relationship(back_populates="player_stats")


class Quarantine(Base):
    """A stage that failed on a game. One open row per match; closed rows are history."""

    __tablename__ = "quarantine"
    __table_args__ = (
        Index("uq_quarantine_open", "match_id", unique=True, **only_where("closed_at IS NULL")),
        Index("ix_quarantine_match_id", "match_id"),
        # All that are open: SQLite does not go through the partial index for these.
        Index("ix_quarantine_closed_at", "closed_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    match_id: Mapped[str] = mapped_column(ForeignKey("matches.match_id"))
    stage: Mapped[str] = mapped_column(String(24))
    """games, player_stats or messages."""
    error: Mapped[str] = mapped_column(String(500))
    traceback: Mapped[str] = mapped_column(Text)
    code_version: Mapped[str] = mapped_column(String(40))
    """Of the failing stage: a new version is tried once by itself."""
    run_id: Mapped[str | None] = mapped_column(String(64))
    """The run in which it was quarantined."""
    shown_run_id: Mapped[str | None] = mapped_column(String(64))
    """The run of its own in which it failed visibly; None until there was one."""
    quarantined_at: Mapped[datetime] = mapped_column(UtcDateTime)
    tries: Mapped[int] = mapped_column(default=1)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_as: Mapped[str | None] = mapped_column(String(24))
    """processed, ignored, delayed or not_found: Riot no longer gives it."""

    def __str__(self) -> str:
        return self.match_id
