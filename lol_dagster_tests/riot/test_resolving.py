"""Which Riot account a row stands for: puuids and renames."""

from __future__ import annotations

import pytest

from lol_dagster.pipeline.discovery import DEEP_POLL_EVERY
from lol_dagster.storage.models import Account
from lol_dagster_tests._support.raw_server import Request
from lol_dagster_tests.riot.fake_riot import ROOMY, Reply, refusal
from lol_dagster_tests.riot.world import NOW, World


def test_an_account_without_puuid_is_resolved_by_its_riot_id(world: World) -> None:
    account = world.member(puuid=None, game_name="old name", tag_line="NA1")
    world.riot.on("by-riot-id/old%20name/NA1",
                  Reply(200, {"puuid": "new", "gameName": "Old Name", "tagLine": "NA1"}))  # fmt: skip
    world.riot.on("by-puuid/new/ids", Reply(200, ["NA1_1"]))

    assert world.discover().new_match_ids == ("NA1_1",)

    row = world.account(account)
    assert (row.puuid, row.puuid_key) == ("new", world.client.key_fingerprint)
    assert row.game_name == "Old Name", "as Riot writes it"
    assert row.version > account.version


def test_an_account_that_riot_does_not_know_is_noted_and_harms_nobody(world: World) -> None:
    lost = world.member(puuid=None, game_name="Gone", tag_line="X")
    other = world.member()
    world.list(other, "NA1_1")

    report = world.discover()

    assert report.new_match_ids == ("NA1_1",)
    assert [failure.account_id for failure in report.failures] == [lost.id]
    poll = world.poll(lost)
    assert "Gone#X" in (poll.last_error or "")
    assert (poll.failures, poll.last_good_poll_at) == (1, None)
    assert poll.next_poll_at > NOW


def test_a_riot_id_of_an_account_that_we_have_already_is_noted(world: World) -> None:
    first = world.member(puuid="same")
    second = world.member(puuid=None)
    world.list(first)
    world.riot.on("by-riot-id", Reply(200, {"puuid": "same"}))
    world.discover()
    assert "is the Riot account of the player" in (world.poll(second).last_error or "")
    assert world.account(second).puuid is None


def test_a_puuid_of_another_application_is_asked_for_again(world: World) -> None:
    """Puuids are encrypted per application."""
    account = world.member(puuid="foreign")
    world.riot.on("by-puuid/foreign", refusal(400, "Bad Request - Exception decrypting foreign"))
    world.riot.on("by-riot-id", Reply(200, {"puuid": "own"}))
    world.riot.on("by-puuid/own/ids", Reply(200, ["NA1_1"]))

    assert world.discover().new_match_ids == ("NA1_1",)
    assert world.account(account).puuid == "own"


def test_a_puuid_that_stays_foreign_is_asked_for_once_and_noted(world: World) -> None:
    account = world.member(puuid="foreign")
    world.riot.on("by-puuid", refusal(400, "Bad Request - Exception decrypting"))
    world.riot.on("by-riot-id", Reply(200, {"puuid": "foreign too"}))

    world.discover()

    assert len(world.riot.asked("by-riot-id")) == 1
    assert "decrypting" in (world.poll(account).last_error or "")


def test_a_rename_is_taken_over_by_the_deep_poll(world: World) -> None:
    account = world.member(
        game_name="Before", tag_line="NA1", puuid_key=world.client.key_fingerprint
    )
    world.list(account)
    world.riot.on(f"by-puuid/{account.puuid}$",
                  Reply(200, {"puuid": account.puuid, "gameName": "After", "tagLine": "EUW"}))  # fmt: skip
    world.discover()
    row = world.account(account)
    assert (row.riot_id, row.version) == ("After#EUW", account.version + 1)

    world.riot.on(f"by-puuid/{account.puuid}$", Reply(200, {"puuid": account.puuid}))
    world.discover(NOW + DEEP_POLL_EVERY)
    assert world.account(account).riot_id == "After#EUW", "Riot leaves the names out at times"


def test_an_override_in_a_name_of_riots_does_not_come_in(world: World) -> None:
    """Shown, it would turn what follows around."""
    account = world.member(game_name="Before", tag_line="NA1")
    world.list(account)
    named = {"puuid": account.puuid, "gameName": "Ann\u202eevil", "tagLine": "\u2066NA1\u2069"}
    world.riot.on(f"by-puuid/{account.puuid}$", Reply(200, named))
    world.discover()
    assert world.account(account).riot_id == "Annevil#NA1"


def test_a_name_that_cannot_be_asked_for_does_not_fail_the_poll(world: World) -> None:
    account = world.member()
    world.list(account, "NA1_1")
    world.riot.on(f"by-puuid/{account.puuid}$", Reply(503, b"", ROOMY))
    report = world.discover()
    assert (report.new_match_ids, report.failures) == (("NA1_1",), ())


def test_an_account_that_is_edited_while_riot_is_asked_stays_as_it_was_edited(
    world: World,
) -> None:
    """The answer is about the Riot ID as it was mistyped: a stranger's account."""
    account = world.member(puuid=None, game_name="Typo", tag_line="NA1")

    def answer_late(request: Request) -> Reply:
        with world.database.writing() as session:
            session.get_one(Account, account.id).game_name = "Right"
        return Reply(200, {"puuid": "strangers", "gameName": "Typo", "tagLine": "NA1"})

    world.riot.on("by-riot-id", answer_late)
    world.discover()
    row = world.account(account)
    assert (row.riot_id, row.puuid) == ("Right#NA1", None)
    assert "edited at this moment" in (world.poll(account).last_error or "")


@pytest.mark.parametrize("asked", ["by-riot-id", "by-puuid/[^/]+$"])
def test_an_account_that_is_removed_while_riot_is_asked_stops_nobody_elses_poll(
    world: World, asked: str
) -> None:
    account = world.member(puuid=None if asked == "by-riot-id" else "deleted", game_name="Ann")
    other = world.member()
    world.list(other, "NA1_1")
    world.riot.on("by-puuid/gone/ids", Reply(200, []))

    def answer_late(request: Request) -> Reply:
        with world.database.writing() as session:
            row = session.get(Account, account.id)
            if row is not None:
                session.delete(row)
        return Reply(200, {"puuid": "deleted", "gameName": "Renamed"})

    world.riot.on(asked, answer_late)
    assert world.discover().new_match_ids == ("NA1_1",)


def test_an_account_is_resolved_by_itself_when_riot_answers_again(world: World) -> None:
    account = world.member(puuid=None, game_name="Ann", tag_line="NA1")
    world.list(world.member())  # is answered: the failure is this account's and not the route's
    world.riot.on("by-riot-id", Reply(503, b"", ROOMY))
    now, pauses = NOW, []
    for _ in range(3):
        world.discover(now)
        poll = world.poll(account)
        assert "503" in (poll.last_error or "")
        pauses.append(poll.next_poll_at - now)
        now = poll.next_poll_at
        world.time.now += 3600  # the route's rest is over
    assert pauses == sorted(set(pauses)), "ever longer"

    world.riot.on("by-riot-id", Reply(200, {"puuid": "ann", "gameName": "Ann", "tagLine": "NA1"}))
    world.riot.on("by-puuid/ann/ids", Reply(200, ["NA1_1"]))
    assert world.discover(now).new_match_ids == ("NA1_1",)
    assert (world.account(account).puuid, world.poll(account).last_error) == ("ann", None)
