"""The table of checks: what each row finds shows in every face, or the row says why it does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select

from lol_dagster.admin.app import create_app
from lol_dagster.definitions import build_definitions
from lol_dagster.monitoring.alerts import evaluate
from lol_dagster.monitoring.checks import (
    CHECKS,
    Check,
    CheckResult,
    check_all,
    failing,
    result_of,
)
from lol_dagster.monitoring.metrics import healthz, render_metrics
from lol_dagster.monitoring.ping import ping_if_healthy
from lol_dagster.orchestration.resources import AppContext, WallClock
from lol_dagster.riot.key import fingerprint_of
from lol_dagster.settings import Settings, load_settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Breaker, Message, MessageAudit, RateWindow
from lol_dagster.storage.models.delivery import WRONG_FINDINGS
from lol_dagster_tests._support.broken import (
    BREAKS,
    Installation,
    install,
    play_with_a_key_for,
)
from lol_dagster_tests._support.commands import run
from lol_dagster_tests._support.raw_server import RawServer, answer, raw_server
from lol_dagster_tests._support.web_visitor import QUICK_HASH, Visitor

BY_ID = {check.id: check for check in CHECKS}
FACES = ("status", "metrics", "alerts", "ping", "dagster")


class Watched:
    """An installation, as each face shows it. All is well at first."""

    def __init__(
        self, database: Database, monkeypatch: pytest.MonkeyPatch, pinged: RawServer
    ) -> None:
        monkeypatch.setenv("LOL_PING_URL", pinged.url("/"))
        monkeypatch.setenv("LOL_ADMIN_PASSWORD_HASH", QUICK_HASH)
        self.database, self.monkeypatch = database, monkeypatch
        self.now = datetime.now(UTC)
        self.change(lambda _: None, first=True)

    @property
    def settings(self) -> Settings:
        return load_settings()

    def change(self, how: Callable[[Installation], object], *, first: bool = False) -> None:
        with self.database.writing() as session:
            if first:
                install(session, self.now, self.monkeypatch)
            how(Installation(session, self.now, self.monkeypatch))

    def results(self) -> list[CheckResult]:
        return check_all(self.database, self.settings, self.now)

    def status(self) -> str:
        return run("status").stdout.split("\n\n")[0]

    def start_page(self) -> str:
        visitor = Visitor(create_app(self.settings, self.database, now=lambda: self.now))
        visitor.sign_in()
        return visitor.get("/").text.replace("&#39;", "'")

    def metric(self, check_id: str) -> float | None:
        text = render_metrics(self.database, self.settings, self.now).decode()
        samples = {
            sample.labels["check"]: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "lol_check_failing"
        }
        return samples.get(check_id)

    def alerts(self, check: Check) -> list[str]:
        """The titles of what is announced once the check has failed for long enough."""
        for now in (self.now, self.now + check.for_):
            results = check_all(self.database, self.settings, now)
            evaluate(self.database, self.settings, results, now)
        with self.database.reading() as session:
            rows = session.scalars(select(Message).where(Message.subject.startswith("alert:")))
            return [row.content["title"] for row in rows]

    def pings(self) -> bool:
        return ping_if_healthy(self.database, self.settings, self.results(), self.now)


@pytest.fixture(scope="module")
def pinged() -> Iterator[RawServer]:
    with raw_server(lambda _, connection: connection.send(answer(200, b"OK", {}))) as server:
        yield server


@pytest.fixture
def watched(database: Database, monkeypatch: pytest.MonkeyPatch, pinged: RawServer) -> Watched:
    return Watched(database, monkeypatch, pinged)


def test_every_check_can_be_broken_and_no_two_share_an_id() -> None:
    assert sorted(BREAKS) == sorted(check.id for check in CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_row_that_leaves_a_face_out_says_why(check: Check) -> None:
    assert set(check.left_out) <= set(FACES)
    assert all(len(reason) > 10 for reason in check.left_out.values())
    # Dagster has checks of assets only.
    assert (check.asset is None) <= ("dagster" in check.left_out)
    assert set(check.hidden_by) <= set(BY_ID)
    assert check.passes.endswith(".")
    # An alert's kind is the id.
    assert len(check.id) <= 24


def test_when_all_is_well_every_face_says_so(watched: Watched) -> None:
    assert [each.check.id for each in watched.results() if not each.passed] == []
    assert watched.status() == "All is well."
    assert "All is well" in watched.start_page()
    assert [watched.metric(each) for each in BREAKS] == [0] * len(CHECKS)
    assert healthz(watched.database, watched.settings, watched.now) == (200, "ok\n")
    assert [watched.alerts(check) for check in CHECKS] == [[]] * len(CHECKS)
    assert watched.pings()


@pytest.mark.parametrize("check_id", BREAKS)
def test_what_is_wrong_shows_in_every_face_but_those_its_row_leaves_out(
    watched: Watched, check_id: str
) -> None:
    check, title = BY_ID[check_id], BREAKS[check_id].title
    watched.change(BREAKS[check_id].how)

    def shows_in(face: str) -> bool:
        return face not in check.left_out

    lines = [line[2:] for line in watched.status().splitlines()]
    assert any(line.startswith(title) for line in lines) is shows_in("status")
    assert (title in watched.start_page()) is shows_in("status")
    is_unhealthy = healthz(watched.database, watched.settings, watched.now)[0] == 503
    assert is_unhealthy is (shows_in("status") and check.severity == "error")
    assert watched.metric(check_id) == (1 if shows_in("metrics") else None)
    assert watched.pings() is not shows_in("ping")
    assert (title in watched.alerts(check)) is shows_in("alerts")


def test_what_is_wrong_with_an_asset_shows_in_dagster(watched: Watched) -> None:
    """In one run, as nothing hides anything there."""
    in_dagster = {check.id for check in CHECKS if "dagster" not in check.left_out}
    with dg.DagsterInstance.ephemeral() as instance:

        def evaluations() -> dict[str, dg.AssetCheckEvaluation]:
            app = AppContext(watched.settings, WallClock(lambda: watched.now))
            job = build_definitions(app).resolve_job_def("check_everything")
            result = job.execute_in_process(instance=instance)
            app.database.dispose()
            return {each.check_name: each for each in result.get_asset_check_evaluations()}

        good = evaluations()
        assert set(good) == {f"no_{check_id}" for check_id in in_dagster}
        assert [name for name, each in good.items() if not each.passed] == []
        # What keeps messages or polling from being expected at all has its own turn.
        causes = {"refused_key", "refused_token", "silent_channel", "unpolled_account"}
        together = [in_dagster - causes - {"refused_channel"}, causes, {"refused_channel"}]
        assert set.union(*together) == in_dagster
        for number, broken in enumerate(together):
            if number == 2:
                watched.change(_open_all)
            for check_id in sorted(broken):
                watched.change(BREAKS[check_id].how)
            found = evaluations()
            for check_id in broken:
                check, each = BY_ID[check_id], found[f"no_{check_id}"]
                assert not each.passed, check_id
                assert each.asset_key == dg.AssetKey(str(check.asset))
                assert str(each.description).startswith(BREAKS[check_id].title)
                assert each.severity.value == ("WARN" if check.severity == "warning" else "ERROR")


def _open_all(it: Installation) -> None:
    it.session.query(Breaker).delete()


@pytest.mark.parametrize("finding", WRONG_FINDINGS)
def test_whatever_the_audit_finds_wrong_fails_its_check(watched: Watched, finding: str) -> None:
    """A duplicate, for one."""
    watched.change(
        lambda it: it.add(
            MessageAudit(
                message_id=it.message("delivered"), at=it.now, finding=finding, detail="also 9"
            )
        )
    )
    assert "also 9" in watched.status()
    assert len(watched.alerts(BY_ID["audit_failure"])) == 1
    assert watched.metric("audit_failure") == 1


def test_a_cause_hides_its_effects_from_people_and_not_from_programs(watched: Watched) -> None:
    for check_id in ("stuck_game", "unpolled_account", "route_down"):
        watched.change(BREAKS[check_id].how)
    assert watched.status().count("\n") == 0
    assert watched.status().startswith("! Riot gives no match lists for americas")
    assert watched.alerts(BY_ID["stuck_game"]) == ["Riot gives no match lists for americas"]
    assert watched.metric("stuck_game") == 1
    assert [each.check.id for each in failing(watched.results(), "ping")] == [
        "route_down", "unpolled_account", "stuck_game",
    ]  # fmt: skip
    watched.change(BREAKS["refused_key"].how)
    assert watched.status().startswith("! Riot refuses the API key")
    assert watched.status().count("\n") == 0


def test_a_few_have_a_line_each_and_many_one_together(watched: Watched) -> None:
    def quarantine(it: Installation) -> None:
        for number in range(5):
            it.match(match_id=f"NA1_{number}", state="quarantined")

    watched.change(quarantine)
    assert [line.split(":")[0] for line in watched.status().splitlines()] == [
        f"! NA1_{number} is quarantined" for number in range(5)
    ]
    watched.change(lambda it: it.match(match_id="NA1_5", state="quarantined"))
    (line,) = watched.status().splitlines()
    assert line.startswith(
        "! 6 games are quarantined (NA1_0, NA1_1, NA1_2, NA1_3, NA1_4 and 1 more): "
    )


@pytest.mark.parametrize(
    ("calls_in_two_minutes", "whys"),
    [
        (7, []),  # 3.15 a minute
        (6, ["the match lists of all 1 would take 3 calls a minute, and may take 2.7"]),
    ],
)
def test_a_route_is_crowded_when_its_accounts_want_more_than_nine_tenths_of_the_calls(
    watched: Watched, calls_in_two_minutes: int, whys: list[str]
) -> None:
    """Who plays is asked for every 20 s."""
    watched.change(lambda it: play_with_a_key_for(it, calls_in_two_minutes=calls_in_two_minutes))
    found = result_of(watched.results(), "crowded_route").affected
    assert [(each.id, each.why) for each in found] == [("americas", why) for why in whys]


def test_a_limit_of_match_lists_alone_crowds_a_route_too(watched: Watched) -> None:
    """As it does for polling: 60 a minute of all calls, 3 of them for match lists."""

    def limit_lists(it: Installation) -> None:
        play_with_a_key_for(it, calls_in_two_minutes=120)
        scope = f"{fingerprint_of(load_settings())}/americas/match-v5.ids"
        it.add(RateWindow(scope=scope, seconds=120, limit=6))

    watched.change(limit_lists)
    assert [each.id for each in result_of(watched.results(), "crowded_route").affected] == [
        "americas"
    ]


def test_what_is_wrong_is_for_programs_too(watched: Watched) -> None:
    watched.change(BREAKS["stuck_game"].how)
    value = json.loads(run("status", "--json").stdout)
    assert set(value["checks"]) == set(BREAKS)
    assert value["checks"]["stuck_game"] == {
        "count": 1, "affected": ["NA1_8"], "severity": "error",
    }  # fmt: skip


def test_of_many_stuck_games_the_first_are_read_and_all_are_counted(watched: Watched) -> None:
    def break_many(it: Installation) -> None:
        for number in range(7):
            it.match(match_id=f"NA1_{number}", next_try_at=it.ago(hours=2, minutes=-number))

    watched.change(break_many)
    result = result_of(watched.results(), "stuck_game")
    assert (result.count, len(result.affected)) == (7, 5)
    assert result.affected[0].id == "NA1_0"
