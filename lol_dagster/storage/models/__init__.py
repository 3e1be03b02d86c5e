"""The tables, one class each. Other packages import them from here."""

from lol_dagster.storage.models.base import Base
from lol_dagster.storage.models.delivery import (
    Attempt,
    Breaker,
    Message,
    MessageAudit,
    MessageGame,
    MessageText,
    SendBucket,
)
from lol_dagster.storage.models.games import (
    Game,
    Match,
    Participant,
    Payload,
    PlayerStat,
    Quarantine,
)
from lol_dagster.storage.models.roster import (
    Account,
    AccountPoll,
    Channel,
    ChannelProbe,
    Membership,
    Player,
    Team,
)
from lol_dagster.storage.models.system import (
    Alert,
    AuditEntry,
    Fact,
    FailedJob,
    Heartbeat,
    RateCall,
    RateHold,
    RateWindow,
    RunRequest,
)

__all__ = [
    "Account",
    "AccountPoll",
    "Alert",
    "Attempt",
    "AuditEntry",
    "Base",
    "Breaker",
    "Channel",
    "ChannelProbe",
    "Fact",
    "FailedJob",
    "Game",
    "Heartbeat",
    "Match",
    "Membership",
    "Message",
    "MessageAudit",
    "MessageGame",
    "MessageText",
    "Participant",
    "Payload",
    "Player",
    "PlayerStat",
    "Quarantine",
    "RateCall",
    "RateHold",
    "RateWindow",
    "RunRequest",
    "SendBucket",
    "Team",
]
