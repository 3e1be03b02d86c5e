"""Who is watched, and where their games are announced: players, accounts, teams, memberships, channels.

Rows here are edited by people, so each has a version: of two simultaneous edits the second is
refused instead of silently winning. What machines note about an account or a channel (when it was
polled, whether it answers) stands in tables of its own, so that it never collides with an edit.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    false,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lol_dagster.storage.models.base import Base
from lol_dagster.storage.types import AddressText, UtcDateTime, choice, only_where

PICTURES = ("none", "icons", "card")
"""What a channel's messages have beside their text."""
UNCERTAIN_POLICIES = ("review", "resend")
ONLY_IF = ("won", "remarkable")
"""What a game may have to be, to be announced: won by somebody of the team, or worth a remark."""
QUIET_WAYS = ("hold", "silent")
"""What quiet hours do: hold games back until they end, or let everything be sent without a sound."""


class Player(Base):
    """A person."""

    __tablename__ = "players"
    __table_args__ = (Index("uq_players_name_folded", func.lower(text("name")), unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)

    accounts: Mapped[list[Account]] = relationship(back_populates="player", order_by="Account.id")
    memberships: Mapped[list[Membership]] = relationship(
        back_populates="player", order_by="Membership.since"
    )

    __mapper_args__ = {"version_id_col": version}

    def __str__(self) -> str:
        return self.name


class Account(Base):
    """One Riot account of a player. A rename changes its Riot ID, never the row."""

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    player_id: Mapped[int] = mapped_column(ForeignKey("players.id"), index=True)
    puuid: Mapped[str | None] = mapped_column(String(100), unique=True)
    """None until Riot has been asked. Encrypted per Riot application: see `puuid_key`."""
    puuid_key: Mapped[str | None] = mapped_column(String(16))
    """Fingerprint of the API key under which Riot last took `puuid`; None: given by hand, and Riot
    has not been asked with it."""
    game_name: Mapped[str] = mapped_column(String(64))
    tag_line: Mapped[str] = mapped_column(String(16))
    platform: Mapped[str] = mapped_column(String(8))
    """Riot's platform in lower case, as in `na1`."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)

    player: Mapped[Player] = relationship(back_populates="accounts")
    poll: Mapped[AccountPoll | None] = relationship(back_populates="account", passive_deletes="all")

    __mapper_args__ = {"version_id_col": version}

    @property
    def riot_id(self) -> str:
        return f"{self.game_name}#{self.tag_line}"

    def __str__(self) -> str:
        return self.riot_id


class FormerPuuid(Base):
    """The puuid that an account had under another API key: archived games name it by that one.

    Riot encrypts puuids anew for each application, so a new key can change them all.
    """

    __tablename__ = "former_puuids"

    puuid: Mapped[str] = mapped_column(String(100), primary_key=True)
    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), index=True
    )
    puuid_key: Mapped[str | None] = mapped_column(String(16))
    """As `Account.puuid_key`."""


class AccountPoll(Base):
    """When an account's match list was polled, and when it is next."""

    __tablename__ = "account_polls"

    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True
    )
    next_poll_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    last_good_poll_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_deep_poll_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_played_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failures: Mapped[int] = mapped_column(default=0)
    """Failed polls in a row."""
    last_error: Mapped[str | None] = mapped_column(String(500))
    ranks_checked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ranked_games: Mapped[int | None]
    """Ranked games that Riot has counted this season, as of `ranks_checked_at`."""
    ranks_awaited_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When a ranked game was processed last whose LP Riot has not yet shown; None: nothing is
    waited for."""
    ranks_due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When to ask again; None: with the hourly check."""
    missing_games_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When Riot was first seen to count a ranked game of which no match was known; whether
    it came is determined from `missing_games_from` on. None: it never was, or the match came."""
    missing_games_from: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The game ended after this: when Riot had not yet counted it."""
    former_platform: Mapped[str | None] = mapped_column(String(8))
    """Where the account played before it moved to another platform."""
    former_platform_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Until then the former platform's route is asked for games, too."""

    account: Mapped[Account] = relationship(back_populates="poll")


class Team(Base):
    """A group of players that hears of its games together.

    A removed team keeps its row (`removed_at`), because its channels and memberships are history.
    """

    __tablename__ = "teams"
    __table_args__ = (
        Index(
            "uq_teams_name_folded",
            func.lower(text("name")),
            unique=True,
            **only_where("removed_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    language: Mapped[str] = mapped_column(String(16), default="en", server_default="en")
    """Of its messages: a code of `messages.language.LANGUAGES`."""
    time_zone: Mapped[str] = mapped_column(String(64), default="UTC", server_default="UTC")
    """IANA's name of the zone in which its messages tell times, such as `Europe/Berlin`."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)

    memberships: Mapped[list[Membership]] = relationship(
        back_populates="team", order_by="Membership.since"
    )
    channels: Mapped[list[Channel]] = relationship(back_populates="team", order_by="Channel.name")

    __mapper_args__ = {"version_id_col": version}

    def __str__(self) -> str:
        return self.name


class Membership(Base):
    """A player in a team from `since` until before `until` (None: still).

    A game belongs to the teams whose memberships cover the moment at which it ended.
    """

    __tablename__ = "memberships"
    __table_args__ = (
        CheckConstraint("until IS NULL OR until >= since", name="until_after_since"),
        UniqueConstraint("team_id", "player_id", "since"),
        # At most one open membership of a player in a team, whoever adds it at the same time.
        Index(
            "uq_memberships_open",
            "team_id",
            "player_id",
            unique=True,
            **only_where("until IS NULL"),
        ),
        Index("ix_memberships_player_id_since", "player_id", "since"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"))
    player_id: Mapped[int] = mapped_column(ForeignKey("players.id"))
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    left_out: Mapped[bool] = mapped_column(default=False, server_default=false())
    """No message names them, and a game in which nobody else of the team took part has none."""
    version: Mapped[int] = mapped_column(default=1)

    team: Mapped[Team] = relationship(back_populates="memberships")
    player: Mapped[Player] = relationship(back_populates="memberships")

    __mapper_args__ = {"version_id_col": version}


class Channel(Base):
    """Where a team's games are announced.

    A removed channel keeps its row (`removed_at`), because its messages are history.
    """

    __tablename__ = "channels"
    __table_args__ = (
        Index(
            "uq_channels_name_folded",
            func.lower(text("name")),
            unique=True,
            **only_where("removed_at IS NULL"),
        ),
        Index("ix_channels_team_id", "team_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"))
    name: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(32))
    """Of one of `delivery.transports.registry.TRANSPORTS`."""
    address: Mapped[str] = mapped_column(AddressText(500))
    """A channel id for bots, a URL (a secret, and encrypted) for webhooks."""
    message_kinds: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    """None: every kind."""
    queues: Mapped[list[str | int] | None] = mapped_column(JSON(none_as_null=True))
    """Whose games are announced here, as people said it: kinds of queue, names of modes and queues, Riot's
    ids of queues (`riot.modes.Wanted`). None: all."""
    min_members: Mapped[int] = mapped_column(default=1, server_default="1")
    """How many of the team must have taken part, at least."""
    only_if: Mapped[str | None] = mapped_column(String(16))
    """One of `ONLY_IF`; None: whatever the game was."""
    quiet_hours: Mapped[str | None] = mapped_column(String(11))
    """As `23:00-08:00`, in the team's time zone; None: there are none."""
    templates: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    """Of fields of a member's line (`messages.templates.FIELDS`); None: as it is."""
    quiet_way: Mapped[str] = mapped_column(String(8), default="hold", server_default="hold")
    """One of `QUIET_WAYS`."""
    pictures: Mapped[str] = mapped_column(String(8), default="none", server_default="none")
    """One of `PICTURES`."""
    uncertain: Mapped[str] = mapped_column(
        choice(*UNCERTAIN_POLICIES, name="uncertain"), default="review"
    )
    """What to do with a message whose fate cannot be found out."""
    story: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether a game's message tells how it went, once its timeline is there."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)

    team: Mapped[Team] = relationship(back_populates="channels")
    probe: Mapped[ChannelProbe | None] = relationship(
        back_populates="channel", passive_deletes="all"
    )

    __mapper_args__ = {"version_id_col": version}

    def __str__(self) -> str:
        return self.name


class ChannelProbe(Base):
    """What was found out about a channel by trying it."""

    __tablename__ = "channel_probes"

    channel_id: Mapped[int] = mapped_column(
        ForeignKey("channels.id", ondelete="CASCADE"), primary_key=True
    )
    probed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    can_read_back: Mapped[bool | None]
    unreadable_history: Mapped[bool] = mapped_column(default=False, server_default=false())
    findings: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    channel: Mapped[Channel] = relationship(back_populates="probe")
