"""What the world tells about itself: its page, the truth, the faults and the cast.

GET  /            the page          GET  /state   what the page shows
GET  /truth       the truth log     GET  /people  the people to track
GET  /faults      the faults        POST /faults  other ones: the body is a SPEC
GET  /files/ID    an uploaded picture
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from lol_dagster.simulator.chat import Board, Message
from lol_dagster.simulator.faults import Faults
from lol_dagster.simulator.games import Account, Games
from lol_dagster.simulator.riot import Riot
from lol_dagster.simulator.truth import Clock, TruthLog
from lol_dagster.simulator.wire import Answer, Request, json_answer, text_answer

_PAGE = {
    (): ("index.html", "text/html"),
    ("page.css",): ("page.css", "text/css"),
    ("page.js",): ("page.js", "text/javascript"),
    ("markup.js",): ("markup.js", "text/javascript"),
}
_NEWEST_CALLS = 1000
_NEWEST_MESSAGES = 100
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'"
)


@dataclass(frozen=True)
class Control:
    """Answers what is not Riot's, Discord's or Slack's."""

    truth: TruthLog
    faults: Faults
    games: Games
    riot: Riot
    boards: tuple[Board, ...]
    people: Callable[[], list[Account]]
    clock: Clock

    def answer(self, request: Request) -> Answer:
        """Answer a request; 404 for an unknown path."""
        match (request.method, *request.segments):
            case ("GET", *path) if tuple(path) in _PAGE:
                return _file(*_PAGE[tuple(path)])
            case ("GET", "state"):
                return json_answer(200, self._state())
            case ("GET", "truth"):
                return json_answer(200, self._truth())
            case ("GET", "people"):
                return json_answer(200, [_person_json(account) for account in self.people()])
            case ("GET", "files", file_id):
                return self._uploaded(file_id)
            case ("GET", "faults"):
                return json_answer(200, {"spec": self.faults.spec})
            case ("POST", "faults"):
                return self._set_faults(request)
        return text_answer(404, "not found; try / /truth /people /faults\n")

    def _uploaded(self, file_id: str) -> Answer:
        """A picture that was uploaded to one of the services."""
        found = [board.files[file_id] for board in self.boards if file_id in board.files]
        if not found:
            return text_answer(404, "no such file\n")
        return Answer(200, found[0], {"Content-Type": "image/png"})

    def _set_faults(self, request: Request) -> Answer:
        try:
            self.faults.set(request.body.decode().strip())
        except ValueError as wrong:
            return json_answer(400, {"error": str(wrong)})
        return json_answer(200, {"spec": self.faults.spec})

    def _truth(self) -> dict[str, Any]:
        return {
            "events": self.truth.events(),
            "calls": self.truth.calls()[-_NEWEST_CALLS:],
            "counts": self.truth.counts(),
            "violations": len(self.truth.violations),
        }

    def _state(self) -> dict[str, Any]:
        now = self.clock()
        return {
            "now": now,
            "faults": self.faults.spec,
            "violations": len(self.truth.violations),
            "counts": self.truth.counts(),
            "riot": self.riot.usage(),
            "games": self.games.ended(now),
            "channels": [
                {
                    "service": board.service,
                    "id": channel,
                    "total": len(messages),
                    "messages": [_message_json(one) for one in messages[-_NEWEST_MESSAGES:]],
                }
                for board in self.boards
                for channel, messages in board.channels.items()
            ],
        }


def _message_json(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "author": message.author,
        "posted_at": message.posted_at,
        "edited_at": message.edited_at,
        "deleted_at": message.deleted_at,
        "body": message.body,
    }


def _person_json(account: Account) -> dict[str, str]:
    return {
        "game_name": account.game_name,
        "tag_line": account.tag_line,
        "riot_id": f"{account.game_name}#{account.tag_line}",
        "puuid": account.puuid,
        "platform": account.platform,
    }


def _file(name: str, content_type: str) -> Answer:
    text = files(__package__).joinpath("page", name).read_text(encoding="utf-8")
    return text_answer(200, text, content_type).with_headers(
        Content_Security_Policy=_POLICY,
        X_Content_Type_Options="nosniff",
        Cache_Control="no-store",
    )
