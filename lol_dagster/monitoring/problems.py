"""Health in words: what is wrong, and what to do about each of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lol_dagster.monitoring.heartbeats import silence
from lol_dagster.monitoring.trouble import Found

if TYPE_CHECKING:
    from lol_dagster.monitoring.health import Health


RENEW_KEY = (
    "get a new one at https://developer.riotgames.com and put it into LOL_RIOT_API_KEY; what stands "
    "in .env is taken up at once, a changed environment by a restart"
)


def problems(health: Health) -> list[str]:
    """What is wrong and what to do about it, a line each, causes before their effects."""
    return [
        *_of_the_house(health),
        *_missing(health),
        *_of_riot(health),
        *_of_games(health),
        *_of_messages(health),
    ]


def notices(health: Health) -> list[str]:
    """What is worth knowing though nothing is wrong yet, a line each."""
    key = health.riot_key
    if key is None or health.riot_key_refused is not None:
        return []
    expires_at = key.expires_at(health.looked_at)
    if expires_at is None:
        return []
    when = f"{expires_at:%Y-%m-%d %H:%M} UTC"
    return [
        f"if the Riot key is a development key, as its limits are, it dies by {when}; {RENEW_KEY}"
    ]


def _of_the_house(health: Health) -> Iterator[str]:
    if health.teams and health.accounts:
        silent = silence(health.signs, health.looked_at)
        if silent is not None:
            yield silent
    if health.disk.is_nearly_full:
        yield disk_nearly_full(health)
    if health.alert_channel_problem is not None:
        yield health.alert_channel_problem
    if health.backup_problem is not None:
        yield health.backup_problem


def disk_nearly_full(health: Health) -> str:
    disk = health.disk
    return (
        f"the disk of LOL_HOME is nearly full: {size(disk.free)} free of {size(disk.total)}, and "
        f"the database has {size(disk.database)}: make room, as a full disk stops everything"
    )


def size(number: int) -> str:
    """`1.5 GB`."""
    for unit, power in (("GB", 3), ("MB", 2)):
        if number >= 1024**power:
            return f"{number / 1024**power:.1f} {unit}"
    return f"{number // 1024} kB"


def _missing(health: Health) -> Iterator[str]:
    if not health.teams:
        yield "there is no team yet: begin with 'lol-dagster team add NAME'"
        return
    if not health.accounts:
        yield (
            "nobody is watched: add a player with "
            "\"lol-dagster player add NAME --team TEAM --account 'Name#TAG' --platform na1\""
        )
    if not health.channels:
        yield (
            "nothing is told: add a channel with "
            "'lol-dagster channel add NAME --team TEAM --kind discord-bot --address CHANNEL_ID'"
        )


def _of_riot(health: Health) -> Iterator[str]:
    if health.riot_key_refused is not None:
        yield (f"Riot refuses the API key ({health.riot_key_refused}): {RENEW_KEY}")
        return  # all else is a consequence
    for down in health.routes_down:
        yield (
            f"Riot gives no match lists for {down.route} since {down.since:%Y-%m-%d %H:%M} UTC "
            f"({down.reason}): nothing to do but wait; it is tried every minute, and no game is lost"
        )
    if blind := health.accounts_missing_games:
        yield (
            f"we cannot see games of {_number(blind, 'account')} ({blind}): Riot has counted a "
            "ranked game, and its match lists show none for over 90 minutes"
        )
    if health.routes_down:
        return
    late = health.accounts_not_polled
    if late:
        why = (
            f"the last error was: {health.last_poll_error}"
            if health.last_poll_error
            else "nobody asked Riot for it, or its limits are used up; "
            "'lol-dagster logs --level warning' may say more"
        )
        yield f"no match list for over an hour of {_number(late, 'account')} ({late}): {why}"


def _of_games(health: Health) -> Iterator[str]:
    stuck = health.stuck_games
    if stuck and health.riot_key_refused is None and not health.routes_down:
        yield (
            f"{_number(stuck, 'game')} due for over half an hour ({stuck}): "
            f"'lol-dagster game show {stuck.first[0]}' has the last error"
        )
    if aside := health.quarantined_games:
        yield (
            f"{_number(aside, 'game')} quarantined ({aside}): 'lol-dagster why {aside.first[0]}' "
            f"says why, 'lol-dagster quarantine retry {aside.first[0]}' tries again"
        )


def _of_messages(health: Health) -> Iterator[str]:
    for blocked in health.blocked:
        is_token = blocked.name.endswith("-token")
        what = blocked.name if is_token else f"channel {blocked.name!r}"
        remedy = "give another token" if is_token else "put its permissions or its address right"
        trial = (
            f"it is tried again after {blocked.retry_at:%H:%M} UTC"
            if blocked.retry_at
            else "it is not tried before something has changed"
        )
        yield f"{what} is blocked ({blocked.reason or 'no reason noted'}): {remedy}; {trial}"
    if unsettled := health.unsettled_messages:
        yield (
            f"{_number(unsettled, 'message')} untold for too long: "
            f"'lol-dagster message show {_short(unsettled)}' has what was tried"
        )
    if parked := health.messages_needing_review:
        yield (
            f"{_number(parked, 'message')} parked, as nobody can find out whether they arrived: "
            f"'lol-dagster message show {_short(parked)}' has what was tried; look into the channel, "
            "then 'lol-dagster message resend', 'mark-delivered' or 'drop'"
        )
    if twice := health.duplicate_messages:
        yield (
            f"{_number(twice, 'message')} told twice: 'lol-dagster message show {_short(twice)}' "
            "has both ids; delete one by hand and report this as a bug"
        )
    if misstanding := health.audit_failures:
        yield (
            f"{_number(misstanding, 'message')} not there as told when last looked at: 'lol-dagster "
            f"message show {_short(misstanding)}' says how; put it right in the channel, then look "
            "again with 'lol-dagster message audit'"
        )
    if contradictory := health.contradictory_messages:
        yield (
            f"{_number(contradictory, 'message')} with a row that contradicts itself ("
            f"{contradictory}): report this as a bug"
        )


def _number(found: Found, noun: str) -> str:
    return f"{found.count} {noun}{'' if found.count == 1 else 's'}"


def _short(messages: Found) -> str:
    """Enough of the first one's id to find it by."""
    return messages.first[0][:8]
