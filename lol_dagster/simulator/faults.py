"""What goes wrong, how often, and in which words it is asked for.

A SPEC is a list of rules, separated by `;`, each `TARGET=FAULT,FAULT,…`:

    discord.post=error-after-accept:0.3,reset:0.1; riot.match=503:0.2; riot@europe=outage(600)

TARGET is a service or one of its operations, or `all`; `@PLACE` narrows it to one route host of Riot's or
one channel. FAULT is `KIND`, `KIND(ARGUMENT)`, with `:PROBABILITY` (0 to 1, default 1) and `*TIMES` (at
most so often, default without end). One roll decides between the faults of a rule, so their
probabilities add up to 1 at most; the first rule that hits wins. The same seed and the same order of
calls give the same faults.

Operations: see `OPERATIONS`. Kinds: see `KINDS`; `describe()` prints both for people. "Accepted" means
that the truth log has it: the message is there, whatever the client was answered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import partial
from random import Random
from threading import Lock

from lol_dagster.simulator.games import REGION_OF, REGIONS
from lol_dagster.simulator.rng import seeded_rng
from lol_dagster.simulator.truth import Clock, within

OPERATIONS: dict[str, tuple[str, ...]] = {
    "riot": (
        "account",
        "region",
        "match-list",
        "match",
        "timeline",
        "league",
        "summoner",
        "status",
    ),
    "discord": (
        "post",
        "edit",
        "delete",
        "list",
        "get",
        "me",
        "channel",
        "servers",
        "member",
        "channels",
        "application",
        "emojis",
        "emoji",
    ),
    "discord-hook": ("post", "edit", "delete", "get", "webhook"),
    "slack": (
        "post",
        "edit",
        "delete",
        "history",
        "permalink",
        "auth",
        "channel",
        "channels",
        "upload-url",
        "upload",
        "upload-complete",
        "file",
    ),
    "slack-hook": ("post",),
    "ddragon": ("versions", "champions", "icon"),
}
"""Service → operations; a target is `riot` or `riot.match`."""

_DISCORD = ("discord", "discord-hook")
_SLACK = ("slack", "slack-hook")
_EVERY = tuple(OPERATIONS)
_LIST = ("riot.match-list",)


class Stage(Enum):
    """Where a fault strikes."""

    BEFORE = "before"
    """The call is not accepted."""
    AFTER = "after"
    """The call is accepted, and its answer goes wrong."""
    BEHAVIOUR = "behaviour"
    """The call is answered, by other rules than usual."""


@dataclass(frozen=True)
class Kind:
    """A kind of fault: what it does, where it is legal and what its argument means."""

    stage: Stage
    says: str
    targets: tuple[str, ...] = _EVERY
    """Services or operations that it can strike."""
    argument: str = ""
    """What the argument is, as in `seconds`; empty when it takes none."""
    default: str | None = None
    """The argument when none is given; None when one must be given or none is taken."""


_before = partial(Kind, Stage.BEFORE)
_after = partial(Kind, Stage.AFTER)
_behaviour = partial(Kind, Stage.BEHAVIOUR)


def _limited(says: str, targets: tuple[str, ...], default: str = "1") -> Kind:
    return _before(says, targets, "seconds", default)


KINDS: dict[str, Kind] = {
    "refuse": _before(
        "the service's own refusal with this code, as in refuse(50013) or refuse(is_archived)",
        (*_DISCORD, *_SLACK),
        "code",
    ),
    "outage": _before(
        "503 with an HTML body to every call, for so many seconds from when it is set (0: until it "
        "is taken back)",
        _EVERY,
        "seconds",
        "0",
    ),
    "429": _limited("too many requests, in the service's commonest form", _EVERY),
    "429-route": _limited("Discord: this bucket only", _DISCORD),
    "429-global": _limited("Discord: the whole bot", _DISCORD),
    "429-shared": _limited("Discord: the channel's bucket is used up by others", _DISCORD),
    "429-cloudflare": _limited("Discord's edge: HTML, no Via, no JSON", _DISCORD, "600"),
    "429-application": _limited("Riot: X-Rate-Limit-Type application", ("riot",)),
    "429-method": _limited("Riot: X-Rate-Limit-Type method", ("riot",)),
    "429-service": _limited("Riot: type service, no Retry-After", ("riot",)),
    "429-server": _limited("Riot: type server, Retry-After, no limit headers", ("riot",), "5"),
    "429-bare": _limited("Riot's edge: neither type nor Retry-After", ("riot",)),
    "reset-before-accept": _before("connection reset, not accepted"),
    "no-answer-before-accept": _before("never answered, not accepted"),
    "late-accept": _after(
        "accepted only after so many seconds, also when the client has gone",
        _EVERY,
        "seconds",
        "12",
    ),
    "error-after-accept": _after("accepted, answered with this status", _EVERY, "status", "500"),
    "internal-error": _after(
        "accepted, answered 200 ok:false with this error", ("slack",), "error", "internal_error"
    ),
    "reset": _after("accepted, then the connection is reset"),
    "half-body": _after("accepted, half of the body, then closed"),
    "header-drip": _after(
        "accepted, a byte of the head every so many seconds", _EVERY, "seconds", "0.5"
    ),
    "body-drip": _after(
        "accepted, a byte of the body every so many seconds", _EVERY, "seconds", "0.5"
    ),
    "no-answer": _after("accepted, never answered"),
    "html-body": _after("accepted, 200 with an HTML page"),
    "no-content": _after("accepted, 204 without a body"),
    "no-limit-headers": _behaviour("rate-limit headers are missing"),
    "unreadable": _behaviour(
        "no permission to read history: Discord lists [] and refuses one message with 403, Slack "
        "answers missing_scope",
        ("discord.list", "discord.get", "slack.history"),
    ),
    "lagging": _behaviour(
        "what is younger than so many seconds is not shown yet",
        (
            "riot.match-list",
            "riot.match",
            "riot.timeline",
            "riot.league",
            "discord.list",
            "slack.history",
            "slack.file",
        ),
        "seconds",
        "30",
    ),
    "nonce-window": _behaviour(
        "how long Discord remembers a nonce", ("discord.post",), "seconds", "0"
    ),
    "unordered": _behaviour("Riot's list of match ids is shuffled", _LIST),
    "holes": _behaviour("Riot's list of match ids leaves out every third", _LIST),
    "endless": _behaviour("Riot's list of match ids ignores start", _LIST),
    "malformed": _behaviour(
        "Riot's match has a participant with neither kills nor deaths, its timeline no gold",
        ("riot.match", "riot.timeline"),
    ),
}
"""Kinds by name, beside the statuses 400 to 599 (not accepted, the service's own error body)."""

_STATUS = _before("this status with the service's own error body, not accepted")
_FAULT = re.compile(
    r"(?P<kind>[a-z0-9-]+)(?:\((?P<argument>[^()]*)\))?"
    r"(?::(?P<probability>[0-9.]+))?(?:\*(?P<times>[0-9]+))?"
)


@dataclass(frozen=True)
class Fault:
    """One fault as it was asked for."""

    kind: str
    argument: str = ""
    probability: float = 1.0
    times: int | None = None

    @property
    def stage(self) -> Stage:
        return KINDS.get(self.kind, _STATUS).stage

    @property
    def seconds(self) -> float:
        """The argument as a number of seconds."""
        return float(self.argument)

    def __str__(self) -> str:
        return f"{self.kind}({self.argument})" if self.argument else self.kind


@dataclass(frozen=True)
class Rule:
    """The faults of one target. `place` is empty when all places are meant."""

    target: str
    place: str
    faults: tuple[Fault, ...]

    def meets(self, operation: str, place: str) -> bool:
        return within(operation, self.target) and self.place in {"", place}


def parse_spec(spec: str) -> tuple[Rule, ...]:
    """Read a SPEC; an empty one is no faults.

    Raises:
        ValueError: names the part that is wrong and what would be legal there.
    """
    rules = []
    for part in filter(None, (part.strip() for part in spec.split(";"))):
        target, equals, faults = part.partition("=")
        if not equals:
            raise ValueError(f"fault rule {part!r} should be TARGET=FAULT,FAULT,…")
        target, _, place = (piece.strip() for piece in target.partition("@"))
        _check_target(target)
        _check_place(target, place)
        rule = Rule(
            "" if target == "all" else target,
            place,
            tuple(_parse_fault(item.strip(), target) for item in faults.split(",")),
        )
        rolled = [fault for fault in rule.faults if fault.stage is not Stage.BEHAVIOUR]
        if sum(fault.probability for fault in rolled) > 1 + 1e-9:
            raise ValueError(f"the probabilities of {part!r} should add up to 1 at most")
        rules.append(rule)
    return tuple(rules)


def _check_target(target: str) -> None:
    service, _, operation = target.partition(".")
    if target == "all" or (service in OPERATIONS and operation in {"", *OPERATIONS[service]}):
        return
    legal = [f"{service}.{name}" for name in OPERATIONS.get(service, ())] or ["all", *OPERATIONS]
    raise ValueError(f"fault target {target!r} should be one of {', '.join(legal)}")


def _check_place(target: str, place: str) -> None:
    if target.partition(".")[0] == "riot" and place not in {"", *REGIONS, *REGION_OF}:
        raise ValueError(f"{place!r} after riot@ should be a route host such as europe or euw1")
    if not re.fullmatch("[A-Za-z0-9]*", place):
        raise ValueError(f"{place!r} in {target}@{place} should be a route host or a channel's id")


def _parse_fault(text: str, target: str) -> Fault:
    match = _FAULT.fullmatch(text)
    if match is None:
        raise ValueError(
            f"fault {text!r} should be KIND, KIND(ARGUMENT), KIND:PROBABILITY or KIND*TIMES"
        )
    name, argument = match["kind"], match["argument"]
    kind = KINDS.get(name)
    if kind is None:
        if not re.fullmatch("[45][0-9][0-9]", name):
            legal = ", ".join(["a status from 400 to 599", *KINDS])
            raise ValueError(f"fault kind {name!r} should be one of {legal}")
        kind = _STATUS
    legal_here = kind.targets == _EVERY or (
        target != "all" and any(within(one, target) or within(target, one) for one in kind.targets)
    )
    if not legal_here:
        raise ValueError(f"fault kind {name!r} is of {', '.join(kind.targets)}, not of {target}")
    return Fault(
        name,
        _argument(name, kind, argument),
        _probability(text, match["probability"]),
        int(match["times"]) if match["times"] else None,
    )


def _argument(name: str, kind: Kind, given: str | None) -> str:
    if not kind.argument:
        if given is not None:
            raise ValueError(f"fault kind {name!r} takes no argument")
        return ""
    argument = given if given is not None else kind.default
    if not argument:
        raise ValueError(f"fault kind {name!r} needs an argument: {name}({kind.argument})")
    if kind.argument == "seconds" and not re.fullmatch(r"\d+(\.\d+)?", argument):
        raise ValueError(f"{name}({argument}) should be a number of seconds, as in {name}(2.5)")
    if kind.argument == "status" and not re.fullmatch("5[0-9][0-9]", argument):
        raise ValueError(f"{name}({argument}) should be a status from 500 to 599")
    return argument


def _probability(text: str, given: str | None) -> float:
    try:
        probability = 1.0 if given is None else float(given)
    except ValueError:
        probability = -1.0
    if not 0 <= probability <= 1:
        raise ValueError(f"the probability of fault {text!r} should be between 0 and 1")
    return probability


def describe() -> str:
    """Targets and kinds, one per line, for `--help`."""
    lines = ["targets: all"]
    lines += [f"  {service}: {', '.join(names)}" for service, names in OPERATIONS.items()]
    lines += ["kinds:", f"  400 … 599: {_STATUS.says}"]
    for name, kind in KINDS.items():
        argument = f"({kind.argument})" if kind.argument else ""
        default = f" [{kind.default}]" if kind.default is not None else ""
        lines.append(f"  {name}{argument}{default}: {kind.says}")
    return "\n".join(lines)


@dataclass
class _Drawer:
    """A rule with its generator and with what is left of its `*TIMES`."""

    rule: Rule
    rng: Random
    left: list[int | None]

    def take(self, index: int) -> Fault | None:
        left = self.left[index]
        if left == 0:
            return None
        if left is not None:
            self.left[index] = left - 1
        return self.rule.faults[index]


class Faults:
    """The faults in force; they may be changed at any time, from any thread."""

    def __init__(self, spec: str, seed: int, clock: Clock) -> None:
        """Raises ValueError when the SPEC is malformed, as `set` does."""
        self._seed = seed
        self._clock = clock
        self._lock = Lock()
        self.set(spec)

    def set(self, spec: str) -> None:
        """Put a SPEC in the place of the present one.

        Raises:
            ValueError: it is malformed; the present one stays in force.
        """
        rules = parse_spec(spec)
        with self._lock:
            self.spec = spec
            self._set_at = self._clock()
            self._drawers = [
                _Drawer(
                    rule,
                    seeded_rng(self._seed, number, rule),
                    [fault.times for fault in rule.faults],
                )
                for number, rule in enumerate(rules)
            ]

    def draw(self, operation: str, place: str) -> Fault | None:
        """Roll for a call: the fault that it meets before or after it is accepted, if any."""
        with self._lock:
            for drawer in self._drawers:
                if drawer.rule.meets(operation, place):
                    fault = self._roll(drawer)
                    if fault is not None:
                        return fault
        return None

    def behaviour(self, kind: str, operation: str, place: str) -> Fault | None:
        """Roll for a behaviour of that kind."""
        with self._lock:
            for drawer in self._drawers:
                if not drawer.rule.meets(operation, place):
                    continue
                for index, fault in enumerate(drawer.rule.faults):
                    if fault.kind == kind and drawer.rng.random() < fault.probability:
                        return drawer.take(index)
        return None

    def _roll(self, drawer: _Drawer) -> Fault | None:
        roll = drawer.rng.random()
        for index, fault in enumerate(drawer.rule.faults):
            if fault.stage is Stage.BEHAVIOUR or self._is_over(fault):
                continue
            if roll < fault.probability:
                return drawer.take(index)
            roll -= fault.probability
        return None

    def _is_over(self, fault: Fault) -> bool:
        return (
            fault.kind == "outage"
            and fault.seconds > 0
            and self._clock() >= self._set_at + fault.seconds
        )
