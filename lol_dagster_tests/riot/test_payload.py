"""Which payloads are accepted, and what is said of those that are not."""

from __future__ import annotations

import pytest

from lol_dagster.riot.payload import BrokenPayload, parse_match
from lol_dagster_tests._support.payloads import (
    ABSENT,
    empty_payload,
    encode,
    match_payload,
    participant,
    payload_bytes,
)

MATCH = "NA1_5000000001"


def with_first(**fields: object) -> bytes:
    """A payload whose first participant has these fields, or lacks those that are ABSENT."""
    payload = match_payload()
    person = payload["info"]["participants"][0] | fields
    payload["info"]["participants"][0] = {k: v for k, v in person.items() if v is not ABSENT}
    return encode(payload)


def errors_of(body: bytes, match_id: str = MATCH) -> list[str]:
    with pytest.raises(BrokenPayload) as caught:
        parse_match(match_id, body)
    assert match_id in str(caught.value)
    return caught.value.errors


def test_unknown_fields_pass_at_every_level() -> None:
    payload = match_payload(participants=[participant("Ann", somethingNew={"deep": [1]})])
    payload["info"]["alsoNew"] = None
    payload["andHere"] = 1
    payload["metadata"]["newToo"] = True
    assert len(parse_match(MATCH, encode(payload)).participants) == 10


@pytest.mark.parametrize(
    "field",
    ["puuid", "challenges", "missions", "riotIdGameName", "riotIdTagline", "summonerName",
     "placement", "subteamPlacement", "playerSubteamId", "playerAugment1", "teamPosition",
     "gameEndedInEarlySurrender", "gameEndedInIGNBSurrender"],
)  # fmt: skip
def test_a_participant_field_that_came_with_some_patch_may_be_missing(field: str) -> None:
    body = with_first(**{field: ABSENT})
    assert parse_match(MATCH, body).participants[0].kills == 4


@pytest.mark.parametrize(
    "field", ["endOfGameResult", "gameEndTimestamp", "tournamentCode", "teams", "gameCreation"]
)
def test_a_field_of_the_game_that_came_with_some_patch_may_be_missing(field: str) -> None:
    payload = match_payload()
    payload["info"].pop(field)
    assert parse_match(MATCH, encode(payload)).queue_id == 420


def test_whole_numbers_may_arrive_as_floats() -> None:
    payload = match_payload(gameDuration=1800.0)
    payload["info"]["participants"][0] |= {"kills": 7.0, "totalDamageDealtToChampions": 12345.6}
    info = parse_match(MATCH, encode(payload))
    assert info.participants[0].kills == 7
    assert info.participants[0].total_damage_dealt_to_champions == 12346
    assert info.game_duration == 1800


def test_game_ids_beyond_32_bits_are_ordinary() -> None:
    assert parse_match("KR_8322458588", payload_bytes("KR_8322458588")).game_id == 8_322_458_588


def test_every_wrong_field_is_named_by_its_path() -> None:
    payload = match_payload()
    payload["info"]["queueId"] = "420"
    payload["info"]["participants"][3]["kills"] = None
    del payload["info"]["participants"][7]["teamId"]
    paths = [error.split(":")[0] for error in errors_of(encode(payload))]
    assert paths == [
        "info.queueId",
        "info.participants.3.kills",
        "info.participants.7.teamId",
    ]


def test_values_and_body_never_appear_in_the_error() -> None:
    assert "hush" not in str(errors_of(with_first(kills="hush-hush")))
    assert "hush" not in str(errors_of(b'{"info": hush'))


def test_a_payload_with_hundreds_of_errors_makes_a_short_message() -> None:
    payload = match_payload()
    payload["info"]["participants"] = [{} for _ in range(18)]
    with pytest.raises(BrokenPayload) as caught:
        parse_match(MATCH, encode(payload))
    assert len(str(caught.value)) < 2000
    assert str(caught.value).endswith("more")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), True, "7", -1, 2**31])
def test_what_is_no_plausible_count_is_refused(number: object) -> None:
    errors = errors_of(with_first(deaths=number))
    assert [error.split(":")[0] for error in errors] == ["info.participants.0.deaths"]


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b'{"info": null}', b"<html>502 Bad Gateway</html>", b"\xff\xfe",
     b'{"info"', b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_match_at_all_is_refused(body: bytes) -> None:
    assert errors_of(body)


def test_the_payload_of_another_match_is_refused() -> None:
    errors = errors_of(payload_bytes("NA1_5000000002"))
    assert errors == ["metadata.matchId: is that of another match"]


def test_an_empty_answer_knows_its_match_by_the_metadata_alone() -> None:
    info = parse_match("EUW1_6834713231", encode(empty_payload("EUW1_6834713231")))
    assert (info.game_id, info.participants) == (0, [])


def test_an_esports_dump_is_the_info_object_alone() -> None:
    info = match_payload("ESPORTSTMNT01_3693495", mode="custom")["info"]
    for person in info["participants"]:
        del person["puuid"]
        person["summonerId"] = 147_419_460_891_692
    parsed = parse_match("ESPORTSTMNT01_3693495", encode(info))
    assert [person.puuid for person in parsed.participants] == [None] * 10


def test_two_participants_with_one_number_are_refused() -> None:
    body = payload_bytes(participants=[participant("Ann", participantId=2)])
    assert errors_of(body) == ["info.participants: two have the same participantId"]


def test_two_people_with_one_puuid_are_refused_and_two_bots_are_not() -> None:
    twice = [participant("Ann"), participant("Ann")]
    assert errors_of(payload_bytes(participants=twice)) == [
        "info.participants: two have the same puuid"
    ]
    assert len(parse_match(MATCH, payload_bytes(mode="bots")).participants) == 10


def test_augments_are_collected_however_many_and_however_spelled() -> None:
    ann = participant(
        "Ann",
        playerAugment1=11,
        playerAugment2=0,
        playerAugment3=ABSENT,
        playerAugment10=1010,
        PlayerAugment4=44,
        playerAugment4=ABSENT,
    )
    info = parse_match(MATCH, payload_bytes(mode="arena_18", participants=[ann]))
    # By number, not as text (10 after 4); zeros are slots that were not used.
    assert info.participants[0].augments == [11, 44, 1010]
