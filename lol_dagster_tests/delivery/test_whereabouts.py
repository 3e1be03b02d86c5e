"""Where a delivered message stands, by the calls that found it there."""

from __future__ import annotations

import pytest

from lol_dagster.delivery.message_rows import add_message
from lol_dagster.delivery.transports.base import fingerprint
from lol_dagster.delivery.whereabouts import stands_elsewhere
from lol_dagster.messages.content import MessageContent
from lol_dagster.storage.models import Attempt
from lol_dagster_tests._support.message_rows import NOW
from lol_dagster_tests._support.roster_rows import make_channel, make_team


@pytest.mark.parametrize(
    ("calls", "elsewhere"),
    [
        ([], False),
        (["POST accepted here"], False),
        (["POST accepted there"], True),
        (["SCAN found there"], True),
        (["POST accepted unknown"], False),  # of a version that noted none: the present one
        # The newest call that saw it counts: the address was changed and changed back, or it was
        # resent.
        (["POST accepted there", "SCAN found here"], False),
        (["POST accepted here", "SCAN found there"], True),
        # What saw nothing proves nothing.
        (["POST accepted there", "POST uncertain here"], True),
        (["POST accepted here", "POST refused there"], False),
        (["POST accepted here", "SCAN absent there"], False),
        # It was edited where it was thought to be; only a POST or a search says where it is.
        (["POST accepted there", "PATCH accepted here"], True),
    ],
)
def test_a_message_stands_where_it_was_last_posted_or_found(
    database, calls: list[str], elsewhere: bool
) -> None:
    with database.writing() as session:
        channel = make_channel(session, make_team(session))
        addresses = {"here": fingerprint(channel.address), "there": fingerprint("of before")}
        message, other = (
            add_message(
                session, name, channel_id=channel.id, kind="game", subject=name, order_at=NOW,
                content=MessageContent(name, name), now=NOW,
            )
            for name in ("own", "another")
        )  # fmt: skip
        # Of another message nothing follows for this one.
        for each in (*(f"own {call}" for call in calls), "another POST accepted there"):
            name, op, outcome, where = each.split()
            session.add(
                Attempt(
                    message_id=name, op=op, outcome=outcome, fence=1, at=NOW,
                    address=addresses.get(where),
                )
            )  # fmt: skip
            session.flush()
        assert stands_elsewhere(session, message) is elsewhere
        assert stands_elsewhere(session, other)
