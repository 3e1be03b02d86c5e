"""When the nightly work is overdue, and the backup that it takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lol_dagster.backups.take import take_backup
from lol_dagster.monitoring.checks import Moment, result_of, run_checks
from lol_dagster.monitoring.housekeeping import is_overdue, note_night
from lol_dagster.settings import load_settings
from lol_dagster.storage.database import Database

NOW = datetime(2026, 8, 1, 4, 15, tzinfo=UTC)


def test_where_nothing_schedules_it_the_nightly_work_becomes_overdue(database: Database) -> None:
    def overdue(hours: float) -> bool:
        with database.writing() as session:
            return is_overdue(session, NOW + timedelta(hours=hours))

    assert [overdue(hours) for hours in (0, 25, 26.1)] == [False, False, True]
    with database.writing() as session:
        note_night(session, NOW + timedelta(hours=27))
    assert [overdue(hours) for hours in (28, 52, 54)] == [False, False, True]


@pytest.mark.sqlite
def test_a_backup_is_overdue_after_the_first_night(database: Database, tmp_path: Path) -> None:
    def error(hours: float) -> str | None:
        with database.reading() as session:
            results = run_checks(Moment(session, load_settings(), NOW + timedelta(hours=hours)))
        result = result_of(results, "overdue_backup")
        return None if result.passed else result.line

    assert error(0) is None
    with database.writing() as session:
        note_night(session, NOW)
    assert error(0.5) is None
    assert str(error(2)).startswith(
        "The backup is overdue (there is no good one): 'lol-dagster db backup'"
    )
    take_backup(database, tmp_path, NOW)
    assert error(25) is None
    assert str(error(27)).startswith(
        "The backup is overdue (the last good one is of 2026-08-01 04:15 UTC): "
    )
