"""Run requests on the command line: how far one is, in words and as JSON."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import click

from lol_dagster.pipeline.run_requests import Progress, progress
from lol_dagster.storage.database import Database

AFTERWARDS = (
    "`lol-dagster up` does it within seconds; `lol-dagster once` does it with its next call."
)
_POLL_EVERY_S = 0.5


def progress_json(found: Progress) -> dict[str, Any]:
    fields = asdict(found)
    return {"request": fields.pop("request_id"), **fields}


def in_words(found: Progress) -> str:
    """`queued (run 1a2b3c4d)`, `processed: 1 message about it`."""
    run = f" (run {found.run_id[:8]})" if found.run_id else ""
    detail = f": {found.detail}" if found.detail else ""
    return f"{found.state.replace('_', ' ')}{run}{detail}"


def follow(database: Database, request_id: int, *, seconds: float, quiet: bool) -> Progress:
    """Poll a request until it is over or the time is up; each change is a line on stderr."""
    said = None
    until = time.monotonic() + seconds
    while True:
        with database.reading() as session:
            found = progress(session, request_id)
        if not quiet and in_words(found) != said:
            said = in_words(found)
            click.echo(f"{found.match_id}: {said}", err=True)
        if found.is_over or time.monotonic() > until:
            return found
        time.sleep(_POLL_EVERY_S)
