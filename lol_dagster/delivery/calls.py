"""Calls to channels that end in an answer, whatever breaks on the way: a transport's own mistake
must not leave a message in doubt about what is known of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from lol_dagster.delivery.claimed import Claimed
from lol_dagster.delivery.states import (
    GetVerdict,
    NotSeen,
    PostVerdict,
    Refused,
    ScanVerdict,
    Uncertain,
    Verdict,
)
from lol_dagster.delivery.transports.base import Answer, Outgoing, Transport
from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.marker import write_marker

logger = logging.getLogger(__name__)


def rendered(transport: Transport, claimed: Claimed, rev: int) -> Outgoing | Answer[PostVerdict]:
    """The message as its channel takes it, or why it cannot be said there.

    Whatever is wrong with one message's content parks that message alone.
    """
    try:
        content = MessageContent.from_json(claimed.content)
        body = transport.render(content, write_marker(claimed.row.id, rev))
    except Exception as error:
        logger.exception("cannot be rendered", extra={"message_id": claimed.row.id})
        return Answer(Refused(f"it cannot be rendered: {type(error).__name__}"))
    return Outgoing(claimed.row.id, rev, claimed.nonce, body)


def sent(call: Callable[[], Answer[PostVerdict]]) -> Answer[PostVerdict]:
    """A POST, PATCH or DELETE."""
    try:
        return call()
    except Exception as error:
        # An answer that breaks our code came after the bytes had left.
        logger.exception("a call to a channel ended in an unexpected way")
        return Answer(Uncertain(f"unexpected {type(error).__name__}"))


def looked(call: Callable[[], Answer[ScanVerdict | GetVerdict]]) -> Answer[Verdict]:
    """A look into the channel or at one message."""
    try:
        return call()
    except Exception as error:
        # Nothing is known then, which is all there is to say.
        logger.exception("a look into a channel ended in an unexpected way")
        return Answer(NotSeen(f"unexpected {type(error).__name__}"))
