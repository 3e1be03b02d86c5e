"""Games whose telling has come to an end that no sweep could show.

Its message was dropped, or marked as delivered by a person, or the sweep that told it was killed
before it could say so. In Dagster's UI such a game would stand as missing for as long as it has a
partition, and one that is missing keeps the whole asset from being green.
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
from sqlalchemy import select

from lol_dagster.orchestration.history import chunks
from lol_dagster.orchestration.partitions import MATCH_PARTITIONS
from lol_dagster.orchestration.report import messages_of, of_ending
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Match, Message, MessageGame

_AT_REST = ("delivered", "dropped")
_CHUNK = 500


def unshown_endings(
    instance: dg.DagsterInstance, database: Database
) -> Iterator[dg.AssetMaterialization]:
    """What Dagster lacks: one for each game with a partition that is processed and of whose messages
    none is open.
    """
    shown = instance.get_materialized_partitions(dg.AssetKey("deliveries"))
    stored = instance.get_dynamic_partitions(str(MATCH_PARTITIONS.name))
    open_message = (
        select(Message.id)
        .join(MessageGame, MessageGame.message_id == Message.id)
        .where(MessageGame.match_id == Match.match_id, Message.state.not_in(_AT_REST))
    )
    for some in chunks((key for key in stored if key not in shown), _CHUNK):
        with database.reading() as session:
            ended = session.scalars(
                select(Match.match_id)
                .where(Match.match_id.in_(some), Match.state == "processed", ~open_message.exists())
                .order_by(Match.match_id)
            )
            found = [(key, of_ending(messages_of(session, key))) for key in ended]
        for key, metadata in found:
            yield dg.AssetMaterialization("deliveries", partition=key, metadata=metadata)
