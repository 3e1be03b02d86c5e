"""What is archived comes back as it was, or not at all."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from lol_dagster.riot.archive import DamagedPayload, archive_payload, load_payload, packed
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Match, Payload

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BODY = b'{"metadata": {"matchId": "NA1_1"}, "info": {"x": 1.50, "y": "\\u00e9"}}\r\n'


def test_a_missing_payload_and_a_damaged_one_are_reported(database: Database) -> None:
    with database.reading() as session, pytest.raises(LookupError, match="NA1_1"):
        load_payload(session, "NA1_1")
    with database.writing() as session:
        session.add(Match(match_id="NA1_1", listed_at=NOW))
        session.flush()
        archive_payload(session, packed("NA1_1", BODY, NOW))
    for wrong, said in (
        ({"body": zlib.compress(BODY.replace(b"1.50", b"1.51"))}, "checksum"),
        ({"body": b"no zlib"}, "unpacked"),
        ({"encoding": "zstd"}, "zstd"),
    ):
        with database.writing() as session:
            session.execute(update(Payload).values(**wrong))
        with database.reading() as session, pytest.raises(DamagedPayload, match=said):
            load_payload(session, "NA1_1")


def test_what_was_archived_first_stays(any_database: Database) -> None:
    with any_database.writing() as session:
        session.add(Match(match_id="NA1_1", listed_at=NOW))
        session.flush()
        archive_payload(session, packed("NA1_1", BODY, NOW))
        archive_payload(session, packed("NA1_1", b"{}", NOW))
    with any_database.reading() as session:
        assert load_payload(session, "NA1_1").body == BODY
