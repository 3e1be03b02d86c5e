"""Whether what a database has committed survives a power cut: the intent to send a message must."""

from __future__ import annotations

from sqlalchemy import text

from lol_dagster.storage.database import Database

_FULL = 2


def undurable(database: Database) -> str | None:
    """What keeps a committed transaction from surviving a power cut; None: nothing.

    PostgreSQL's synchronous_commit is not asked for: our writers turn it on where it is off.
    """
    with database.reading() as session:
        if database.is_sqlite:
            level = session.scalar(text("PRAGMA synchronous"))
            return None if level is not None and level >= _FULL else "synchronous is not FULL"
        off = [
            name
            for name in ("fsync", "full_page_writes")
            if session.scalar(text("SELECT current_setting(:name)"), {"name": name}) == "off"
        ]
    if not off:
        return None
    return (
        f"the server runs with {' and '.join(off)} off: after a power cut messages may be told "
        "twice; turn it on in postgresql.conf"
    )
