"""How many matches and messages there are in each state, without counting all that there ever were.

What is open is counted as it is, by the index on states. What is closed was counted in the night; since then
come the rows that are newer than that, so that the sums are always right. How the older ones are divided
among the closed states is as of the night: of a game that left its quarantine, say, it is wrong until then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Integer, func, literal, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Fact, Match, Message
from lol_dagster.storage.models.delivery import MESSAGE_STATES
from lol_dagster.storage.models.games import MATCH_STATES

_FACT = "counted"
_SETTLED = timedelta(hours=1)
"""Rows are stamped a moment before they are seen, by clocks that differ: younger ones are not taken as known."""


@dataclass(frozen=True)
class _Counted:
    """Something that has states, of which the rows in most of them are never changed again."""

    name: str
    state: InstrumentedAttribute[str]
    since: InstrumentedAttribute[datetime]
    """When a row came to be; there is an index on the two of them."""
    states: tuple[str, ...]
    closed: tuple[str, ...]
    """Of these states; nearly all rows are in the first."""


_MATCHES = _Counted(
    "matches", Match.state, Match.listed_at, MATCH_STATES, ("processed", "ignored", "not_found")
)
_MESSAGES = _Counted(
    "messages", Message.state, Message.created_at, MESSAGE_STATES, ("delivered", "dropped")
)


def count_matches(session: Session) -> dict[str, int]:
    """By state; of each state, in the order of the way."""
    return _count(session, _MATCHES)


def count_messages(session: Session) -> dict[str, int]:
    """By state; of each state."""
    return _count(session, _MESSAGES)


def count_everything(database: Database, now: datetime) -> None:
    """Count what is closed, so that nobody has to until the next night."""
    until = now - _SETTLED
    with database.reading() as session:
        counts = {
            each.name: dict(
                session.execute(
                    select(each.state, func.count()).where(each.since <= until).group_by(each.state)
                ).all()
            )
            for each in (_MATCHES, _MESSAGES)
        }
    with database.writing() as session:
        session.merge(Fact(name=_FACT, value={"until": until.isoformat(), **counts}))


def _count(session: Session, what: _Counted) -> dict[str, int]:
    fact = session.get(Fact, _FACT)
    known: dict[str, int] = {} if fact is None else fact.value[what.name]
    until = datetime.min.replace(tzinfo=UTC)
    if fact is not None:
        until = datetime.fromisoformat(fact.value["until"])
    found = dict.fromkeys(what.states, 0)
    newer = 0
    for state, is_newer, count in session.execute(union_all(*_parts(what, until))):
        newer += count if is_newer else 0
        if is_newer == (state in what.closed):
            found[state] = count
    usual, *others = what.closed
    for state in others:
        found[state] += known.get(state, 0)
    rest = sum(count for state, count in found.items() if state != usual)
    return found | {usual: sum(known.values()) + newer - rest}


def _parts(what: _Counted, until: datetime) -> Iterator[Any]:
    """State, whether only newer rows are counted, how many there are: a stretch of the index each."""
    for state in what.states:
        in_state = what.state == state
        one = select(literal(state), literal(1, Integer), func.count())
        yield one.where(in_state, what.since > until)
        if state not in what.closed:
            yield select(literal(state), literal(0, Integer), func.count()).where(in_state)
