"""How pages use the database: one reading snapshot per request, one short transaction per write.

A page reads in `reading()`: a read-only transaction, begun when first used and ended with the
request. It never blocks a writer and is never blocked by one. Whatever changes something does it
inside `with writing() as session:`, which is `Database.writing` in the name of whoever is signed in:
BEGIN IMMEDIATE on SQLite, committed at the end, audited. Rows that are changed are loaded again inside
it, since the snapshot may be old by then.

Flask-Admin takes `RequestDatabase` for its `db` and asks it for `session`, so that its lists, forms
and inline rows follow the same rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from flask import Flask, g
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Session

from lol_dagster.admin.context import admin_context, current_who


class RequestDatabase(SQLAlchemy):
    """What Flask-Admin calls a `db`: its `session` is the writing one while there is one.

    A subclass because Flask-Admin asks for `session` only where it finds one; nothing else of
    Flask-SQLAlchemy is used.
    """

    def __init__(self) -> None:
        """Nothing of Flask-SQLAlchemy's own: no engines, no models."""

    @property
    def session(self) -> Session:  # type: ignore[override]
        session: Session | None = g.get("writing_session")
        return session if session is not None else reading()


def reading() -> Session:
    """The read-only session of this request."""
    if "reading_session" not in g:
        g.reading_stack = ExitStack()
        g.reading_session = g.reading_stack.enter_context(admin_context().database.reading())
    session: Session = g.reading_session
    return session


def end_reading() -> None:
    """End this request's snapshot: before a call over the network, which may take long. The next
    `reading()` begins another.
    """
    stack: ExitStack | None = g.pop("reading_stack", None)
    if stack is not None:
        del g.reading_session
        stack.close()


@contextmanager
def writing() -> Iterator[Session]:
    """A transaction in the name of whoever is signed in: committed at the end, rolled back on an
    exception. No call over the network may happen in it.
    """
    with admin_context().database.writing(who=current_who()) as session:
        g.writing_session = session
        try:
            yield session
        finally:
            del g.writing_session


def end_reading_with_requests(app: Flask) -> None:
    @app.teardown_appcontext
    def end(_error: BaseException | None) -> None:
        end_reading()
