"""Channels: where a team's games are announced."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from lol_dagster.delivery.message_rows import end_quiet
from lol_dagster.delivery.transports.base import Transport
from lol_dagster.messages import quiet
from lol_dagster.messages.announced_games import games_of, load_announced_games
from lol_dagster.messages.compose import compose_game
from lol_dagster.messages.failed_templates import failed_template
from lol_dagster.messages.language import language
from lol_dagster.messages.templates import (
    FIELDS,
    TemplateError,
    check_template,
    filled,
)
from lol_dagster.riot.modes import KIND_NAMES, MODE_NAMES, Wanted, spoken
from lol_dagster.roster.errors import (
    AlreadyThereError,
    NoSuchEntryError,
    RosterError,
    RuleError,
    TemplatesError,
)
from lol_dagster.roster.names import clean_name, find_named, flush_unless, get_named, name_taken
from lol_dagster.roster.teams import get_team, live_channels
from lol_dagster.roster.versions import as_seen
from lol_dagster.storage.models import Channel, Fact, Game, Message, Team

_HIGHEST_QUEUE = 99_999
_CHECKED_GAMES = 50
MOST_MEMBERS = 16
"""Of one team in one game: Arena takes so many."""
CHOSEN_KINDS = ("game", "catch_up", "alert")
"""The kinds of message that a channel may want or not; tests are sent on demand."""


@dataclass(frozen=True)
class ChannelRules:
    """What of a team's games a channel wants to hear, and how."""

    queues: Wanted | None = None
    """As `parse_queues` returns it; None: all."""
    message_kinds: list[str] | None = None
    """Of `CHOSEN_KINDS`; None: all."""
    min_members: int = 1
    """1 to `MOST_MEMBERS`."""
    only_if: str | None = None
    """One of `storage.models.roster.ONLY_IF`; None: all."""
    quiet_hours: str | None = None
    """As `parse_quiet_hours` returns it; None: there are none."""
    quiet_way: str = "hold"
    """One of `storage.models.roster.QUIET_WAYS`."""
    templates: dict[str, str] | None = None
    """Of fields of a line, as `parse_templates` returns it; None: as they are."""
    pictures: str = "none"
    """One of `storage.models.roster.PICTURES`."""
    story: bool = False
    """Whether a game's message tells how it went, once that is known."""

    @classmethod
    def of(cls, channel: Channel) -> ChannelRules:
        """Those that a channel has."""
        return cls(**{each.name: getattr(channel, each.name) for each in fields(cls)})

    def as_columns(self) -> dict[str, Any]:
        """Of `Channel`, by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def channels(session: Session) -> Sequence[Channel]:
    """All channels but removed ones, by name."""
    found = session.scalars(select(Channel).where(Channel.removed_at.is_(None)))
    return sorted(found, key=lambda channel: channel.name.casefold())


def get_channel(session: Session, name: str) -> Channel:
    """
    Raises:
        NoSuchEntryError: there is none of this name.
    """
    return get_named(channels(session), name, "channel")


def parse_queues(text: str) -> Wanted:
    """Read kinds of queue, names of modes and queues, and Riot's ids: `ranked, Arena, 3130`.

    Raises:
        RosterError: it is no list of these.
    """
    return wanted(part.strip() for part in text.split(","))


def wanted(said: Iterable[str]) -> Wanted:
    """What is said, as it is written down: each once, kinds and names first.

    Raises:
        RosterError: one of them is neither a kind nor a name nor an id.
    """
    names: dict[str, None] = {}
    ids: set[int] = set()
    for each in said:
        if re.fullmatch(r"\d{1,5}", each, re.ASCII) and int(each) <= _HIGHEST_QUEUE:
            ids.add(int(each))
        elif (name := spoken(each)) is not None:
            names[name] = None
        else:
            raise RosterError(
                f"{each!a} is no kind of queue ({', '.join(KIND_NAMES)}), no mode or queue that is known "
                "by name, such as Brawl or Ranked Solo, and no number of Riot's, such as 420 "
                "(static.developer.riotgames.com/docs/lol/queues.json)"
            )
    return [*sorted(names, key=_in_the_tables_order), *sorted(ids)]


def _in_the_tables_order(name: str) -> int:
    return [*KIND_NAMES, *MODE_NAMES].index(name)


def parse_message_kinds(text: str) -> list[str] | None:
    """Read kinds of message: `game,alert`. None: every kind.

    Raises:
        RosterError: it is no list of kinds.
    """
    kinds = {part.strip().lower() for part in text.split(",")}
    if not kinds.issubset(CHOSEN_KINDS):
        raise RosterError(
            f"{text!a} is no list of kinds of message: choose of {', '.join(CHOSEN_KINDS)}"
        )
    return None if kinds.issuperset(CHOSEN_KINDS) else [k for k in CHOSEN_KINDS if k in kinds]


def parse_quiet_hours(text: str) -> str:
    """Read `23:00-08:00`, in the team's time zone.

    Raises:
        RosterError: it is none of these.
    """
    try:
        return quiet.parse_quiet_hours(text)
    except ValueError as error:
        raise RosterError(str(error)) from None


def parse_templates(said: Iterable[str]) -> dict[str, str]:
    """Read `lead={{ name }}`; a field without a text is to be as it is.

    Raises:
        RosterError: there is no such field.
    """
    found = {}
    for each in said:
        field, _, text = each.partition("=")
        if field.strip() not in FIELDS or "=" not in each:
            raise RosterError(f"{each!a} is none of {', '.join(f'{name}=…' for name in FIELDS)}")
        found[field.strip()] = text.strip()
    return found


def check_templates(session: Session, rules: ChannelRules, team: Team) -> None:
    """Fill the lines of the team's last games.

    Raises:
        TemplatesError: a template is none, or fails with one of them.
    """
    templates = rules.templates or {}
    for field, text in templates.items():
        try:
            check_template(text)
        except TemplateError as error:
            raise TemplatesError(field, str(error)) from None
    if not templates:
        return
    last = session.scalars(
        select(Game.match_id)
        .where(Game.match_id.in_(games_of(team.id)))
        .order_by(Game.ended_at.desc(), Game.match_id)
        .limit(_CHECKED_GAMES)
    ).all()
    speaks = language(team.language)
    for game in load_announced_games(session, team.id, last):
        for field, text in templates.items():
            try:
                compose_game(game, speaks, partial(filled, {field: text}))
            except TemplateError as error:
                raise TemplatesError(field, f"it fails on {game.match_id}: {error}") from None


def check_rules(rules: ChannelRules, kind: str, transports: Mapping[str, Transport]) -> None:
    """
    Raises:
        RuleError: channels of this kind cannot be silent, take no pictures, or cannot be edited.
    """
    transport = transports[kind]
    if rules.quiet_hours and rules.quiet_way == "silent" and not transport.can_be_silent:
        raise RuleError(
            "quiet_way",
            f"{transport.service} has no messages without a sound: hold them back until the quiet hours end",
        )
    if rules.pictures == "card" and not transport.takes_pictures:
        raise RuleError(
            "pictures", f"a {kind} takes no cards: nothing can be added there to what is posted"
        )
    if rules.pictures == "icons" and transport.icon_set is None:
        raise RuleError(
            "pictures",
            f"a {kind} shows no icons: they are emojis of the bot's application, which the bot alone can use",
        )
    if rules.story and not transport.can_edit:
        raise RuleError(
            "story",
            f"the story of a game comes as an edit, and messages of the kind {kind} cannot be edited: leave it off",
        )


def checked_address(kind: str, address: str, transports: Mapping[str, Transport]) -> str:
    """The address in what was pasted.

    Raises:
        RosterError: there is no such kind.
        AddressError: it is none of this kind.
    """
    if kind not in transports:
        raise RosterError(
            f"there is no kind of channel {kind!a}: choose of {', '.join(transports)}"
        )
    address = transports[kind].pasted_address(address.strip())
    transports[kind].check_address(address)
    return address


def add_channel(
    session: Session,
    name: str,
    *,
    team: str,
    kind: str,
    address: str,
    transports: Mapping[str, Transport],
    rules: ChannelRules,
    uncertain: str,
    now: datetime,
) -> Channel:
    """Announce a team's games in a channel, of those that are first processed from now on.

    Args:
        transports: `transports.registry.all_transports(settings)`.
        uncertain: One of `UNCERTAIN_POLICIES`.

    Raises:
        RosterError: this cannot be a name, there is no such kind, or it cannot be silent, takes no
            pictures or cannot tell stories.
        AddressError: the address is none of this kind.
        NoSuchEntryError: there is no such team.
        AlreadyThereError: there is a channel of this name, or the team has this very channel.
    """
    name = clean_name(name)
    address = checked_address(kind, address, transports)
    check_rules(rules, kind, transports)
    its_team = get_team(session, team)
    check_templates(session, rules, its_team)
    _check_free(session, its_team, name, kind, address)
    channel = Channel(
        team_id=its_team.id,
        name=name,
        kind=kind,
        address=address,
        uncertain=uncertain,
        created_at=now,
        **rules.as_columns(),
    )
    session.add(channel)
    flush_unless(session, f"there is already a channel {name!r}")
    return channel


def change_channel(
    session: Session,
    channel_id: int,
    *,
    name: str,
    kind: str,
    address: str | None,
    transports: Mapping[str, Transport],
    rules: ChannelRules,
    uncertain: str,
    version: int,
    now: datetime,
) -> Channel:
    """Let a channel be as given.

    Args:
        address: None: as it was.

    Raises:
        NoSuchEntryError: there is no such channel, or it was removed.
        StaleEntryError: somebody else has changed it since this version.
        RosterError: this cannot be a name, there is no such kind, it cannot be silent, or messages hang on
            how the channel is.
        AddressError: the address is none of this kind.
        AlreadyThereError: another channel has the name, or the team has this very channel.
    """
    channel = as_seen(session, Channel, channel_id, version)
    if channel.removed_at is not None:
        raise NoSuchEntryError(
            f"the channel {channel.name!r} was removed: its history stays as it is"
        )
    name = clean_name(name)
    if kind != channel.kind:
        _check_new_kind(session, channel, address)
    if address is None:
        address = channel.address
    elif (address := checked_address(kind, address, transports)) != channel.address:
        _check_nothing_under_way(session, channel)
    check_rules(rules, kind, transports)
    _check_free(session, channel.team, name, kind, address, but=channel)
    before = ChannelRules.of(channel)
    if rules.templates != before.templates:
        check_templates(session, rules, channel.team)
        session.execute(delete(Fact).where(Fact.name == failed_template(channel.id)))
    channel.name, channel.kind, channel.address = name, kind, address
    channel.uncertain = uncertain
    for column, value in rules.as_columns().items():
        setattr(channel, column, value)
    flush_unless(session, f"there is already a channel {name!r}")
    if (rules.quiet_hours, rules.quiet_way) != (before.quiet_hours, before.quiet_way):
        end_quiet(session, [channel.id], now)
    return channel


def remove_channel(session: Session, name: str, *, now: datetime) -> Channel:
    """Stop sending messages there; its history stays.

    Raises:
        NoSuchEntryError: there is none of this name.
    """
    channel = get_channel(session, name)
    channel.removed_at = now
    session.flush()
    return channel


def _check_free(
    session: Session, team: Team, name: str, kind: str, address: str, *, but: Channel | None = None
) -> None:
    there = find_named(channels(session), name)
    if there is not None and there is not but:
        raise AlreadyThereError(name_taken(there.name, "channel"))
    for other in live_channels(session, team):
        if other is not but and (other.kind, other.address) == (kind, address):
            raise AlreadyThereError(
                f"the team {team.name!r} has this channel already, as {other.name!r}"
            )


def _check_new_kind(session: Session, channel: Channel, address: str | None) -> None:
    if address is None:
        raise RosterError("another kind needs an address of that kind: give it, too")
    if session.scalars(select(Message.id).where(Message.channel_id == channel.id).limit(1)).first():
        raise RosterError(
            f"the channel {channel.name!r} has messages, which can be corrected only as the kind "
            "that it is: remove it and add another"
        )


def _check_nothing_under_way(session: Session, channel: Channel) -> None:
    """Whether a message has arrived can only be found out where it was sent."""
    under_way = session.scalars(
        select(Message.id).where(
            Message.channel_id == channel.id, Message.state.in_(("sending", "uncertain"))
        )
    ).all()
    if under_way:
        raise RosterError(
            f"{len(under_way)} of the channel's messages may have gone out, which can only be found "
            "out at its present address: wait until they are settled, or decide about them"
        )
