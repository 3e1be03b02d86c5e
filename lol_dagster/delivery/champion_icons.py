"""Champions' icons within messages: on Discord emojis of the bot's application, on Slack pictures at Data Dragon's
addresses.

What can be shown is known beforehand, from `lol-dagster icons upload`: nothing is asked for while a message is
sent. A champion that is not among it has no icon.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from lol_dagster.delivery import pace
from lol_dagster.delivery.clock import clock_for
from lol_dagster.delivery.model import Timing
from lol_dagster.delivery.pictures import goes_without_icons
from lol_dagster.delivery.transports.base import Transport
from lol_dagster.delivery.transports.discord_bot import DiscordBot
from lol_dagster.delivery.transports.discord_emojis import EmojiRefusedError, Emojis
from lol_dagster.delivery.transports.discord_format import emoji, emoji_name
from lol_dagster.delivery.transports.slack_api import IMAGES
from lol_dagster.messages.content import MessageContent
from lol_dagster.pictures.icons import Icons, NoIconError
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Fact

_FACT = "champion-icons"
_MOST_IN_A_ROW = 3
"""Of icons that are not to be had or not taken: nobody is asked any further."""


@dataclass
class UploadReport:
    """What `upload_icons` has done."""

    champions: int = 0
    """That Data Dragon has."""
    uploaded: int = 0
    """To Discord, now."""
    were_there: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    """Why, by the champion's name."""


def shown_icons(
    session: Session, transport: Transport, message_id: str, content: MessageContent
) -> dict[int, str]:
    """The icons of a message's champions that can be shown in a channel of this kind."""
    lines = (line for section in content.sections for line in section.lines)
    champions = {line.icon.champion_id for line in lines if line.icon}
    if transport.icon_set is None or not champions:
        return {}
    if goes_without_icons(session, message_id):
        return {}
    known = _known(session, transport.icon_set)
    return {number: known[str(number)] for number in champions if str(number) in known}


def missing_icons(session: Session, transport: Transport, newest: Mapping[int, str]) -> list[str]:
    """The champions whose icon cannot be shown in channels of this kind, by Data Dragon's names.

    Args:
        newest: `Icons.newest`.
    """
    known = _known(session, transport.icon_set or "")
    return sorted(_name(each) for number, each in newest.items() if str(number) not in known)


def upload_icons(
    database: Database,
    icons: Icons,
    emojis: Emojis | None,
    *,
    begun: Callable[[int], None] = lambda _champions: None,
    step: Callable[[], None] = lambda: None,
) -> UploadReport:
    """Make every champion's icon known, and upload those to Discord that are not there. What has been done is kept
    if it is ended midway; called again it goes on from there.

    Args:
        emojis: Of the bot's application; None: there is no bot.
        begun: Called with how many champions there are.
        step: Called after each of them.

    Raises:
        NoIconError: Data Dragon cannot be asked.
        EmojiError: Discord cannot be asked, or takes no more.
    """
    addresses = icons.newest()
    report = UploadReport(champions=len(addresses))
    begun(len(addresses))
    there = emojis.listed() if emojis else {}
    images: dict[str, str] = {}
    in_a_row = 0
    try:
        for number, address in sorted(addresses.items()):
            champion = _name(address)
            name = emoji_name(champion)
            try:
                icon = icons.at(address, number)
                images[str(number)] = address
                if emojis and name not in there:
                    there[name] = emojis.add(name, icon)
                    report.uploaded += 1
                elif emojis:
                    report.were_there += 1
                in_a_row = 0
            except (EmojiRefusedError, NoIconError) as error:
                report.failed[champion] = str(error)
                in_a_row += 1
                if in_a_row == _MOST_IN_A_ROW:
                    raise
            step()
    finally:
        usable = {
            str(number): emoji(name, there[name])
            for number, address in addresses.items()
            if (name := emoji_name(_name(address))) in there
        }
        _keep(database, images, {emojis.icon_set: usable} if emojis else {})
    return report


def emojis_of(settings: Settings, database: Database, now: Callable[[], datetime]) -> Emojis | None:
    """The emojis of the settings' bot; None: there is none."""
    if settings.discord_bot_token is None:
        return None
    bot, clock = DiscordBot(settings, deadline=Timing().call), clock_for(database)
    scope, per_second = bot.token_scope, bot.calls_per_second
    assert scope is not None
    assert per_second is not None

    def turn() -> None:
        """One of the calls that all share whom Discord counts as this bot."""
        with database.writing(durable=False) as session:
            begins_at = pace.take_turn(session, scope, per_second, now())
        clock.sleep(max(0.0, (begins_at - now()).total_seconds()))

    return Emojis(bot, turn=turn, sleep=clock.sleep)


def _known(session: Session, icon_set: str) -> dict[str, str]:
    fact = session.get(Fact, _FACT)
    known: dict[str, str] = fact.value.get(icon_set, {}) if fact else {}
    return known


def _keep(
    database: Database, images: Mapping[str, str], emojis: Mapping[str, Mapping[str, str]]
) -> None:
    """Pictures that are known stay so if they were not come to; of emojis those of another bot go."""
    with database.writing() as session:
        fact = session.get(Fact, _FACT, with_for_update=True)
        if fact is None:
            fact = Fact(name=_FACT, value={})
            session.add(fact)
        pictures = {**fact.value.get(IMAGES, {}), **images}
        fact.value = {**(emojis or fact.value), IMAGES: pictures}


def _name(address: str) -> str:
    """Of the champion whose icon is there."""
    return address.rpartition("/")[2].removesuffix(".png")
