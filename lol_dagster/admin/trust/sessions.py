"""Who is signed in, and for how long: a signed cookie, with what has to be remembered of it.

A session ends after `IDLE_FOR` without a request, at the latest after `AT_MOST`, when its owner signs
out (the cookie is refused from then on, whoever has a copy), and when the password changes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from flask import session

from lol_dagster.admin.context import admin_context
from lol_dagster.admin.transactions import reading
from lol_dagster.storage.models import Fact
from lol_dagster.storage.upsert import insert_if_absent

IDLE_FOR = timedelta(hours=2)
AT_MOST = timedelta(hours=12)
_NOTED_EVERY = timedelta(minutes=1)
_SIGNED_OUT = "admin-signed-out"


def begin_session(name: str) -> None:
    """Sign somebody in who has given the password."""
    now = admin_context().now().isoformat()
    session.clear()
    session.update(
        who=name, id=secrets.token_hex(16), since=now, seen=now, password=_password_print()
    )


def who_is_signed_in() -> str | None:
    """The name under which this request's session was begun, if it is still good."""
    if "who" not in session:
        return None
    now = admin_context().now()
    since, seen = (datetime.fromisoformat(session[each]) for each in ("since", "seen"))
    if (
        now - since >= AT_MOST
        or now - seen >= IDLE_FOR
        or not hmac.compare_digest(session["password"], _password_print())
        or session["id"] in _signed_out(now)
    ):
        session.clear()
        return None
    if now - seen >= _NOTED_EVERY:
        session["seen"] = now.isoformat()
    name: str = session["who"]
    return name


def end_session() -> None:
    """Sign out, for good: a copy of the cookie is worth nothing from now on."""
    context = admin_context()
    now = context.now()
    with context.database.writing() as writing:
        insert_if_absent(writing, Fact, [{"name": _SIGNED_OUT, "value": {}}])
        fact = writing.get_one(Fact, _SIGNED_OUT, with_for_update=True)
        fact.value = {
            **{each: until for each, until in fact.value.items() if until > now.isoformat()},
            session["id"]: (now + AT_MOST).isoformat(),
        }
    session.clear()


def _signed_out(now: datetime) -> set[str]:
    fact = reading().get(Fact, _SIGNED_OUT)
    return set() if fact is None else {k for k, v in fact.value.items() if v > now.isoformat()}


def _password_print() -> str:
    """Tells one password from another."""
    stored = admin_context().settings.admin_password_hash
    assert stored is not None, "nobody signs in without a password"
    return hashlib.sha256(stored.get_secret_value().encode()).hexdigest()[:16]
