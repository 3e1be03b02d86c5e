"""Riot as this world plays it: account-v1, match-v5, league-v4, summoner-v4, lol-status-v4.

Paths, shapes and refusals follow Riot's OpenAPI description; a match on the wrong regional host is `[]`
or 404, as at Riot's. Rate limits are enforced per key and route host, and per endpoint, in fixed windows,
with Riot's headers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping

from lol_dagster.simulator.faults import Fault, Faults
from lol_dagster.simulator.games import REGION_OF, REGIONS, Account, Game, Games
from lol_dagster.simulator.limits import Limit, Windows, parse_limits
from lol_dagster.simulator.ranks import league_entries
from lol_dagster.simulator.rng import seeded_rng
from lol_dagster.simulator.service import Call, RefusedError, html_answer
from lol_dagster.simulator.timelines import timeline_of
from lol_dagster.simulator.truth import Clock
from lol_dagster.simulator.wire import Answer, Request, json_answer

API_KEY = "RGAPI-simulated-0000-0000-000000000000"
DEFAULT_LIMITS = "500:10,30000:600"
"""A production key's first limits."""

_METHOD_LIMITS = {
    "riot.account": "1000:60",
    "riot.region": "20000:10,1200000:600",
    "riot.match-list": "2000:10",
    "riot.match": "2000:10",
    "riot.timeline": "2000:10",
    "riot.league": "20000:10,1200000:600",
    "riot.summoner": "1600:60",
    "riot.status": "20000:10,1200000:600",
}
"""Method limits in the order of size that developers report for production keys."""

_ACCOUNT_HOSTS = REGIONS.keys() - {"sea"}
_PUUID_LENGTH = 78
_MOST_IDS = 100

_MESSAGES = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Data not found",
    405: "Method not allowed",
    415: "Unsupported media type",
    429: "Rate limit exceeded",
    500: "Internal server error",
    502: "Bad gateway",
    503: "Service unavailable",
    504: "Gateway timeout",
}


def error(status: int, message: str = "") -> Answer:
    """Riot's error body."""
    text = message or _MESSAGES.get(status, "Error")
    return json_answer(status, {"status": {"message": text, "status_code": status}})


class Riot:
    """Riot's API over the world's games."""

    name = "riot"

    def __init__(
        self, games: Games, faults: Faults, clock: Clock, *, limits: str = DEFAULT_LIMITS, seed: int
    ) -> None:
        """Raises ValueError when `limits` is not like `500:10,30000:600`."""
        self._games = games
        self._faults = faults
        self._clock = clock
        self._app_limits = parse_limits(limits)
        self._shuffler = seeded_rng(seed, "unordered")
        self._app: dict[str, Windows] = {}
        self._method: dict[tuple[str, str], Windows] = {}

    def find(self, request: Request) -> Call:
        """`/riot/{route}/…`; the key first, then the path, as at Riot's edge."""
        if len(request.segments) < 2:
            raise RefusedError(error(404, "Not Found"))
        key = request.header("X-Riot-Token")
        if not key:
            raise RefusedError(error(401))
        if key != API_KEY:
            raise RefusedError(error(403, "Unknown apikey"))
        host, parts = request.segments[1], request.segments[2:]
        operation, hosts, perform = self._route(host, parts, request.query)
        if host not in hosts:
            raise RefusedError(error(404, "Not Found"))
        if request.method != "GET":
            raise RefusedError(error(405))
        return Call(f"riot.{operation}", host, perform)

    def admit(self, call: Call) -> Answer | None:
        """Count the call in the application's and the method's windows."""
        now = self._clock()
        app, method = self._windows(call)
        for kind, windows in (("application", app), ("method", method)):
            overrun = windows.overrun(now)
            if overrun is not None:
                wait = str(math.ceil(overrun))
                refusal = error(429).with_headers(X_Rate_Limit_Type=kind, Retry_After=wait)
                return self.finish(call, refusal)
        app.count(now)
        method.count(now)
        return None

    def refuse(self, call: Call, fault: Fault) -> Answer:
        """A status with Riot's error body (502 in HTML, from the edge), or a 429 of some type."""
        if fault.kind == "502":
            return html_answer(502, "502 Bad Gateway")
        if fault.kind.isdigit() and fault.kind != "429":
            return error(int(fault.kind))
        answer = error(429)
        kind = fault.kind.partition("-")[2] or "application"
        if kind != "bare":
            answer = answer.with_headers(X_Rate_Limit_Type=kind)
        if kind not in {"bare", "service"}:
            answer = answer.with_headers(Retry_After=str(math.ceil(fault.seconds)))
        return answer

    def finish(self, call: Call, answer: Answer) -> Answer:
        """Add Riot's limit headers, which an edge's answer and a `server` 429 lack."""
        edge = answer.headers.get("Content-Type", "").startswith("text/html")
        kind = answer.headers.get("X-Rate-Limit-Type", "server")
        if edge or (answer.status == 429 and kind == "server"):
            return answer
        app, method = self._windows(call)
        now = self._clock()
        return answer.with_headers(
            X_App_Rate_Limit=_join(app.limits),
            X_App_Rate_Limit_Count=_counts(app, now),
            X_Method_Rate_Limit=_join(method.limits),
            X_Method_Rate_Limit_Count=_counts(method, now),
        )

    def usage(self) -> dict[str, list[tuple[float, int, int]]]:
        """Route host → its windows, each as (seconds, calls counted, calls allowed)."""
        now = self._clock()
        return {
            host: [
                (limit.seconds, used, limit.calls)
                for limit, used in zip(app.limits, app.used(now), strict=True)
            ]
            for host, app in self._app.items()
        }

    def _windows(self, call: Call) -> tuple[Windows, Windows]:
        app = self._app.setdefault(call.place, Windows(self._app_limits))
        limits = parse_limits(_METHOD_LIMITS[call.operation])
        method = self._method.setdefault((call.place, call.operation), Windows(limits))
        return app, method

    def _route(
        self, host: str, parts: tuple[str, ...], query: Mapping[str, str]
    ) -> tuple[str, Collection[str], Callable[[], Answer]]:
        """What a path asks for, the route hosts that offer it (none: an unknown path), and its answer."""
        match parts:
            case ("riot", "account", "v1", "accounts", "by-riot-id", name, tag):
                return "account", _ACCOUNT_HOSTS, lambda: self._by_name(name, tag)
            case ("riot", "account", "v1", "accounts", "by-puuid", puuid):
                return "account", _ACCOUNT_HOSTS, lambda: self._by_puuid(puuid)
            case ("riot", "account", "v1", "region", "by-game", "lol", "by-puuid", puuid):
                return "region", _ACCOUNT_HOSTS, lambda: self._region(puuid)
            case ("lol", "match", "v5", "matches", "by-puuid", puuid, "ids"):
                return "match-list", REGIONS, lambda: self._ids(host, puuid, query)
            case ("lol", "match", "v5", "matches", match_id):
                return "match", REGIONS, lambda: self._match(host, match_id)
            case ("lol", "match", "v5", "matches", match_id, "timeline"):
                return "timeline", REGIONS, lambda: self._timeline(host, match_id)
            case ("lol", "league", "v4", "entries", "by-puuid", puuid):
                return "league", REGION_OF, lambda: self._league(host, puuid)
            case ("lol", "summoner", "v4", "summoners", "by-puuid", puuid):
                return "summoner", REGION_OF, lambda: self._summoner(host, puuid)
            case ("lol", "status", "v4", "platform-data"):
                return "status", REGION_OF, lambda: _status(host)
        return "", (), lambda: error(404)

    def _account(self, puuid: str) -> Account:
        account = self._games.accounts.get(puuid)
        if account is None or len(puuid) != _PUUID_LENGTH:
            # What Riot says to a puuid that was encrypted for another application's key.
            raise RefusedError(error(400, f"Bad Request - Exception decrypting {puuid}"))
        return account

    def _by_name(self, name: str, tag: str) -> Answer:
        account = self._games.account_by_name(name, tag)
        if account is None:
            missing = f"No results found for player with riot id {name}#{tag}"
            return error(404, f"Data not found - {missing}")
        return json_answer(200, _account_json(account))

    def _by_puuid(self, puuid: str) -> Answer:
        return json_answer(200, _account_json(self._account(puuid)))

    def _region(self, puuid: str) -> Answer:
        account = self._account(puuid)
        return json_answer(200, {"puuid": account.puuid, "game": "lol", "region": account.platform})

    def _ids(self, host: str, puuid: str, query: Mapping[str, str]) -> Answer:
        self._account(puuid)
        start = _number(query, "start", 0)
        count = _number(query, "count", 20)
        if count > _MOST_IDS:
            raise RefusedError(error(400, "Bad Request - count must be between 0 and 100"))
        lagging = self._faults.behaviour("lagging", "riot.match-list", host)
        until = self._clock() - (lagging.seconds if lagging else 0.0)
        begin, end = _number(query, "startTime", 0), _number(query, "endTime", 2**63)
        ids = [
            game.match_id
            for game in self._games.played_by(puuid, until)
            if REGION_OF.get(game.platform) == host
            and begin <= game.started_at <= end
            and query.get("queue", str(game.queue_id)) == str(game.queue_id)
            and query.get("type", game.match_type) == game.match_type
        ]
        if self._faults.behaviour("holes", "riot.match-list", host):
            del ids[1::3]
        if self._faults.behaviour("endless", "riot.match-list", host):
            start = 0
        page = ids[start : start + count]
        if self._faults.behaviour("unordered", "riot.match-list", host):
            self._shuffler.shuffle(page)
        return json_answer(200, page)

    def _given(self, operation: str, host: str, match_id: str) -> Game | None:
        """The game, if Riot gives it by now."""
        game = self._games.by_id.get(match_id)
        lagging = self._faults.behaviour("lagging", operation, host)
        now = self._clock() - (lagging.seconds if lagging else 0.0)
        if (
            game is None
            or REGION_OF.get(game.platform) != host
            or game.available_at is None
            or now < max(game.ended_at, game.available_at)
        ):
            return None
        return game

    def _match(self, host: str, match_id: str) -> Answer:
        game = self._given("riot.match", host, match_id)
        if game is None:
            return error(404, "Data not found - match file not found")
        body = game.body
        # An aborted game has nobody in it who could lack anything.
        if b'"kills"' in body and self._faults.behaviour("malformed", "riot.match", host):
            payload = json.loads(body)
            for person in payload["info"]["participants"][:1]:
                del person["kills"], person["deaths"]
            body = json.dumps(payload).encode()
        return Answer(200, body, {"Content-Type": "application/json;charset=utf-8"})

    def _timeline(self, host: str, match_id: str) -> Answer:
        game = self._given("riot.timeline", host, match_id)
        if game is None:
            return error(404, "Data not found - match file not found")
        timeline = timeline_of(json.loads(game.body))
        if self._faults.behaviour("malformed", "riot.timeline", host):
            for frame in timeline["info"]["frames"]:
                for person in (frame["participantFrames"] or {}).values():
                    del person["totalGold"]
        return json_answer(200, timeline)

    def _league(self, host: str, puuid: str) -> Answer:
        account = self._account(puuid)
        if account.platform != host:
            return json_answer(200, [])
        lagging = self._faults.behaviour("lagging", "riot.league", host)
        until = self._clock() - (lagging.seconds if lagging else 0.0)
        games = self._games.played_by(account.puuid, until)
        return json_answer(200, league_entries(account, games, until))

    def _summoner(self, host: str, puuid: str) -> Answer:
        account = self._account(puuid)
        if account.platform != host:
            return error(404, "Data not found - summoner not found")
        games = self._games.played_by(account.puuid, self._clock())
        return json_answer(
            200,
            {
                "puuid": account.puuid,
                "profileIconId": account.icon,
                "revisionDate": int(games[0].ended_at * 1000) if games else 1_600_000_000_000,
                "summonerLevel": account.level,
            },
        )


def _status(host: str) -> Answer:
    name = host.upper()
    status = {"id": name, "name": name, "locales": ["en_US"], "maintenances": [], "incidents": []}
    return json_answer(200, status)


def _account_json(account: Account) -> dict[str, str]:
    named = {"gameName": account.game_name, "tagLine": account.tag_line}
    return {"puuid": account.puuid, **(named if account.game_name else {})}


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdigit():
        raise RefusedError(error(400, f"Bad Request - {name} must be a number"))
    return int(text)


def _join(limits: tuple[Limit, ...]) -> str:
    return ",".join(map(str, limits))


def _counts(windows: Windows, now: float) -> str:
    return ",".join(
        f"{used}:{limit.seconds:g}"
        for used, limit in zip(windows.used(now), windows.limits, strict=True)
    )
