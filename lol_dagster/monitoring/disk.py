"""How much disk space is left, and when that is too little."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from lol_dagster.settings import Settings

RESERVE_BYTES = 500 * 1024 * 1024
"""For logs, runs and what the database grows by before anybody acts."""

_SIZES = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_database_size(current_database())",
}


@dataclass(frozen=True)
class Disk:
    """The disk that LOL_HOME is on, and the database's size; bytes."""

    free: int
    total: int
    database: int

    @property
    def is_nearly_full(self) -> bool:
        """Whether there is no space for the reserve and one backup of the database."""
        return self.free < RESERVE_BYTES + self.database


def read_disk(session: Session, settings: Settings) -> Disk:
    """As it is now."""
    usage = shutil.disk_usage(settings.home)
    size = session.execute(text(_SIZES[session.get_bind().dialect.name])).scalar_one()
    return Disk(free=usage.free, total=usage.total, database=int(size))


def size(number: int) -> str:
    """`1.5 GB`."""
    for unit, power in (("GB", 3), ("MB", 2)):
        if number >= 1024**power:
            return f"{number / 1024**power:.1f} {unit}"
    return f"{number // 1024} kB"
