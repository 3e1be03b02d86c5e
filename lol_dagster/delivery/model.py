"""The words of the delivery protocol: a message's row, what can happen to it, what is to be done.

Values only. `protocol.step` decides, `outbox` writes, `worker` calls. docs/delivery.md explains.
All durations are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

LONGEST_SETTLING = 120.0
"""A call that somebody is about to make under a lease that began now has shown its effect by then."""
LONG_WAIT = 600.0
"""What tells of a further game does not wait for an edit for so long: Discord caps those of older messages
(30046), and does not say for how long it goes on to."""
LONG_AGO = -1e9
"""On every delivery clock: an instant of which only that it is long past is known."""


QUIET = "it is quiet there"
"""Why a message that is held back until the channel's quiet hours end has not been sent."""


@dataclass(frozen=True)
class Timing:
    """How long things take at most. Invariant: call + margin < lease < the nonce's window (120 s)."""

    lease: float = 60.0
    """How long a claim keeps others away."""
    call: float = 10.0
    """The total deadline of one call to a channel."""
    margin: float = 5.0
    """What must be left of a lease after the longest call."""
    nonce_alone: float = 60.0
    """How long after the first POST Discord's nonce is trusted without reading the channel's history:
    half of the "past few minutes" that Discord speaks of without giving a number."""
    backoff: tuple[float, ...] = (15, 30, 60, 120, 300, 900, 3600)
    """Longest wait before the 1st, 2nd, … repetition; the actual one is a random part of it."""
    probe: float = 3600.0
    """How often a destination that refuses us is tried."""
    review_after: float = 24 * 3600.0
    """How long a message is tried, or searched for, at least, before it needs review because that
    fails where others pass."""
    review_rounds: int = 12
    """How many POSTs or searches of the channel's history may leave a message uncertain."""
    review_absent: int = 5
    """How many server errors, each proven to have posted nothing, a message may meet while others
    pass: Discord answers some payloads with 500 forever (discord-api-docs#6965)."""
    scan_pages: int = 200
    """How many pages of a channel's history are read in search of a message before it needs review:
    20,000 messages of Discord's, 40,000 of Slack's."""
    edit_rounds: int = 54
    """How many PATCHes of one message, and readings of it, may fail before the old text is left standing:
    the last 48 come every half hour on average, so that it is tried for a day."""
    retry_window: float = 600.0
    """Over which a channel's retries are counted."""
    retry_share: float = 0.2
    """How many retries may fail there, for each first try."""
    retry_floor: int = 5
    """How many may fail in any case."""

    @property
    def precheck(self) -> float:
        """The age of a claim from which on no call may begin under it."""
        return self.lease - self.call - self.margin


@dataclass(frozen=True)
class Terms:
    """What a channel's transport can do, and what its operator has chosen."""

    settle: float
    """How long after an unanswered call its effect may still appear in the channel."""
    nonce: bool
    """The remote drops a second POST of the same nonce."""
    read_back: bool
    """The channel can be read, and our messages found in it."""
    edit: bool
    """What was posted can be edited."""
    resend: bool
    """Post again where the fate of a POST cannot be found out; otherwise it needs review."""
    pictures: bool = False
    """What was posted can be given a picture."""
    timing: Timing = field(default_factory=Timing)


@dataclass(frozen=True)
class Moment:
    """Now: on the delivery clock, on the wall, and a throw of jitter for this step's waits."""

    epoch: str
    """The delivery clock's name; another name, another clock."""
    at: float
    wall: datetime
    jitter: float
    """Uniform in [0, 1)."""
    others_pass: bool = False
    """Since the row was tried before, another message has been accepted by the same service: what fails
    now is not the service."""


@dataclass(frozen=True)
class Row:
    """What `storage.models.Message` keeps of a delivery, under the same names."""

    id: str
    created_at: datetime
    desired_rev: int
    state: str = "pending"
    due_at: datetime | None = None
    fence: int = 0
    lease_owner: str | None = None
    clock: str | None = None
    lease_until: float | None = None
    settle_until: float | None = None
    first_sent_at: float | None = None
    sent_maybe: bool = False
    uncertain_since: datetime | None = None
    after_id: str | None = None
    scan_position: str | None = None
    scan_pages: int = 0
    sent_rev: int | None = None
    remote_id: str | None = None
    remote_rev: int | None = None
    given_up_rev: int | None = None
    remote_deleted: bool = False
    evidence: str | None = None
    delivered_at: datetime | None = None
    attempts: int = 0
    uncertain_rounds: int = 0
    proven_absent: int = 0
    edit_rounds: int = 0
    last_error: str | None = None

    @property
    def delivered(self) -> bool:
        """Proven to have been delivered, whatever is being done with it now."""
        return self.evidence is not None


# --- what can happen -----------------------------------------------------------------------------


# To whichever row, claimed or not:


@dataclass(frozen=True)
class TextChanged:
    """The message is to say something else from now on: its revision grows."""

    at: datetime
    lost: bool = False
    """What stands in the channel may have been edited by an installation that was lost."""


@dataclass(frozen=True)
class LeftStanding:
    """What stands in the channel is to be left there, although it is not the newest text."""


@dataclass(frozen=True)
class Withdraw:
    """Nothing is to be sent any more: the channel was removed, a test or an alert is over."""

    reason: str


@dataclass(frozen=True)
class Reopened:
    """The destination, which had refused us, or was quiet, is open again."""

    at: datetime


@dataclass(frozen=True)
class Restored:
    """A backup was restored: since it was taken the message may have been sent."""

    at: datetime


@dataclass(frozen=True)
class ClockPutBack:
    """The clocks were ahead and were put right: what waits for a moment after `limit` waits no longer."""

    limit: datetime
    at: datetime
    epoch: str
    """The delivery clock's name, and seconds on it."""
    seconds: float


@dataclass(frozen=True)
class ProbeEnded:
    """The test of a channel is over: what it has done with its own message."""

    edited: bool
    """The next revision stands in the channel, and is the newest."""
    deleted: bool


Change = TextChanged | LeftStanding | Withdraw | Reopened | Restored | ClockPutBack | ProbeEnded
"""What may happen to a row that nobody has claimed, or that another one has."""

# Under a claim:


@dataclass(frozen=True)
class Claim:
    """A deliverer claims the row."""

    lease_owner: str
    after_id: str | None = None
    """Where in the channel's history the message would stand at the earliest, for a row that may
    have been sent and does not know: a backup was restored."""


@dataclass(frozen=True)
class HoldBack:
    """Nothing was called: the lease grew old, or the destination is not to be called for now."""

    until: datetime
    reason: str


@dataclass(frozen=True)
class OverBudget:
    """The channel's retries are used up for now."""

    until: datetime


@dataclass(frozen=True)
class Intend:
    """The pre-check passed; the call begins as soon as this step is durable."""

    after_id: str | None = None
    """Where in the channel's history the message would stand, at the earliest; None: anywhere."""


@dataclass(frozen=True)
class Accepted:
    """A complete answer says that the message stands in the channel as revision `rev`."""

    remote_id: str | None
    rev: int


@dataclass(frozen=True)
class NotSent:
    """No byte of the request left, or a known refusal asks us to wait."""

    reason: str
    retry_after: float | None = None
    """We are asked to wait so long, which is no failed try; None: no byte left."""


@dataclass(frozen=True)
class Uncertain:
    """Bytes left, and no complete and known answer came back."""

    reason: str


@dataclass(frozen=True)
class Deleted:
    """The message was delivered and somebody deleted it."""

    reason: str


@dataclass(frozen=True)
class Refused:
    """The content of this very message is refused, and would be again."""

    reason: str


@dataclass(frozen=True)
class Blocked:
    """The destination refuses us, whatever the message."""

    reason: str
    scope: Literal["channel", "token"] = "channel"
    dead: bool = False
    """Not even to be tried again before the operator has changed something."""
    unknown: bool = False
    """Why is not known: it may as well be about this message alone."""


@dataclass(frozen=True)
class Found:
    """The channel's history holds the message."""

    remote_id: str
    rev: int
    extras: tuple[str, ...] = ()
    """Further copies, which should not be there."""


@dataclass(frozen=True)
class More:
    """A page of the channel's history was read, and there are more."""

    position: str | None
    """Where to read on, as its transport understands it; None: at the beginning, once more."""


@dataclass(frozen=True)
class Absent:
    """The channel's history was read to its end, which the visibility check confirms, and does not
    hold the message.
    """

    after_server_error: bool = False
    """The last POST was answered with a server error."""
    unmarked: tuple[str, ...] = ()
    """Remote ids of what stands there of ours, by its author and its text, and has no marker."""


@dataclass(frozen=True)
class Unclear:
    """The channel's history was read to its end, and something there may be the message."""

    reason: str


@dataclass(frozen=True)
class UnreadableHistory:
    """The history was answered, but nothing shows that we may read it."""

    reason: str


@dataclass(frozen=True)
class NotSeen:
    """The channel's history, or the message, could not be read."""

    reason: str
    retry_after: float | None = None
    """We are asked to wait so long, which is no failed look."""


@dataclass(frozen=True)
class Seen:
    """The posted message was read by its id and stands as revision `rev`."""

    rev: int


@dataclass(frozen=True)
class Unmarked:
    """The posted message was read by its id, and does not hold our marker."""

    reason: str = "the message there does not hold our marker"


PostVerdict = Accepted | NotSent | Uncertain | Deleted | Refused | Blocked
ScanVerdict = Found | More | Absent | Unclear | UnreadableHistory | NotSeen | Blocked
GetVerdict = Seen | Unmarked | Deleted | NotSeen | Blocked
Verdict = PostVerdict | ScanVerdict | GetVerdict


@dataclass(frozen=True)
class Answered:
    """A POST or PATCH has ended, this way or another."""

    verdict: PostVerdict
    maybe_before: bool = False
    """An earlier POST of the message may have gone out."""
    before_rev: int | None = None
    """What that one said."""


@dataclass(frozen=True)
class Resend:
    """The operator wants a message that needs review to be delivered."""

    check_first: bool
    """The channel's history can be searched: post only what is proven absent. Otherwise post, whatever
    the earlier POSTs have done."""


@dataclass(frozen=True)
class MarkDelivered:
    """The operator has seen the message in the channel."""

    remote_id: str | None
    """Under this id, without which it is never edited."""


@dataclass(frozen=True)
class Drop:
    """The operator gives the message up, or the edit of one that is delivered."""


Decision = Resend | MarkDelivered | Drop
Event = (
    Change | Claim | HoldBack | OverBudget | Intend | Answered | ScanVerdict | GetVerdict | Decision
)


# --- what is to be done next ---------------------------------------------------------------------


@dataclass(frozen=True)
class Scan:
    """Search a page of the channel's history for the message, which stands after `after_id`."""

    after_id: str | None
    position: str | None = None
    """As the last page left it; None: the first page."""


@dataclass(frozen=True)
class Send:
    """Pre-check, and `Intend` if it passes."""

    op: Literal["POST", "PATCH"]


@dataclass(frozen=True)
class Post:
    """POST once."""

    rev: int
    maybe_before: bool
    before_rev: int | None = None
    """These two to be handed back in `Answered`."""


@dataclass(frozen=True)
class Patch:
    """PATCH once with the full content."""

    remote_id: str
    rev: int


@dataclass(frozen=True)
class Get:
    """Read the posted message to see which revision stands there."""

    remote_id: str


@dataclass(frozen=True)
class Delete:
    """Delete a duplicate, and raise the alarm."""

    remote_id: str
    rest: Found | None = None
    """What stands there then, of a message that is looked for: delivered only when its copies are gone."""


Effect = Scan | Send | Post | Patch | Get | Delete
