"""Routes and match ids."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lol_dagster.riot.routing import (
    PLATFORMS,
    InvalidMatchId,
    UnknownPlatform,
    account_route,
    platform_of,
    regional_route,
    validate_match_id,
)


def test_every_platform_leads_to_the_route_that_riot_gives_it(shared_dir: Path) -> None:
    routes = json.loads((shared_dir / "riot" / "routes.json").read_text())["platform"]

    assert {platform: regional_route(platform) for platform in PLATFORMS} == {
        platform: route["regionalRoute"] for platform, route in routes.items()
    }


@pytest.mark.parametrize(
    ("platform", "route"),
    [("na1", "americas"), ("euw1", "europe"), ("kr", "asia"), ("oc1", "asia"), ("ph2", "asia")],
)
def test_account_v1_has_no_sea_host(platform: str, route: str) -> None:
    assert account_route(platform) == route


@pytest.mark.parametrize("platform", ["NA1", " na1 ", "Na1"])
def test_a_platform_may_be_written_in_capitals(platform: str) -> None:
    assert regional_route(platform) == "americas"


@pytest.mark.parametrize("platform", ["na", "americas", "", "na1\n\x1b[2J", "n" * 500])
def test_an_unknown_platform_is_named_on_one_line_with_the_legal_ones(platform: str) -> None:
    with pytest.raises(UnknownPlatform) as caught:
        regional_route(platform)
    message = str(caught.value)
    assert "na1, br1" in message
    assert "euw1" in message
    assert message.isprintable()
    assert len(message) < 250


@pytest.mark.parametrize(
    ("match_id", "platform", "route"),
    [
        ("NA1_5012345678", "na1", "americas"),
        ("OC1_123", "oc1", "sea"),
        ("PH2_7", "ph2", "sea"),  # folded into sg2; old ids keep their prefix
        ("TH2_7", "th2", "sea"),
        ("RU_448", "ru", "europe"),
    ],
)
def test_the_route_of_a_match_comes_from_its_prefix(
    match_id: str, platform: str, route: str
) -> None:
    assert platform_of(match_id) == platform
    assert regional_route(platform_of(match_id)) == route


def test_an_esports_id_is_of_the_form_but_no_route_knows_it() -> None:
    assert validate_match_id("ESPORTSTMNT01_3693495") == "ESPORTSTMNT01_3693495"
    with pytest.raises(UnknownPlatform):
        platform_of("ESPORTSTMNT01_3693495")


@pytest.mark.parametrize(
    "text",
    [
        "", "NA1", "NA1_", "_5012345678", "na1_5012345678", "NA1-5012345678", "NA1_50123 45678",
        "NA1_5012345678\n", "\tNA1_5012345678", "NA1_501\x00", "NA1_5...NA1_9", "[NA1_5]",
        "NA1_5,NA1_6", "NA1_٥٠", "NA1_-5", "NA1_5.0", "NA1_" + "5" * 20, "N" * 30 + "_5",
    ],
)  # fmt: skip
def test_what_is_no_match_id_is_refused_with_a_printable_line(text: str) -> None:
    with pytest.raises(InvalidMatchId, match="NA1_5012345678") as caught:
        validate_match_id(text)
    assert str(caught.value).isprintable()
