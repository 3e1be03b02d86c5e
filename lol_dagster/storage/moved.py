"""The mark of a database that was copied into another one, or is just being copied: nothing starts on it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from lol_dagster.storage.database import Database, DatabaseError
from lol_dagster.storage.models import Fact

MOVED_FACT = "moved_to"


def mark_moved(session: Session, to: str, *, is_complete: bool) -> None:
    """
    Args:
        to: The other database's URL, without its password.
        is_complete: Whether all of it has arrived there.
    """
    session.merge(Fact(name=MOVED_FACT, value={"to": to, "is_complete": is_complete}))


def unmark_moved(session: Session) -> bool:
    """Let the database be used again; whether it was marked."""
    fact = session.get(Fact, MOVED_FACT)
    if fact is not None:
        session.delete(fact)
    return fact is not None


def refuse_if_moved(database: Database) -> None:
    """
    Raises:
        DatabaseError: the database lives on in another one.
    """
    with database.reading() as session:
        fact = session.get(Fact, MOVED_FACT)
    if fact is None:
        return
    here, to = database.url.render_as_string(hide_password=True), fact.value["to"]
    if fact.value["is_complete"]:
        raise DatabaseError(
            f"{here} was moved to {to}: set LOL_DATABASE_URL to that one; if nothing has ever been started "
            "there, 'lol-dagster db reopen' lets this one be used again"
        )
    raise DatabaseError(
        f"{here} is being copied to {to}, or that was cut short: wait for it, or repeat 'lol-dagster db copy' "
        "into an empty database; 'lol-dagster db reopen' lets this one be used as before"
    )
