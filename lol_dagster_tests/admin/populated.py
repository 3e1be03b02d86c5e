"""An installation in which a little of everything has happened, for the pages that show it."""

from __future__ import annotations

import hashlib
import zlib
from datetime import timedelta

from sqlalchemy.orm import Session

from lol_dagster.messages.content import Line, MessageContent, Section
from lol_dagster.storage.models import (
    Attempt,
    Match,
    Message,
    MessageGame,
    Payload,
    Player,
    Quarantine,
)
from lol_dagster_tests._support.message_rows import ENDED, add_game, played
from lol_dagster_tests._support.roster_rows import make_channel, make_member, make_team

BODY = b'{"metadata": {}, "info": {"note": "not a real one"}}'
RANKED, ARAM, REMAKE, FOREIGN = "EUW1_11", "EUW1_12", "EUW1_13", "EUW1_14"
QUARANTINED, LISTED = "EUW1_21", "EUW1_22"
CONTENT = MessageContent(
    title="Ann won · Ranked Solo",
    summary="Ann won Ranked Solo as Jinx 12/1/7",
    sections=(
        Section(
            lines=(
                Line(
                    lead="Ann",
                    facts=("Jinx", "12/1/7"),
                    details=("6.3 CS/min",),
                    highlights=("penta kill",),
                ),
            ),
            heading="Blue side",
        ),
    ),
    url="https://www.leagueofgraphs.com/match/euw/11",
    tone="good",
    footer="32 minutes",
)


def populate(session: Session) -> dict[str, int]:
    """Games of two teams, a message of each kind of fate, a game quarantined, one on its way.

    Returns:
        Name → id of players, teams and channels.
    """
    amigos, others = make_team(session, "Amigos"), make_team(session, "Others")
    ann = make_member(session, amigos, "Ann", game_name="Ann", tag_line="EUW")
    bob = make_member(session, amigos, "Bob", game_name="Bob", tag_line="EUW")
    zoe = make_member(session, others, "Zoe", game_name="Zoe", tag_line="EUW")
    readable = make_channel(session, amigos, "amigos-bot", kind="discord-bot")
    unreadable = make_channel(
        session, amigos, "amigos-hook", kind="slack-webhook",
        address="https://hooks.slack.com/services/T0/B0/hidden",
    )  # fmt: skip
    digest = hashlib.sha256(BODY).hexdigest()
    add_game(
        session, RANKED, played(ann, "Jinx", (12, 1, 7), highlights=["penta_kill"]),
        played(bob, "Thresh", (1, 4, 20)), processed_at=ENDED + timedelta(minutes=1),
        payload_sha256=digest,
    )  # fmt: skip
    add_game(
        session, ARAM, played(bob, "Lux", (3, 9, 12), outcome="loss"),
        ended_at=ENDED - timedelta(days=1), queue_name="ARAM", mode_family="aram",
    )  # fmt: skip
    add_game(
        session, REMAKE, played(ann, "Ahri", (0, 0, 0), outcome="remake"),
        ended_at=ENDED - timedelta(days=2), result="remake", counts_in_form=False,
    )  # fmt: skip
    add_game(
        session, FOREIGN, played(zoe, "Zed", (5, 5, 5)), ended_at=ENDED - timedelta(days=3)
    )  # fmt: skip
    for match_id in (RANKED, ARAM, REMAKE, FOREIGN):
        session.get_one(Match, match_id).state = "processed"
    session.add(
        Match(
            match_id=QUARANTINED, state="quarantined", listed_at=ENDED, last_error="no info in it"
        )
    )
    session.add(Match(match_id=LISTED, state="listed", listed_at=ENDED, next_try_at=ENDED))
    session.flush()
    for match_id in (RANKED, QUARANTINED):
        session.add(
            Payload(
                match_id=match_id, encoding="zlib", body=zlib.compress(BODY), sha256=digest,
                size=len(BODY), fetched_at=ENDED + timedelta(seconds=40),
            )
        )  # fmt: skip
    session.add(
        Quarantine(
            match_id=QUARANTINED, stage="player_stats", error="no info in it",
            traceback="Traceback (most recent call last):\n  KeyError: 'participants'",
            code_version="0", quarantined_at=ENDED,
        )
    )  # fmt: skip
    add_message(session, readable.id, RANKED, "delivered", remote_id="1122334455667788990")
    add_message(session, unreadable.id, RANKED, "needs_review")
    add_message(session, readable.id, ARAM, "blocked")
    return {
        "Ann": ann.id, "Bob": bob.id, "Zoe": zoe.id, "Amigos": amigos.id, "Others": others.id,
        "amigos-bot": readable.id, "amigos-hook": unreadable.id,
    }  # fmt: skip


def add_message(
    session: Session,
    channel_id: int,
    match_id: str,
    state: str,
    *,
    remote_id: str | None = None,
    content: MessageContent = CONTENT,
) -> Message:
    """A message about a game; one that is delivered or needs review was sent once."""
    delivered = state == "delivered"
    message = Message(
        channel_id=channel_id, subject=match_id, kind="game", order_at=ENDED,
        created_at=ENDED + timedelta(minutes=1), state=state, nonce=f"{channel_id}-{match_id}",
        content=content.to_json(), desired_hash=content.content_hash(), remote_id=remote_id,
        delivered_at=ENDED + timedelta(minutes=2) if delivered else None,
        evidence="response" if delivered else None,
        sent_maybe=state in {"delivered", "needs_review"},
        last_error=None if delivered else "no answer within 10 s",
    )  # fmt: skip
    session.add(message)
    session.flush()
    session.add(MessageGame(channel_id=channel_id, match_id=match_id, message_id=message.id))
    if message.sent_maybe:
        session.add(
            Attempt(
                message_id=message.id, fence=1, op="POST", rev=1,
                at=ENDED + timedelta(minutes=2), outcome="accepted" if delivered else "uncertain",
                http_status=200 if delivered else None, remote_id=remote_id, elapsed_ms=180,
                body_sha256="ab" * 32, detail=None if delivered else "no answer within 10 s",
            )
        )  # fmt: skip
    session.flush()
    return message


def add_many_games(session: Session, player: Player, number: int) -> None:
    """So many games, an hour apart, of which every third is lost."""
    for each in range(number):
        add_game(
            session, f"EUW1_{1000 + each}",
            played(player, "Jinx", (each % 9, 1 + each % 4, each % 7),
                   outcome="loss" if each % 3 == 0 else "win"),
            ended_at=ENDED - timedelta(hours=each + 1),
        )  # fmt: skip
