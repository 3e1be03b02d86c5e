"""An installation in which everything that somebody else may choose is hostile, and what a page with it must
not become.
"""

from __future__ import annotations

from datetime import timedelta
from html.parser import HTMLParser
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from lol_dagster.messages.content import Line, MessageContent, Section
from lol_dagster.storage.models import (
    Attempt,
    AuditEntry,
    Breaker,
    Fact,
    Match,
    Message,
    MessageGame,
    MessageText,
    Quarantine,
    RunRequest,
)
from lol_dagster_tests._support.message_rows import add_game, played
from lol_dagster_tests._support.roster_rows import (
    make_account,
    make_channel,
    make_member,
    make_team,
)
from lol_dagster_tests.admin.clock import ManualClock

TAG = "<script>alert(1)</script>"
QUOTES = "\"' onmouseover='alert(2)' x=\""
IMAGE = "<img src=x onerror=alert(3)>"
TEMPLATE = "{{ 7 * 191 }}"
"""1337 where it comes alive."""
HOOK = "https://discord.com/api/webhooks/420420420420420420/t0k3n-that-no-page-may-show"
QUARANTINED = "NA1_5000000002"
AT = ManualClock().now - timedelta(hours=1)
"""When it all happened: lately, by the clock of the tests."""
GAMES = ("NA1_5000000001", QUARANTINED, "NA1_5000000003")
HOSTILE_CONTENT = MessageContent(
    title=TAG,
    summary=f"{IMAGE}{TEMPLATE}",
    sections=(
        Section(
            lines=(Line(lead=QUOTES, facts=(IMAGE, TEMPLATE), details=(TAG,), highlights=(TAG,)),),
            heading=f"**{TAG}**",
        ),
    ),
    url=f"https://example.org/?{TAG}{QUOTES}",
    footer=f"{QUOTES}{TAG}",
)


def add_hostile_data(session: Session) -> None:
    """Rows in every table that pages show."""
    team = make_team(session, f"{TAG}{QUOTES}")
    ann = make_member(session, team, IMAGE, game_name=f"{TAG[:16]}", tag_line=TEMPLATE)
    make_account(session, ann, game_name=QUOTES, tag_line=IMAGE[:16], puuid=None)
    channel = make_channel(session, team, f"{TEMPLATE}{TAG}", kind="discord-webhook", address=HOOK)
    add_game(
        session,
        "NA1_5000000001",
        played(ann, champion=IMAGE),
        ended_at=AT,
        queue_name=TAG,
        game_mode=IMAGE,
        game_version=QUOTES,
    )
    session.add(Match(match_id=QUARANTINED, state="quarantined", listed_at=AT, last_error=TAG))
    session.add(Match(match_id=GAMES[2], state="listed", listed_at=AT, last_error=QUOTES))
    session.flush()
    session.add(
        RunRequest(
            match_id=QUARANTINED, requested_at=AT, requested_by=TAG, reason=IMAGE,
            run_key="key", run_id=QUOTES, started_at=AT, finished_at=AT,
            outcome="failed", detail=f"{TAG}{TEMPLATE}",
        )
    )  # fmt: skip
    session.add(
        Quarantine(
            match_id=QUARANTINED, stage="player_stats", error=IMAGE, traceback=f"{TAG}\n{TEMPLATE}",
            code_version="1", run_id=QUOTES, quarantined_at=AT,
        )
    )  # fmt: skip
    for number, state in enumerate(("delivered", "needs_review", "blocked")):
        message = Message(
            channel_id=channel.id, subject=f"{QUARANTINED}-{number}", kind="game", order_at=AT,
            created_at=AT, state=state, nonce=f"n{number}", desired_hash="0" * 64,
            last_error=f"{TAG}{IMAGE}",
            delivered_at=AT + timedelta(minutes=1) if state == "delivered" else None,
            content=HOSTILE_CONTENT.to_json(),
        )  # fmt: skip
        session.add(message)
        session.flush()
        session.add(
            MessageGame(channel_id=channel.id, match_id=GAMES[number], message_id=message.id)
        )
        session.add(MessageText(message_id=message.id, rev=1, content=HOSTILE_CONTENT.to_json()))
        session.add(
            Attempt(
                message_id=message.id, fence=1, op="POST", rev=1, at=AT, outcome="unknown",
                code=TAG[:24], detail=f"{IMAGE} {TEMPLATE}", request_id=QUOTES,
            )
        )  # fmt: skip
    session.add(
        Breaker(scope=f"channel:{channel.id}", dead=True, reason=f"{TAG}{QUOTES}", since=AT)
    )
    session.add(
        AuditEntry(
            at=AT, who=TAG, action="changed", table="players", row="1",
            before={"name": IMAGE}, after={"name": f"{TAG}{TEMPLATE}"},
        )
    )  # fmt: skip
    session.add(Fact(name="ui-url", value="http://127.0.0.1:3000"))
    session.flush()


class Page(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.faults: list[str] = []
        self.ids: list[str] = []
        if "1337" in text:
            self.faults.append("a name was taken for a template")
        if "t0k3n" in text:
            self.faults.append("a webhook's token is shown")
        self.feed(text)
        repeated = {each for each in self.ids if self.ids.count(each) > 1}
        if repeated:
            self.faults.append(f"repeated ids: {repeated}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if "id" in values:
            self.ids.append(values["id"] or "")
        for name, value in values.items():
            if name.startswith("on"):
                self.faults.append(f"<{tag} {name}> is a script")
            if name == "style":
                self.faults.append(f"<{tag} style> is forbidden by the policy")
            if (value or "").strip().lower().startswith(("javascript:", "data:")):
                self.faults.append(f"<{tag} {name}={value!r}>")
        if tag == "style" or (tag == "script" and not values.get("src")):
            self.faults.append(f"<{tag}> inside the page is forbidden by the policy")
        self._check_targets(tag, values)

    def _check_targets(self, tag: str, values: dict[str, str | None]) -> None:
        if tag in {"script", "img", "link", "iframe", "form", "object", "embed", "video", "audio"}:
            for name in ("src", "href", "action", "srcset"):
                if urlsplit(values.get(name) or "").netloc:
                    self.faults.append(f"<{tag} {name}> leads off the site")
        if tag == "a" and values.get("href"):
            self.links.append(values["href"] or "")
