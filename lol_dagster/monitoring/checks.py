"""Everything that can be wrong: one table, a row for each, and every face of it follows from the row.

The faces: `lol-dagster status`, which the web view's start page and `/healthz` repeat; the metrics;
the alerts; the dead-man ping, which falls silent; Dagster's asset checks. Each iterates over `CHECKS`.
A row that leaves out a face says why.

To add a check, write a row (and a query in queries.py if it asks the database), and how to break it
in `lol_dagster_tests/_support/broken.py`: the tests then take it through all faces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from lol_dagster.backups.take import last_backup
from lol_dagster.delivery.scopes import Call, channel_of, channel_scope
from lol_dagster.delivery.transports.registry import transport_type
from lol_dagster.messages.failed_templates import FAILED
from lol_dagster.monitoring import queries
from lol_dagster.monitoring.alert_channel import find_alert_channel
from lol_dagster.monitoring.dagster_files import CURE_OF_DAGSTERS_FILES, unreadable_dagster_files
from lol_dagster.monitoring.disk import Disk, read_disk, size
from lol_dagster.monitoring.failed_jobs import run_link
from lol_dagster.monitoring.future import dated_ahead
from lol_dagster.monitoring.heartbeat import Beat, Silence, read_beats, silence
from lol_dagster.monitoring.held_locks import held_locks
from lol_dagster.monitoring.housekeeping import last_night
from lol_dagster.monitoring.queries import Query
from lol_dagster.monitoring.riot_limits import RiotKey, lists_a_minute, read_key
from lol_dagster.monitoring.switched_off import SwitchedOff, switched_off
from lol_dagster.riot.key import RIOT_KEY_SCOPE, fingerprint_of
from lol_dagster.riot.turns import crowded_routes
from lol_dagster.roster.memberships import is_tracked
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Account, Breaker, Channel, Fact, FailedJob, Team
from lol_dagster.storage.plans import read_by_index

Face = Literal["status", "metrics", "alerts", "ping", "dagster"]
Blocked = Literal["token", "refused", "edits", "scans", "silent"]

BACKUP_DEADLINE = timedelta(hours=26)
"""One is taken each night; two hours more in case it takes long."""
NO_ANSWER_FOR = timedelta(minutes=5)
"""A channel that does not answer is tried again every minute, and is mostly soon back."""
CATCH_UP_FOR = timedelta(minutes=10)
"""After a night switched off everything is overdue, until it has been done."""
MOST_NAMED = 5
_LONGEST_WHY = 300


@dataclass(frozen=True)
class Moment:
    """What a check reads; what several need is read once."""

    session: Session
    settings: Settings
    now: datetime

    def __post_init__(self) -> None:
        read_by_index(self.session)

    @cached_property
    def beats(self) -> dict[str, Beat]:
        """The last heartbeat of each part of the system, by part."""
        return read_beats(self.session)

    @cached_property
    def is_anybody_tracked(self) -> bool:
        return _is_any(self, Account, is_tracked(self.now))

    @cached_property
    def switched_off(self) -> list[SwitchedOff]:
        """What somebody has switched off in Dagster's UI."""
        return switched_off(self.session)

    @cached_property
    def disk(self) -> Disk:
        """How full the disk is."""
        return read_disk(self.session, self.settings)

    @cached_property
    def riot_key(self) -> RiotKey | None:
        """Riot's key, if one is set."""
        return read_key(self.session, self.settings)

    @cached_property
    def blocked(self) -> tuple[tuple[Blocked, Affected], ...]:
        """What keeps messages waiting; read once for the checks that divide it."""
        return tuple(_blocked(self))


@dataclass(frozen=True)
class Affected:
    """One thing that fails a check."""

    id: str
    """Match id, message id, Riot ID, scope of a breaker, …; tells those of a check apart."""
    since: datetime | None = None
    why: str | None = None
    name: str | None = None
    """What people call it; None: its id."""
    can_alert: bool = True
    """False: an alert about it would have to go where it is about."""


@dataclass(frozen=True)
class Check:
    """A row of the table. In the texts `{name}` is the first one affected, `{count}` how many are."""

    id: str
    """What is wrong, in a word or three; the same in every face (Dagster's check is `no_<id>`)."""
    passes: str
    """When it passes, in a sentence."""
    find: Callable[[Moment], Query | Iterable[Affected]]
    """What is affected. A query's columns are those of `Affected`, in order."""
    one: str
    """A title where one is affected."""
    remedy: str
    """What to do about it."""
    many: str = ""
    """A title where several are."""
    each: bool = False
    """Whether each one affected is a line and an alert of its own, up to a few."""
    id_length: int | None = None
    """How many characters of an id are enough for people; None: all."""
    severity: Literal["error", "warning"] = "error"
    """A warning is worth knowing and makes nothing unhealthy."""
    for_: timedelta = timedelta(0)
    """How long it must last before there is an alert."""
    hidden_by: tuple[str, ...] = ()
    """Checks whose failure explains this one's: while one of them fails, neither status nor an alert
    names it."""
    asset: str | None = None
    """The Dagster asset that it is about."""
    left_out: Mapping[Face, str] = field(default_factory=dict)
    """Faces that it does not show in, each with the reason."""

    def title(self, count: int, name: str) -> str:
        return (self.one if count == 1 else self.many).format(name=name, count=count)


@dataclass(frozen=True)
class CheckResult:
    """What a check has found."""

    check: Check
    count: int
    """How many are affected; 0: it passes."""
    affected: tuple[Affected, ...]
    """The first few of them; of a check whose alerts are one each, all."""
    is_hidden: bool = False
    """Another check's failure explains this one."""

    @property
    def passed(self) -> bool:
        return self.count == 0

    @property
    def title(self) -> str:
        return self.check.title(self.count, self._name)

    @property
    def why(self) -> str:
        """Who or what is affected, as far as the title does not say it, and why; may be empty."""
        why = _one_line(self.affected[0].why or "")
        if why and self.count > 1:
            why = f"{self._name}: {why}"
        return "; ".join(filter(None, (self._names, why)))

    @property
    def remedy(self) -> str:
        return self.check.remedy.format(name=self._name)

    @property
    def line(self) -> str:
        """All of it in a line."""
        why = f" ({self.why})" if self.why else ""
        return f"{self.title}{why}: {self.remedy}"

    @property
    def lines(self) -> list[str]:
        """A line for each, or one for all if they are many."""
        if self.check.each and self.count <= MOST_NAMED:
            return [one.line for one in self.apart()]
        return [self.line]

    def apart(self) -> list[CheckResult]:
        """A result for each one affected, if each has an alert of its own; else this one."""
        if not self.check.each:
            return [self]
        return [replace(self, count=1, affected=(each,)) for each in self.affected]

    @property
    def _name(self) -> str:
        return self._name_of(self.affected[0])

    def _name_of(self, affected: Affected) -> str:
        return affected.name or affected.id[: self.check.id_length]

    @property
    def _names(self) -> str:
        if (self.count == 1 and "{name" in self.check.one) or not self.affected[0].id:
            return ""
        named = [self._name_of(each) for each in self.affected[:MOST_NAMED]]
        more = self.count - len(named)
        return ", ".join(named) + (f" and {more} more" if more else "")


def check_all(database: Database, settings: Settings, now: datetime) -> list[CheckResult]:
    """As `run_checks`, in a transaction of its own."""
    with database.reading() as session:
        return run_checks(Moment(session, settings, now))


def run_checks(moment: Moment) -> list[CheckResult]:
    """Every check's result, in the table's order: causes before their effects."""
    results = [run_check(check, moment) for check in CHECKS]
    failing = {each.check.id for each in results if not each.passed}
    return [
        replace(each, is_hidden=not failing.isdisjoint(each.check.hidden_by)) for each in results
    ]


def run_check(check: Check, moment: Moment) -> CheckResult:
    """One check's result, whatever else may be wrong."""
    found = check.find(moment)
    if not isinstance(found, Select):
        affected = tuple(found)
        return CheckResult(check, len(affected), affected)
    first = found if check.each else found.limit(MOST_NAMED)
    affected = tuple(Affected(*row) for row in moment.session.execute(first))
    count = len(affected)
    if not check.each and count == MOST_NAMED:
        everything = found.order_by(None).subquery()
        count = moment.session.scalar(select(func.count()).select_from(everything)) or 0
    return CheckResult(check, count, affected)


def failing(results: Iterable[CheckResult], face: Face) -> list[CheckResult]:
    """What has failed and shows in that face."""
    in_words = face in {"status", "alerts"}
    return [
        each
        for each in results
        if not each.passed and face not in each.check.left_out and not (in_words and each.is_hidden)
    ]


def result_of(results: Sequence[CheckResult], check_id: str) -> CheckResult:
    """The result of the check of that id."""
    return next(each for each in results if each.check.id == check_id)


# --- What is affected ---------------------------------------------------------------------------

_ITSELF = ""
"""The id of what there is only one of."""


def _is_any(
    moment: Moment, model: type[Account | Channel | Team], where: ColumnElement[bool]
) -> bool:
    return moment.session.scalar(select(model.id).where(where).limit(1)) is not None


def _missing(is_there: Callable[[Moment], bool]) -> Callable[[Moment], list[Affected]]:
    return lambda moment: [] if is_there(moment) else [Affected(_ITSELF)]


def _silence(moment: Moment) -> Silence | None:
    """Where there is something to do."""
    found = silence(moment.beats, moment.now)
    return found if found and moment.is_anybody_tracked else None


def _nothing_running(moment: Moment) -> Iterator[Affected]:
    found = _silence(moment)
    if found is not None and found.of == "everything":
        since = f"since {found.since:%Y-%m-%d %H:%M} UTC" if found.since else None
        yield Affected(_ITSELF, found.since, since)


def _silent_daemon(moment: Moment) -> Iterator[Affected]:
    found = _silence(moment)
    if found is not None and found.of == "daemon" and found.since is not None:
        lasted = _minutes(moment.now - found.since)
        yield Affected(_ITSELF, found.since, f"for {lasted}, though 'lol-dagster up' is running")


def _switched_off(kind: str) -> Callable[[Moment], Iterator[Affected]]:
    return lambda moment: (
        Affected(each.name, each.since, each.why or None)
        for each in moment.switched_off
        if each.kind == kind
    )


def _full_disk(moment: Moment) -> Iterator[Affected]:
    disk = moment.disk
    if disk.is_nearly_full:
        why = (
            f"{size(disk.free)} of {size(disk.total)} are free where LOL_HOME is, and the database "
            f"has {size(disk.database)}"
        )
        yield Affected(_ITSELF, why=why)


def _held_locks(moment: Moment) -> Iterator[Affected]:
    for held in held_locks(moment.session):
        is_by = ", ".join(filter(None, (held.program, held.state)))
        waiting = (
            f"{held.waiting} of our sessions wait for it" if held.waiting else "nobody waits yet"
        )
        since = f"since {held.since:%Y-%m-%d %H:%M:%S} UTC"
        why = f"{since} {waiting}{f'; it is: {is_by}' if is_by else ''}"
        yield Affected(str(held.pid), held.since, why)


def _alert_channel(moment: Moment) -> Iterator[Affected]:
    channel, error = find_alert_channel(moment.session, moment.settings)
    if channel is not None:
        scopes = _scopes(channel)
        breakers = moment.session.scalars(queries.blocked_breakers())
        if any(breaker.scope in scopes for breaker in breakers):
            error = f"LOL_ALERT_CHANNEL names {channel.name!r}, which cannot be used"
    if error is not None:
        yield Affected(_ITSELF, why=error)


def _overdue_backup(moment: Moment) -> Iterator[Affected]:
    """Until the first night has passed there need not be one."""
    last, night = last_backup(moment.session), last_night(moment.session)
    if last is not None and last.taken_at < moment.now - BACKUP_DEADLINE:
        why = f"the last good one is of {last.taken_at:%Y-%m-%d %H:%M} UTC"
        yield Affected(_ITSELF, last.taken_at, why)
    elif last is None and night is not None and night < moment.now - timedelta(hours=1):
        yield Affected(_ITSELF, night, "there is no good one")


def _failed_jobs(moment: Moment) -> Iterator[Affected]:
    for job in moment.session.scalars(select(FailedJob).order_by(FailedJob.job)):
        link = run_link(moment.session, job.run_id)
        yield Affected(job.job, job.since, f"{_one_line(job.error)} – {link}")


def _refused_key(moment: Moment) -> Iterator[Affected]:
    breaker = moment.session.get(Breaker, RIOT_KEY_SCOPE)
    # If another key is set by now, it will be tried.
    if breaker and breaker.fingerprint in {None, fingerprint_of(moment.settings)}:
        yield Affected(_ITSELF, breaker.since, breaker.reason)


def _expiring_key(moment: Moment) -> Iterator[Affected]:
    key = moment.riot_key
    expires_at = key.expires_at(moment.now) if key else None
    if expires_at is not None and not [*_refused_key(moment)]:
        yield Affected(_ITSELF, why=f"by {expires_at:%Y-%m-%d %H:%M} UTC")


def _crowded_routes(moment: Moment) -> Iterator[Affected]:
    allowed = lists_a_minute(moment.session, moment.settings)
    for each in crowded_routes(moment.session, moment.now, allowed):
        why = (
            f"the match lists of all {each.accounts} would take {each.wanted:.3g} calls a minute, and may "
            f"take {each.allowed:.3g}"
        )
        yield Affected(each.route, why=why)


def _messages_needing_review(moment: Moment) -> Iterator[Affected]:
    for id_, since, why, kind in moment.session.execute(queries.messages_needing_review()):
        yield Affected(id_, since, why, can_alert=kind != "alert")


def _scopes(channel: Channel) -> set[str | None]:
    """Of the breakers that keep news from it."""
    return {channel_scope(channel.id), transport_type(channel.kind).token_scope}


def _blocked(moment: Moment) -> Iterator[tuple[Blocked, Affected]]:
    """The breakers that keep messages waiting, each with what it is."""
    breakers = moment.session.scalars(queries.blocked_breakers()).all()
    if not breakers:
        return
    alert_channel, _ = find_alert_channel(moment.session, moment.settings)
    alert_scopes = _scopes(alert_channel) if alert_channel else set()
    for breaker in breakers:
        found = channel_of(breaker.scope)
        channel = moment.session.get(Channel, found[0]) if found else None
        trial = (
            f"it is tried again after {breaker.open_until:%H:%M} UTC"
            if breaker.open_until and not breaker.dead
            else "it is not tried again before something has changed"
        )
        affected = Affected(
            breaker.scope,
            breaker.since,
            f"{_one_line(breaker.reason or 'no reason noted')}; {trial}",
            channel.name if channel else None,
            can_alert=breaker.scope not in alert_scopes,
        )
        if found is None:
            yield "token", affected
        elif breaker.dead or breaker.fingerprint is not None:
            yield _REFUSED[found[1]], affected
        else:
            yield "silent", affected


_REFUSED: Mapping[Call, Blocked] = {"post": "refused", "edit": "edits", "scan": "scans"}


def _failing_templates(moment: Moment) -> Iterator[Affected]:
    """The channels whose templates have failed on the last game that they were to fill."""
    failed = select(Fact).where(Fact.name.startswith(FAILED)).order_by(Fact.name)
    for fact in moment.session.scalars(failed):
        channel = moment.session.get(Channel, int(fact.name.removeprefix(FAILED)))
        if channel is not None and channel.removed_at is None:
            why = f"on {fact.value['match_id']}: {fact.value['error']}"
            yield Affected(fact.name, None, _one_line(why), channel.name)


def _blocked_as(what: Blocked) -> Callable[[Moment], Iterator[Affected]]:
    return lambda moment: (each for kind, each in moment.blocked if kind == what)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_WHY]


def _minutes(time: timedelta) -> str:
    minutes = int(time.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 120 else f"{minutes} minutes"


# --- The table ----------------------------------------------------------------------------------

_NO_ASSET = "it is about the system as a whole, which is no asset"
_BEING_SET_UP = "whoever sets the system up is there to read its status"
_NOTHING_TO_DO = "there is nothing to do yet"
_FOR_PEOPLE = "it waits for a person, who has an alert, and holds nothing else up"

CHECKS: tuple[Check, ...] = (
    # What is set up, and runs.
    Check(
        "missing_team",
        passes="There is a team.",
        find=_missing(lambda moment: _is_any(moment, Team, Team.removed_at.is_(None))),
        one="There is no team yet",
        remedy="begin with 'lol-dagster team add NAME'",
        left_out={"alerts": _BEING_SET_UP, "ping": _NOTHING_TO_DO, "dagster": _NO_ASSET},
    ),
    Check(
        "missing_accounts",
        passes="Somebody is tracked: a player with an account is in a team.",
        find=_missing(lambda moment: moment.is_anybody_tracked),
        one="Nobody is tracked",
        remedy="add a player with \"lol-dagster player add NAME --team TEAM --account 'Name#TAG'\"",
        hidden_by=("missing_team",),
        left_out={"alerts": _BEING_SET_UP, "ping": _NOTHING_TO_DO, "dagster": _NO_ASSET},
    ),
    Check(
        "missing_channel",
        passes="There is a channel.",
        find=_missing(lambda moment: _is_any(moment, Channel, Channel.removed_at.is_(None))),
        one="There is no channel",
        remedy="add one with "
        "'lol-dagster channel add NAME --team TEAM --kind discord-bot --address CHANNEL_ID'",
        hidden_by=("missing_team",),
        left_out={"alerts": _BEING_SET_UP, "ping": _NOTHING_TO_DO, "dagster": _NO_ASSET},
    ),
    Check(
        "nothing_running",
        passes="The daemon beats, or `lol-dagster once` was called within the hour.",
        find=_nothing_running,
        one="Nothing is running",
        remedy="start 'lol-dagster up', or let cron call 'lol-dagster once'",
        left_out={
            "alerts": "whoever would write the alert is what does not run; the ping's silence says so",
            "dagster": "whoever would run the check is what does not run",
        },
    ),
    Check(
        "silent_daemon",
        passes="The daemon of `lol-dagster up` beats.",
        find=_silent_daemon,
        one="The daemon is silent",
        remedy="its log and the code server's say why; restart 'lol-dagster up' if they do not",
        left_out={"dagster": "whoever would run the check is what is silent"},
    ),
    Check(
        "stopped_schedule",
        passes="No schedule and no sensor is stopped in Dagster's UI.",
        find=_switched_off("schedule"),
        one="Dagster's {name} is stopped",
        many="{count} schedules and sensors are stopped",
        remedy="start it in Dagster's UI (Automation), or restart 'lol-dagster up', "
        "which starts them all; until then what it does is not done",
        left_out={"dagster": _NO_ASSET},
    ),
    Check(
        "changed_pool",
        passes="Each pool lets as many runs run as the code says.",
        find=_switched_off("pool"),
        one="The limit of the pool {name} was changed",
        many="The limits of {count} pools were changed",
        remedy="restart 'lol-dagster up', which sets it right, or set it "
        "in Dagster's UI (Deployment, Concurrency)",
        left_out={"dagster": _NO_ASSET},
    ),
    Check(
        "clock_ahead",
        passes="Nothing that was done or seen is dated in the future.",
        find=lambda moment: (
            Affected(name, why=f"up to {at:%Y-%m-%d %H:%M} UTC")
            for name, at in dated_ahead(moment.session, moment.now)
        ),
        one="The clock was ahead, or is behind now: {name} lies in the future",
        many="The clock was ahead, or is behind now: {count} kinds of times lie in the future",
        remedy="see that this machine's clock is right ('timedatectl'). What was only waiting goes on by "
        "itself; a channel, an account or a membership that is dated ahead counts from then on only: "
        "remove it and add it again",
        for_=CATCH_UP_FOR,
        left_out={"ping": _FOR_PEOPLE, "dagster": _NO_ASSET},
    ),
    Check(
        "full_disk",
        passes="The disk has space for 500 MB and a backup.",
        find=_full_disk,
        one="The disk is nearly full",
        remedy="free some space, as a full disk stops everything",
        left_out={"ping": _FOR_PEOPLE, "dagster": _NO_ASSET},
    ),
    Check(
        "held_lock",
        passes="No session of ours has waited for a lock in PostgreSQL for ten seconds, and none has left "
        "a transaction that has written open for as long. SQLite cannot be asked.",
        find=_held_locks,
        one="PostgreSQL's process {name} holds a lock and does not let go",
        many="{count} of PostgreSQL's processes hold locks and do not let go",
        remedy='mostly it ends by itself within a minute; if not, "SELECT pg_terminate_backend({name})" in '
        "psql ends that session, and what it had not committed is undone",
        for_=timedelta(minutes=1),
        left_out={"dagster": _NO_ASSET},
    ),
    Check(
        "damaged_dagster_file",
        passes="The files in which Dagster keeps its runs can be read. Every page of them is read when 'up' "
        "or 'once' begins.",
        find=lambda moment: [
            Affected(file.name, why=str(file)) for file in unreadable_dagster_files(moment.settings)
        ],
        one="Dagster's file {name} is damaged",
        many="{count} of Dagster's files are damaged",
        remedy=CURE_OF_DAGSTERS_FILES,
        left_out={"dagster": _NO_ASSET},
    ),
    Check(
        "unusable_alert_channel",
        passes="Alerts can be delivered, if LOL_ALERT_CHANNEL is set.",
        find=_alert_channel,
        one="Alerts cannot be delivered",
        remedy="name another channel, or put this one right",
        left_out={"alerts": "there is nowhere to send it", "dagster": _NO_ASSET},
    ),
    Check(
        "overdue_backup",
        passes="A good backup is less than 26 hours old.",
        find=_overdue_backup,
        one="The backup is overdue",
        remedy="'lol-dagster db backup' takes one now, or says what prevents it",
        for_=CATCH_UP_FOR,
        left_out={"ping": _FOR_PEOPLE, "dagster": _NO_ASSET + "; the job nightly has a red run"},
    ),
    # Riot.
    Check(
        "refused_key",
        passes="Riot accepts the API key.",
        find=_refused_key,
        one="Riot refuses the API key",
        remedy="get a new one at https://developer.riotgames.com and put it into LOL_RIOT_API_KEY; "
        "one in .env is used at once, one in the environment after a restart. No game is lost: "
        "Riot's lists reach back",
        asset="match_lists",
    ),
    Check(
        "expiring_key",
        passes="The API key does not expire within four hours, as far as we can know.",
        find=_expiring_key,
        one="If the Riot key is a development key, as its limits are, it expires soon",
        remedy="get a new one at https://developer.riotgames.com and put it into LOL_RIOT_API_KEY",
        severity="warning",
        asset="match_lists",
        left_out={
            "alerts": "it may as well be a personal key, which does not expire",
            "ping": "nothing is wrong yet",
        },
    ),
    Check(
        "failed_job",
        passes="No job's last run has failed for good.",
        find=_failed_jobs,
        one="The job {name} fails",
        many="{count} jobs fail",
        remedy="it recovers with the next run that succeeds",
        each=True,
        hidden_by=("refused_key",),
        left_out={
            "ping": "what the job did not do has checks of its own: games, messages, the backup",
            "dagster": "the failed run itself is there",
        },
    ),
    Check(
        "route_down",
        passes="Riot gives match lists: no regional route has failed for five minutes.",
        find=lambda moment: queries.routes_down(moment.now),
        one="Riot gives no match lists for {name}",
        many="{count} of Riot's routes give no match lists",
        remedy="nothing to do but wait; it is tried every minute, and no game is lost",
        each=True,
        hidden_by=("refused_key",),
        asset="match_lists",
    ),
    Check(
        "crowded_route",
        passes="Riot's limits allow every account of each regional route to be polled as often as usually.",
        find=_crowded_routes,
        one="Riot's limits are too small for the accounts of {name}: games come later",
        many="Riot's limits are too small for the accounts of {count} routes: games come later",
        remedy="no game is lost, and those first of whom news is expected; Riot gives a production key to those "
        "who ask for it at https://developer.riotgames.com",
        each=True,
        severity="warning",
        hidden_by=("refused_key",),
        asset="match_lists",
        left_out={
            "alerts": "it comes and goes with the evenings, and whoever wonders why games come late looks here",
            "ping": "nothing is wrong, only slower",
        },
    ),
    Check(
        "missing_games",
        passes="No account has played a ranked game, as Riot counts them, of which no "
        "match has come for 90 minutes.",
        find=lambda moment: queries.accounts_missing_games(moment.now),
        one="Games of 1 account are missing",
        many="Games of {count} accounts are missing",
        remedy="Riot has counted a ranked game, and its match lists have shown none for over 90 "
        "minutes; nothing to do but wait, and to know that somebody has played",
        hidden_by=("refused_key",),
        asset="match_lists",
        left_out={"ping": "Riot gives its lists; nothing is stuck on our side"},
    ),
    Check(
        "unpolled_account",
        passes="The match list of every tracked account came within the last 65 minutes.",
        find=lambda moment: queries.unpolled_accounts(moment.now),
        one="No match list of 1 account for over an hour",
        many="No match lists of {count} accounts for over an hour",
        remedy="'lol-dagster logs --level warning' may say more",
        for_=CATCH_UP_FOR,
        hidden_by=("refused_key", "route_down"),
        asset="match_lists",
    ),
    Check(
        "overdue_account",
        passes="No tracked account has been due to be polled for ten minutes.",
        find=lambda moment: queries.overdue_accounts(moment.now),
        one="1 account is overdue to be polled",
        many="{count} accounts are overdue to be polled",
        remedy="'lol-dagster logs --level warning' may say more",
        asset="match_lists",
        left_out={
            "status": "after a pause it is so for a while; unpolled_account says if it stays so",
            "alerts": "after a pause it is so for a while; unpolled_account says if it stays so",
            "dagster": "after a pause it is so for a while; unpolled_account says if it stays so",
        },
    ),
    # Games.
    Check(
        "stuck_game",
        passes="Every game that Riot listed is processed, or accounted for: delayed, not found, "
        "quarantined or ignored. No game has been due for over half an hour.",
        find=lambda moment: queries.stuck_games(moment.now),
        one="1 game has been due for over half an hour",
        many="{count} games have been due for over half an hour",
        remedy="'lol-dagster game show {name}' has the last error",
        for_=CATCH_UP_FOR,
        hidden_by=("refused_key", "route_down"),
        asset="games",
    ),
    Check(
        "quarantined_game",
        passes="No game is quarantined. Each one that is has a failed run of its own.",
        find=lambda _: queries.quarantined_games(),
        one="{name} is quarantined",
        many="{count} games are quarantined",
        remedy="'lol-dagster why {name}' says why, 'lol-dagster quarantine retry {name}' tries again",
        each=True,
        asset="games",
        left_out={"ping": _FOR_PEOPLE},
    ),
    # Channels and messages.
    Check(
        "refused_token",
        passes="No token is refused.",
        find=_blocked_as("token"),
        one="The {name} is refused",
        many="{count} tokens are refused",
        remedy="set another token",
        each=True,
        asset="deliveries",
    ),
    Check(
        "refused_channel",
        passes="No channel refuses us.",
        find=_blocked_as("refused"),
        one="The channel {name!r} refuses us",
        many="{count} channels refuse us",
        remedy="put its permissions or its address right",
        each=True,
        asset="deliveries",
    ),
    Check(
        "refused_edits",
        passes="No channel refuses the edits of its messages.",
        find=_blocked_as("edits"),
        one="The channel {name!r} refuses edits",
        many="{count} channels refuse edits",
        remedy="new games are announced there as ever, corrections of older messages wait: put its "
        "permissions right, or give an edit up with 'lol-dagster message drop'",
        each=True,
        asset="deliveries",
        left_out={"ping": _FOR_PEOPLE},
    ),
    Check(
        "refused_scans",
        passes="No channel refuses to be searched for messages whose fate is not known.",
        find=_blocked_as("scans"),
        one="The channel {name!r} does not let its history be read",
        many="{count} channels do not let their history be read",
        remedy="new games are announced there as ever, what may have been sent waits: put its "
        "permissions right, or decide about those messages: 'lol-dagster message list --state uncertain'",
        each=True,
        asset="deliveries",
        left_out={"ping": _FOR_PEOPLE},
    ),
    Check(
        "silent_channel",
        passes="Every channel answers.",
        find=_blocked_as("silent"),
        one="The channel {name!r} does not answer",
        many="{count} channels do not answer",
        remedy="nothing to do but wait; its messages wait, too, and none is lost",
        each=True,
        for_=NO_ANSWER_FOR,
        asset="deliveries",
        left_out={"ping": "whether a channel answers is not up to us"},
    ),
    Check(
        "unsettled_message",
        passes="Every message is delivered, dropped or up for review in time: none has been due for "
        "half an hour, or open for 25 hours, in a channel that can be used.",
        find=lambda moment: queries.unsettled_messages(moment.now),
        one="1 message has not been delivered for too long",
        many="{count} messages have not been delivered for too long",
        remedy="'lol-dagster message show {name}' has what was tried",
        id_length=8,
        for_=CATCH_UP_FOR,
        asset="deliveries",
    ),
    Check(
        "unsettled_alert",
        passes="Every alert is delivered, dropped or up for review in time.",
        find=lambda moment: queries.unsettled_messages(moment.now, alerts=True),
        one="1 alert has not been delivered for too long",
        many="{count} alerts have not been delivered for too long",
        remedy="'lol-dagster message show {name}' has what was tried",
        id_length=8,
        asset="deliveries",
        left_out={"alerts": "it would not be delivered either"},
    ),
    Check(
        "message_needs_review",
        passes="No message waits for the operator's decision.",
        find=_messages_needing_review,
        one="The message {name} needs review",
        many="{count} messages need review",
        remedy="'lol-dagster message resend {name}' or 'drop' if it is not in the channel, "
        "'mark-delivered' if it is",
        id_length=8,
        each=True,
        asset="deliveries",
        left_out={"ping": _FOR_PEOPLE},
    ),
    Check(
        "failing_template",
        passes="The templates of every channel fill the lines of its games.",
        find=_failing_templates,
        one="1 channel's templates fail, and its lines are as without them",
        many="{count} channels' templates fail, and their lines are as without them",
        remedy="'lol-dagster channel edit {name} --template FIELD=…' with one that can do without what is "
        "missing there",
        asset="messages",
        left_out={"ping": _FOR_PEOPLE},
    ),
    Check(
        "outdated_message",
        passes="Every delivered message stands in its channel with its newest text, or an edit has been "
        "due for no more than a day.",
        find=lambda moment: queries.outdated_messages(moment.now),
        one="1 message stands in its channel with an older text",
        many="{count} messages stand in their channels with an older text",
        remedy="'lol-dagster message show {name}' says why; it is not edited any more unless its text "
        "changes again; 'lol-dagster message drop {name}' if that is all right",
        id_length=8,
        asset="deliveries",
        left_out={"ping": _FOR_PEOPLE},
    ),
    Check(
        "duplicate_message",
        passes="No message is known under two remote ids: none was posted twice.",
        find=lambda _: queries.duplicate_messages(),
        one="1 message was posted twice",
        many="{count} messages were posted twice",
        remedy="'lol-dagster message show {name}' has both ids; delete one by hand, and report this "
        "as a bug",
        id_length=8,
        asset="deliveries",
        left_out={"ping": _FOR_PEOPLE},
    ),
    Check(
        "audit_failure",
        passes="Every delivered message that was read back is in its channel once, with its newest "
        "text. A sample is read back daily (job `audit_messages`); one that somebody has deleted "
        "is no failure.",
        find=lambda _: queries.audit_failures(),
        one="1 message is not in its channel as it was delivered",
        many="{count} messages are not in their channels as they were delivered",
        remedy="'lol-dagster message show {name}' says how; put it right in the channel, then check "
        "it with 'lol-dagster message audit'",
        id_length=8,
        asset="deliveries",
        left_out={"ping": _FOR_PEOPLE},
    ),
    Check(
        "contradictory_message",
        passes="No message's row says two things at once: delivered and given up, open and never "
        "due, delivered without evidence.",
        find=lambda moment: queries.contradictory_messages(moment.session),
        one="1 message has a row that contradicts itself",
        many="{count} messages have rows that contradict themselves",
        remedy="report this as a bug, with what 'lol-dagster message show {name}' says",
        id_length=8,
        asset="deliveries",
        left_out={"ping": _FOR_PEOPLE},
    ),
)
