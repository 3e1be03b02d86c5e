"""What delivery asks of the database again and again: no question reads a whole table of history.

The statements are those that the code really makes, caught on their way, and asked how they would be
sent out over a year's history on both databases.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import event, insert, select

from lol_dagster.storage.database import Database
from lol_dagster.storage.models import (
    Attempt,
    AuditEntry,
    Match,
    Message,
    MessageAudit,
    MessageGame,
)
from lol_dagster_tests._support.fake_channels import NOW, fail_before_accept
from lol_dagster_tests.delivery.conftest import DeliverySetup, content

HISTORY = 4000
"""Messages delivered before: so many that reading them all costs more than any index."""
GROWING = ("messages", "attempts", "audit_entries", "message_games", "message_audits")
"""The tables that grow with every game."""

Statement = tuple[str, Any]


def _tell_history(delivery: DeliverySetup, channel: int) -> None:
    ids = [str(uuid.UUID(int=number)) for number in range(HISTORY)]
    delivered = [
        {
            "id": id_, "channel_id": channel, "subject": f"NA1_{number}", "kind": "game",
            "order_at": NOW - timedelta(minutes=number + 60),
            "created_at": NOW - timedelta(minutes=number + 60),
            "delivered_at": NOW - timedelta(minutes=number + 60),
            "state": "delivered", "evidence": "response", "remote_id": str(number), "remote_rev": 1,
            "nonce": id_[:22], "content": content("x").to_json(), "desired_hash": "0" * 64,
        }
        for number, id_ in enumerate(ids)
    ]  # fmt: skip
    posts = [
        {"message_id": id_, "fence": 1, "op": "POST", "rev": 1, "outcome": "accepted",
         "at": NOW - timedelta(minutes=number + 60), "remote_id": str(number)}
        for number, id_ in enumerate(ids)
    ]  # fmt: skip
    matches = [{"match_id": f"NA1_{number}", "listed_at": NOW} for number in range(HISTORY)]
    games = [
        {"channel_id": channel, "match_id": f"NA1_{number}", "message_id": id_}
        for number, id_ in enumerate(ids)
    ]
    decisions = [
        {"at": NOW, "who": "ann", "action": "dropped", "table": "messages", "row": id_}
        for id_ in ids
    ]
    audits = [{"message_id": id_, "at": NOW, "finding": "stands"} for id_ in ids]
    with delivery.database.writing() as session:
        session.execute(insert(Message), delivered)
        session.execute(insert(Match), matches)
        session.execute(insert(MessageGame), games)
        session.execute(insert(Attempt), posts)
        session.execute(insert(AuditEntry), decisions)
        session.execute(insert(MessageAudit), audits)
    with delivery.database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql("ANALYZE" if delivery.database.is_sqlite else "VACUUM ANALYZE")


@contextlib.contextmanager
def _caught(database: Database) -> Iterator[list[Statement]]:
    """Every statement about a table that grows."""
    caught: list[Statement] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.split(maxsplit=1)[0] in {"SELECT", "UPDATE", "DELETE"} and any(
            table in statement for table in GROWING
        ):
            caught.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield caught
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def _whole_tables_read(database: Database, statement: Statement) -> list[str]:
    """The steps of the plan that read a growing table from end to end."""
    sql, parameters = statement
    explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
    with database.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"{explain} {sql}", parameters).all()
    steps = [str(row[-1]).strip() for row in rows]
    if database.is_sqlite:
        return [
            step
            for step in steps
            # An index that holds all that is asked for is not the table.
            if step.startswith(tuple(f"SCAN {table}" for table in GROWING))
            and "USING COVERING INDEX" not in step
        ]
    return [step for step in steps if any(f"Seq Scan on {table}" in step for table in GROWING)]


def test_delivering_reads_no_table_of_history_from_end_to_end(any_delivery: DeliverySetup) -> None:
    delivery = any_delivery
    channel = delivery.channel()
    _tell_history(delivery, channel)
    message = delivery.message(channel, "new")
    delivery.discord.script("post", fail_before_accept(502))
    with _caught(delivery.database) as asked:
        deliverer = delivery.deliverer()
        deliverer.due_now(delivery.now)
        deliverer.next_due_at()
        delivery.run()  # goes unanswered
        delivery.pass_time(3600)
        delivery.run()  # is searched for with a visibility check, and posted
        delivery.say(message, "newer")
        delivery.run()
    assert delivery.titles(channel) == ["newer"]
    assert len(asked) > 10
    whole = {
        sql: found for sql, p in asked if (found := _whole_tables_read(delivery.database, (sql, p)))
    }
    assert whole == {}


def test_what_people_ask_reads_no_table_of_history_from_end_to_end(
    any_delivery: DeliverySetup,
) -> None:
    _tell_history(any_delivery, any_delivery.channel())
    for question in (
        select(AuditEntry).where(AuditEntry.table == "messages", AuditEntry.row == "x"),
        select(Attempt).where(Attempt.message_id == "x").order_by(Attempt.id),
    ):
        assert _read_by(any_delivery.database, question) == []
    # And the search finds a whole table that is read, else it would prove nothing.
    assert len(_read_by(any_delivery.database, select(Message).where(Message.after_id == "x"))) == 1


def _read_by(database: Database, question: Any) -> list[str]:
    with database.reading() as session, _caught(database) as asked:
        session.execute(question)
    (statement,) = asked
    return _whole_tables_read(database, statement)
