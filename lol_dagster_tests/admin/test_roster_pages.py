"""Teams, players and channels in the web view: edited side by side, nothing lost, nothing shown that
should not be."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from lol_dagster.storage.database import Database
from lol_dagster.storage.models import (
    AuditEntry,
    Channel,
    Membership,
    Player,
    RankChange,
    RankSnapshot,
    Team,
)
from lol_dagster_tests._support.message_rows import add_game, played
from lol_dagster_tests._support.roster_rows import (
    LONG_AGO,
    make_account,
    make_channel,
    make_member,
    make_membership,
    make_player,
    make_team,
)
from lol_dagster_tests._support.web_visitor import Visitor
from lol_dagster_tests.admin.page_forms import filled_in

HOSTILE = "<script>alert(1)</script>"
SECRET = "s3cretT0ken"
HOOK = f"https://discord.com/api/webhooks/123456789012345678/{SECRET}"
TEAM = "/team/edit/?id=1"
CHANNEL = "/channel/edit/?id=1"


@pytest.fixture(autouse=True)
def _nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor called: the addresses are of the real services."""
    monkeypatch.setattr("lol_dagster.admin.views.channels.probe_channel", lambda *_, **__: None)


@pytest.fixture
def team(database: Database) -> None:
    """The team Amigos with Ann and Bob; Cleo is in no team."""
    with database.writing() as session:
        team = make_team(session, "Amigos")
        make_member(session, team, "Ann")
        make_member(session, team, "Bob")
        make_player(session, "Cleo")


@pytest.fixture
def channel(database: Database) -> None:
    """A webhook's channel of the team Amigos, for ranked solo."""
    with database.writing() as session:
        team = make_team(session, "Amigos")
        make_channel(
            session, team, "general", kind="discord-webhook", address=HOOK, queues=[420]
        )  # fmt: skip


def spans(database: Database) -> dict[str, list[tuple[datetime, datetime | None]]]:
    with database.reading() as session:
        return {
            player.name: [(row.since, row.until) for row in player.memberships]
            for player in session.scalars(select(Player))
        }


def the_channel(database: Database) -> Channel:
    with database.reading() as session:
        return session.get_one(Channel, 1)


# --- teams and their rows -----------------------------------------------------------------------


def test_rows_are_added_ended_and_corrected_in_one_form(
    operator: Visitor, team: None, database: Database, clock: object
) -> None:
    page = operator.get(TEAM).text
    changed = filled_in(
        page,
        name="Amigas",
        memberships__0__since="2024-03-01T12:00",
        **{"del-memberships-1": "on"},
        memberships__2__player="cleo",
        memberships__2__since="2026-05-01T00:00",
    )
    saved = operator.post(TEAM, changed)
    assert saved.status_code == 302, saved.text
    assert spans(database) == {
        "Ann": [(datetime(2024, 3, 1, 12, tzinfo=UTC), None)],
        "Bob": [(LONG_AGO, datetime(2026, 5, 4, 12, tzinfo=UTC))],
        "Cleo": [(datetime(2026, 5, 1, tzinfo=UTC), None)],
    }
    with database.reading() as session:
        assert session.get_one(Team, 1).name == "Amigas"
        by_ann = session.scalars(select(AuditEntry.action).where(AuditEntry.who == "Ann (web)"))
        assert sorted(by_ann) == ["added", "changed", "changed", "changed"]


def test_a_new_row_without_a_beginning_begins_now_and_an_old_one_needs_one(
    operator: Visitor, team: None, database: Database
) -> None:
    page = operator.get(TEAM).text
    assert operator.post(TEAM, filled_in(page, memberships__2__player="Cleo")).status_code == 302
    assert spans(database)["Cleo"] == [(datetime(2026, 5, 4, 12, tzinfo=UTC), None)]
    refused = operator.post(TEAM, filled_in(page, memberships__0__since=""))
    assert "Enter a start date." in refused.text


def test_a_form_that_is_saved_as_it_is_changes_nothing(
    operator: Visitor, database: Database
) -> None:
    """Not even the seconds, which the form does not show."""
    since = LONG_AGO + timedelta(seconds=7, microseconds=8)
    with database.writing() as session:
        team, ann = make_team(session, "Amigos"), make_player(session, "Ann")
        make_membership(session, team, ann, since=since, until=since + timedelta(seconds=9))
    assert operator.post(TEAM, filled_in(operator.get(TEAM).text)).status_code == 302
    assert spans(database)["Ann"] == [(since, since + timedelta(seconds=9))]
    with database.reading() as session:
        assert "changed" not in session.scalars(select(AuditEntry.action)).all()
    operator.post(TEAM, filled_in(operator.get(TEAM).text, memberships__0__until=""))
    assert spans(database)["Ann"] == [(since, None)], "what was not touched stays exact"


def test_somebody_who_left_is_put_back_by_a_cleared_end_or_a_row_of_its_own(
    operator: Visitor, database: Database
) -> None:
    left = LONG_AGO + timedelta(days=9)
    with database.writing() as session:
        team, ann = make_team(session, "Amigos"), make_player(session, "Ann")
        make_membership(session, team, ann, until=left)
    page = operator.get(TEAM).text
    operator.post(
        TEAM,
        filled_in(page, memberships__1__player="Ann", memberships__1__since="2026-05-01T00:00"),
    )
    assert spans(database)["Ann"] == [
        (LONG_AGO, left), (datetime(2026, 5, 1, tzinfo=UTC), None),
    ]  # fmt: skip
    refused = operator.post(TEAM, filled_in(operator.get(TEAM).text, memberships__1__until=""))
    assert "Ann is already in the team &#39;Amigos&#39;, since 2026-05-01" in refused.text


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"player": "Nobody", "since": "2026-05-01T00:00"}, "There is no player &#39;Nobody&#39;"),
        ({"player": "", "since": "2026-05-01T00:00"}, "Enter a player."),
        ({"player": "Cleo", "since": "yesterday"}, "Not a valid datetime value"),
        ({"player": "Cleo", "since": "2026-05-05T00:00"}, "This is in the future"),
        ({"player": "Ann", "since": "2026-05-01T00:00"}, "Ann is already in the team"),
        ({"player": "Cleo", "since": "2026-05-01T00:00", "until": "2026-04-01T00:00"},
         "It would end before it starts"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_says_why_and_nothing_is_half_done(
    operator: Visitor, team: None, database: Database, row: dict[str, str], said: str
) -> None:
    before = spans(database)
    typed = {f"memberships-2-{name}": value for name, value in row.items()}
    refused = operator.post(TEAM, {**filled_in(operator.get(TEAM).text, name="Amigas"), **typed})
    assert refused.status_code == 422
    assert said in refused.text
    assert 'value="Amigas"' in refused.text
    assert spans(database) == before
    with database.reading() as session:
        assert session.get_one(Team, 1).name == "Amigos"


def test_rows_that_somebody_else_adds_or_ends_meanwhile_stay(
    operator: Visitor, team: None, database: Database
) -> None:
    """Where a box with all names in it would take Cleo out and put Bob back."""
    page = operator.get(TEAM).text
    ended = LONG_AGO + timedelta(days=9)
    with database.writing(who="Zoe (web)") as session:
        make_membership(session, session.get_one(Team, 1), session.get_one(Player, 3))
        session.get_one(Membership, 2).until = ended
    assert operator.post(TEAM, filled_in(page, name="Amigas")).status_code == 302
    assert spans(database) == {
        "Ann": [(LONG_AGO, None)], "Bob": [(LONG_AGO, ended)], "Cleo": [(LONG_AGO, None)],
    }  # fmt: skip


def test_a_player_is_forgotten_once_their_name_was_typed(
    operator: Visitor, team: None, database: Database
) -> None:
    address = "/player/forget/?id=2"
    assert "forget/?id=2" in operator.get("/player/details/?id=2").text
    page = operator.get(address).text
    assert "<dt>Memberships</dt><dd>1</dd>" in page
    refused = operator.post(address, filled_in(page, name="X"))
    assert refused.status_code == 422
    assert "Enter the name Bob to confirm." in refused.text
    assert operator.post(address, filled_in(page, name="Bob")).status_code == 303
    assert operator.get(address).status_code == 404
    trail = operator.get("/audit/").text
    assert "forgotten" in trail
    assert "Bob" not in trail


def test_a_player_is_left_out_in_the_row_of_the_membership(
    operator: Visitor, team: None, database: Database
) -> None:
    page = operator.get(TEAM).text
    typed = filled_in(page, memberships__1__left_out="y")
    assert operator.post(TEAM, typed).status_code == 302
    with database.reading() as session:
        rows = session.scalars(select(Membership).order_by(Membership.id)).all()
    assert [each.left_out for each in rows] == [False, True]
    assert operator.get("/team/details/?id=1").text.count(">left out<") == 1
    form = filled_in(operator.get(TEAM).text)
    assert form["memberships-1-left_out"] == ["y"]
    del form["memberships-1-left_out"]
    assert operator.post(TEAM, form).status_code == 302
    with database.reading() as session:
        assert session.get_one(Membership, 2).left_out is False


def test_a_row_that_both_changed_shows_both_and_is_saved_the_second_time(
    operator: Visitor, team: None, database: Database
) -> None:
    page = operator.get(TEAM).text
    with database.writing(who="Zoe (web)") as session:
        session.get_one(Membership, 2).since = datetime(2025, 1, 1, tzinfo=UTC)
    typed = filled_in(page, memberships__1__since="2025-02-02T00:00")
    refused = operator.post(TEAM, typed)
    assert refused.status_code == 422
    assert "Zoe (web) has since changed this to “2025-01-01 00:00 UTC”" in refused.text
    assert 'value="2025-02-02T00:00"' in refused.text
    assert spans(database)["Bob"] == [(datetime(2025, 1, 1, tzinfo=UTC), None)]
    assert operator.post(TEAM, filled_in(refused.text)).status_code == 302
    assert spans(database)["Bob"] == [(datetime(2025, 2, 2, tzinfo=UTC), None)]


def test_a_teams_time_zone_is_shown_and_changed_and_a_wrong_one_said_at_its_field(
    operator: Visitor, team: None, database: Database
) -> None:
    page = operator.get(TEAM).text
    assert 'value="UTC"' in page
    refused = operator.post(TEAM, filled_in(page, time_zone="Berlin"))
    assert refused.status_code == 422
    assert "perhaps Europe/Berlin.</li>" in refused.text
    assert operator.post(TEAM, filled_in(page, time_zone="europe/berlin")).status_code == 302
    assert "Europe/Berlin" in operator.get("/team/details/?id=1").text
    with database.reading() as session:
        row = session.get_one(Team, 1)
        assert (row.name, row.time_zone) == ("Amigos", "Europe/Berlin")


def test_a_name_that_both_changed_is_shown_with_the_others(
    operator: Visitor, team: None, database: Database
) -> None:
    page = operator.get(TEAM).text
    with database.writing(who="Zoe (web)") as session:
        session.get_one(Team, 1).name = HOSTILE
    refused = operator.post(TEAM, filled_in(page, name="Amigas"))
    assert refused.status_code == 422
    assert "Zoe (web) has since changed this to “&lt;script&gt;" in refused.text
    assert HOSTILE not in refused.text
    assert 'value="Amigas"' in refused.text


def test_an_entry_that_is_removed_meanwhile_says_who_did_it(
    operator: Visitor, database: Database
) -> None:
    with database.writing() as session:
        make_account(session, make_player(session, "Ann"))
    page = operator.get("/player/edit/?id=1").text
    other = Visitor(operator._client.application)
    other.sign_in("Zoe")
    assert other.post("/player/delete/", {"id": "1"}).status_code == 302
    gone = operator.post("/player/edit/?id=1", filled_in(page, name="Anna"))
    assert gone.status_code == 404


@pytest.mark.parametrize("address", ["/team/edit/?id=1", "/player/edit/?id=1"])
def test_a_name_that_is_taken_is_said_at_its_field_also_by_a_race(
    operator: Visitor, team: None, database: Database, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.writing() as session:
        make_team(session, "Taken")
        make_player(session, "Taken")
    for _ in range(2):
        refused = operator.post(address, filled_in(operator.get(address).text, name="TAKEN"))
        assert refused.status_code == 422
        assert "choose another name.</li>" in refused.text
        assert "UNIQUE" not in refused.text
        for module in ("teams", "players"):  # as if the other came between check and write
            monkeypatch.setattr(
                f"lol_dagster.roster.{module}.free_name", lambda rows, name, what, but: name
            )


@pytest.mark.parametrize(
    ("begun_at", "link"),
    [
        ("/team/details/?id=1", "/team/edit/"),
        ("/team/?search=am", "/team/edit/"),
        ("/player/details/?id=1", "/player/edit/"),
        ("/channel/details/?id=1", "/channel/edit/"),
    ],
)
def test_after_an_edit_one_is_back_where_it_began(
    operator: Visitor, database: Database, begun_at: str, link: str
) -> None:
    with database.writing() as session:
        team = make_team(session, "Amigos")
        make_member(session, team, "Ann")
        make_channel(session, team, "general")
    (edit,) = re.findall(rf'href="({link}[^"]*)"', operator.get(begun_at).text)
    address = html.unescape(edit)
    form = operator.get(address).text
    assert html.escape(begun_at) in form, "Cancel leads there, too"
    saved = operator.post(address, filled_in(form))
    assert saved.status_code == 302
    assert saved.location.startswith(begun_at)


def test_one_click_ends_a_membership(operator: Visitor, team: None, database: Database) -> None:
    """A second click, on a page that has not been reloaded, is refused."""
    said = {"id": "2", "version": "1", "back": "/team/details/?id=1"}
    out = operator.post("/team/end/", said)
    assert out.location == "/team/details/?id=1"
    assert "Bob is no longer in the team Amigos." in operator.get(out.location).text
    assert spans(database)["Bob"] == [(LONG_AGO, datetime(2026, 5, 4, 12, tzinfo=UTC))]
    operator.post("/team/end/", said)
    assert "Ann (web) changed" in operator.get("/team/").text
    assert operator.post("/team/end/", {**said, "back": "//evil.example/"}).location == "/team/"


def test_one_of_many_that_is_gone_already_does_not_stop_the_others(
    operator: Visitor, team: None, database: Database
) -> None:
    with database.writing() as session:
        second = make_team(session, "Bots").id
    chosen = {"action": "delete", "rowid": ["999", "1", str(second)]}
    assert operator.post("/team/action/", chosen).status_code == 302
    page = operator.get("/team/").text
    assert "One of them no longer exists." in page
    assert "Removed 2." in page


def test_removing_keeps_history_and_many_at_once_are_audited_each(
    operator: Visitor, team: None, database: Database
) -> None:
    with database.writing() as session:
        make_team(session, "Bots")
    operator.post("/team/action/", {"action": "delete", "rowid": ["1", "2"]})
    assert "Removed 2." in operator.get("/team/").text
    assert "Amigos" not in operator.get("/team/").text
    assert "Amigos" in operator.get("/team/?flt0_removed_ones=only").text
    with database.reading() as session:
        assert [each.removed_at is not None for each in session.scalars(select(Team))] == [True] * 2
        removed = session.scalars(
            select(AuditEntry.row).where(
                AuditEntry.table == "teams", AuditEntry.action == "changed"
            )
        )
        assert sorted(removed) == ["1", "2"]
    assert operator.post(TEAM, filled_in(operator.get(TEAM).text, name="Back")).status_code == 422


def test_players_are_found_by_riot_id_and_by_team(operator: Visitor, team: None) -> None:
    found = operator.get("/player/?search=summoner").text
    assert "2 in all" in found
    assert "2 in all" in operator.get("/player/?flt0_in_the_team=AMIG").text
    assert "1 in all" in operator.get("/player/?search=CLEO").text
    assert "0 in all" in operator.get("/player/?search=%25").text, "no wildcard"


def test_a_player_shows_the_curve_of_each_rank_and_what_games_brought(
    operator: Visitor, team: None, database: Database
) -> None:
    assert "Ranks" not in operator.get("/player/details/?id=1").text
    with database.writing() as session:
        ann = session.get_one(Player, 1)
        add_game(session, "EUW1_7", played(ann))
        for number, points in enumerate((45, 66), start=1):
            session.add(
                RankSnapshot(
                    id=number, account_id=ann.accounts[0].id, queue_id=420, taken_at=LONG_AGO,
                    seen_at=LONG_AGO, tier="GOLD", division="II", league_points=points,
                    wins=9 + number, losses=8,
                )
            )  # fmt: skip
        session.flush()
        session.add(
            RankChange(
                match_id="EUW1_7", account_id=ann.accounts[0].id, before_id=1, after_id=2, games=1
            )
        )
    page = html.unescape(operator.get("/player/details/?id=1").text)
    assert "<strong>Ranked Solo: Gold II 66 LP</strong>" in page
    assert ": Gold II 45</title>" in page
    assert "+21 LP (Gold II 45 → 66)" in page
    assert "Ranked Flex" not in page, "nobody has asked for it"


def test_a_rank_that_has_never_moved_has_no_curve(
    operator: Visitor, team: None, database: Database
) -> None:
    with database.writing() as session:
        session.add(
            RankSnapshot(
                account_id=session.get_one(Player, 1).accounts[0].id, queue_id=440, taken_at=LONG_AGO,
                seen_at=LONG_AGO, tier="GOLD", division="II", league_points=45, wins=9, losses=8,
            )
        )  # fmt: skip
    ranks = html.unescape(operator.get("/player/details/?id=1").text).partition("<h2>Ranks")[2]
    assert "<strong>Ranked Flex: Gold II 45 LP</strong>" in ranks
    assert "chart-box" not in ranks.partition("</section>")[0]


# --- channels -----------------------------------------------------------------------------------


def test_a_channel_is_added_with_what_it_is_to_hear(
    operator: Visitor, team: None, database: Database
) -> None:
    page = operator.get("/channel/new/?team=Amigos").text
    typed = filled_in(
        page, name="general", kind="discord-webhook", address=HOOK,
        queues=["arena", "Ranked Solo"], other_queues="3130", message_kinds=["game", "alert"],
        min_members="2", only_if="remarkable", template_lead=" {{ name }}!", pictures="card", quiet_hours=" 23-8", quiet_way="silent",
        story="y",
    )  # fmt: skip
    assert operator.post("/channel/new/", typed).status_code == 302
    row = the_channel(database)
    assert (row.address, row.uncertain) == (HOOK, "review")
    assert row.queues == ["arena", "Ranked Solo", 3130]
    shown = operator.get("/channel/details/?id=1").text
    assert "Arena, Ranked Solo, queue 3130" in shown
    assert row.message_kinds == ["game", "alert"]
    assert (row.min_members, row.only_if, row.pictures) == (2, "remarkable", "card")
    assert "are worth a remark" in shown
    assert "A card of the game" in shown
    assert (row.quiet_hours, row.quiet_way) == ("23:00-08:00", "silent")
    assert row.templates == {"lead": "{{ name }}!"}
    assert "lead: {{ name }}!" in shown
    assert row.story
    form = filled_in(operator.get(CHANNEL).text)
    assert (form["min_members"], form["only_if"]) == (["2"], ["remarkable"])
    assert operator.post(CHANNEL, {**form, "only_if": ""}).status_code == 302
    assert the_channel(database).only_if is None
    assert the_channel(database).story, "a box that was ticked stays so"
    form.pop("story")  # as a browser sends one that is not
    operator.post(CHANNEL, {**form, "seen_version": str(the_channel(database).version)})
    assert not the_channel(database).story


def test_an_address_is_never_shown_again_and_stays_when_it_is_left_empty(
    operator: Visitor, channel: None, database: Database
) -> None:
    page = operator.get(CHANNEL).text
    assert operator.post(CHANNEL, filled_in(page, name="ranked")).status_code == 302
    assert the_channel(database).address == HOOK
    form = filled_in(page, seen_version="2", other_queues="nonsense")
    form.pop("address")
    refused = operator.post(CHANNEL, form)
    assert refused.status_code == 422
    shown = [page, refused.text] + [
        operator.get(each).text
        for each in (
            "/channel/", "/channel/details/?id=1", "/channel/export/csv/", "/channel/export/json/",
            "/team/details/?id=1",
        )
    ]  # fmt: skip
    assert "webhooks/123456789012345678/…" in shown[3]
    assert not [text for text in shown if SECRET in text]
    assert "0 in all" in operator.get(f"/channel/?search={SECRET}").text
    (row,) = json.loads(operator.get("/channel/export/json/").text)
    assert row["address"].endswith("/123456789012345678/…")


@pytest.mark.parametrize(
    ("typed", "field", "said"),
    [
        ({"address": "nonsense"}, "address", "The address should be a Discord webhook"),
        ({"address": ""}, "address", "Say where"),
        ({"name": " "}, "name", "A name is missing"),
        ({"name": "GENERAL"}, "name", "There is already a channel"),
        ({"message_kinds": []}, "message_kinds", "Choose at least one"),
        ({"other_queues": "rankde"}, "other_queues", "is no kind of queue"),
        ({"template_facts": "{{ x }}"}, "template_facts", "there is no x"),
        ({"quiet_hours": "at night"}, "quiet_hours", "such as 23:00-08:00"),
        (
            {
                "kind": "slack-bot",
                "address": "C0123456789",
                "quiet_hours": "23-8",
                "quiet_way": "silent",
            },
            "quiet_way",
            "Slack has no messages without a sound",
        ),
        (
            {
                "kind": "slack-webhook",
                "address": "https://hooks.slack.com/services/T0/B0/xyz",
                "story": "y",
            },
            "story",
            "cannot be edited",
        ),
        ({"kind": "carrier-pigeon"}, "kind", "Not a valid choice"),
    ],
)
def test_an_error_of_a_channel_is_shown_at_its_field(
    operator: Visitor, channel: None, typed: dict[str, str], field: str, said: str
) -> None:
    page = operator.get("/channel/new/?team=Amigos").text
    form = filled_in(
        page, name="other", kind="discord-webhook", address=HOOK.replace("1234", "9234")
    )
    refused = operator.post("/channel/new/", {**form, **typed})
    assert refused.status_code == 422
    at_field = refused.text.partition(f'id="{field}-wrong">')[2].partition("</ul>")[0]
    assert said in at_field


def test_a_channels_rules_are_previewed_before_they_are_saved(
    operator: Visitor, channel: None, database: Database
) -> None:
    """The channel is for ranked solo."""
    with database.writing() as session:
        ann = make_member(session, session.get_one(Channel, 1).team)
        ended = datetime.now(UTC) - timedelta(hours=1)
        ranked = {"queue_kind": "ranked", "ended_at": ended, "processed_at": ended}
        add_game(session, "EUW1_1", played(ann), **ranked)
    typed = filled_in(operator.get(CHANNEL).text, min_members="2", preview="1")
    page = operator.post(CHANNEL, typed)
    assert page.status_code == 200
    assert "Of 1 game in the last week 0 gained, 1 lost, 0 changed, 0 the same" in page.text
    assert "the channel wants at least 2 of the team in a game, and 1 took part" in page.text
    # What was typed is still there, and saved only by the other button.
    assert the_channel(database).min_members == 1
    typed = filled_in(page.text)
    assert typed["min_members"] == ["2"]
    assert operator.post(CHANNEL, typed).status_code == 302
    assert the_channel(database).min_members == 2
    refused = operator.post(CHANNEL, {**typed, "quiet_hours": "at night", "preview": "1"})
    assert refused.status_code == 422
    assert "such as 23:00-08:00" in refused.text


def test_another_kind_is_refused_without_an_address_at_that_field(
    operator: Visitor, channel: None
) -> None:
    refused = operator.post(CHANNEL, filled_in(operator.get(CHANNEL).text, kind="slack-bot"))
    at_field = refused.text.partition('id="address-wrong">')[2].partition("</ul>")[0]
    assert "Another kind needs an address of that kind" in at_field


def test_of_two_who_edit_a_channel_the_second_sees_what_the_first_has_done(
    operator: Visitor, channel: None, database: Database
) -> None:
    page = operator.get(CHANNEL).text
    with database.writing(who="Zoe (web)") as session:
        row = session.get_one(Channel, 1)
        row.queues, row.address, row.uncertain = ["Brawl", 450], HOOK + "2", "resend"
    refused = operator.post(CHANNEL, filled_in(page, name="ranked", uncertain="resend"))
    assert refused.status_code == 422
    assert refused.text.count("You had not, so the new value is shown") == 2
    assert "Zoe (web) changed general in the meantime (address, queues, uncertain)" in refused.text
    assert filled_in(refused.text)["queues"] == ["Brawl"]
    assert filled_in(refused.text)["other_queues"] == ["450"]
    assert operator.post(CHANNEL, filled_in(refused.text)).status_code == 302
    row = the_channel(database)
    assert (row.name, row.queues, row.address, row.uncertain) == (
        "ranked", ["Brawl", 450], HOOK + "2", "resend",
    )  # fmt: skip


# --- hostile names ------------------------------------------------------------------------------


def test_hostile_names_are_text_on_every_page(operator: Visitor, database: Database) -> None:
    with database.writing() as session:
        team = make_team(session, HOSTILE)
        player = make_member(session, team, HOSTILE, game_name=HOSTILE[:30], tag_line="X")
        make_channel(session, team, HOSTILE)
        account_id = player.accounts[0].id
    pages = [
        f"/{what}/{page}"
        for what in ("team", "player", "account", "channel")
        for page in ("", "details/?id=1", "edit/?id=1")
    ]
    for page in [*pages, f"/account/move/?id={account_id}", "/account/more/?id=1", "/account/add/"]:
        shown = operator.get(page)
        assert shown.status_code == 200, page
        assert "<script>alert" not in shown.text, page
        assert "&lt;script&gt;alert" in shown.text, page


def test_pictures_are_refused_where_there_can_be_none(
    operator: Visitor, team: None, database: Database
) -> None:
    typed = filled_in(
        operator.get("/channel/new/?team=Amigos").text, name="general", kind="slack-webhook",
        address="https://hooks.slack.com/services/T1/B1/abc", pictures="card",
    )  # fmt: skip
    answer = operator.post("/channel/new/", typed)
    assert (answer.status_code, "takes no cards" in answer.text) == (422, True)
