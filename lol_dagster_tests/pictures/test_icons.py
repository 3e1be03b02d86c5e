"""Champion icons come from Data Dragon, once each, and nothing hangs on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lol_dagster.pictures import icons
from lol_dagster.pictures.artist import Artist, artist_of
from lol_dagster.pictures.card import Card, CardMember
from lol_dagster.pictures.drawing import CannotDraw
from lol_dagster.pictures.icons import Icons, is_png
from lol_dagster.settings import load_settings
from lol_dagster.simulator.main import Simulator
from lol_dagster_tests._support.raw_server import Connection, Request, answer, raw_server
from lol_dagster_tests.pictures.pngs import a_png, read_png

RED = a_png(200, 0, 0)
WUKONG = {"data": {"MonkeyKing": {"id": "MonkeyKing", "key": "62"}}}


@dataclass
class Dragon:
    """Data Dragon, with answers that a test may spoil."""

    answers: dict[str, bytes] = field(
        default_factory=lambda: {
            "/api/versions.json": b'["16.10.1", "16.9.2", "16.9.1"]',
            "/cdn/16.9.2/data/en_US/champion.json": json.dumps(WUKONG).encode(),
            "/cdn/16.9.2/img/champion/MonkeyKing.png": RED,
        }
    )
    asked: list[str] = field(default_factory=list)
    url: str = ""
    now: float = 0.0
    takes: float = 0.0
    """Seconds that pass with each call."""

    def __call__(self, request: Request, connection: Connection) -> None:
        self.asked.append(request.target)
        self.now += self.takes
        found = self.answers.get(request.target)
        connection.send(answer(403, "Access Denied") if found is None else answer(200, found))

    def icons(self, folder: Path) -> Icons:
        return Icons(self.url, folder, clock=lambda: self.now)


@pytest.fixture
def dragon() -> Iterator[Dragon]:
    made = Dragon()
    with raw_server(made) as server:
        made.url = server.url("")
        yield made


def test_an_icon_is_fetched_of_the_games_patch_and_kept(dragon: Dragon, tmp_path: Path) -> None:
    found = dragon.icons(tmp_path)
    assert found.for_a_card()(62, "16.9") == RED
    assert dragon.asked == list(dragon.answers), "the newest version of the patch"
    assert [each.name for each in tmp_path.rglob("*.png*")] == ["62.png"]
    for again in (found, dragon.icons(tmp_path)):
        assert again.for_a_card()(62, "16.9") == RED
    assert len(dragon.asked) == 3


def test_classic_champions_have_the_icons_of_the_others(dragon: Dragon, tmp_path: Path) -> None:
    assert dragon.icons(tmp_path).for_a_card()(60_062, "16.9") == RED


def test_a_patch_that_data_dragon_lacks_has_the_newest_icons(
    dragon: Dragon, tmp_path: Path
) -> None:
    for kind in ("data/en_US/champion.json", "img/champion/MonkeyKing.png"):
        dragon.answers[f"/cdn/16.10.1/{kind}"] = dragon.answers[f"/cdn/16.9.2/{kind}"]
    assert dragon.icons(tmp_path).for_a_card()(62, "26.1") == RED
    assert (tmp_path / "26.1/62.png").exists()


def test_a_champion_that_is_not_known_there_costs_the_others_nothing(
    dragon: Dragon, tmp_path: Path
) -> None:
    find = dragon.icons(tmp_path).for_a_card()
    assert (find(1, "16.9"), find(62, "16.9")) == (None, RED)


@pytest.mark.parametrize("patch", ["", "16", "../../etc", "16.9/..", "１６.9", "16.9.1"])
def test_what_is_no_patch_leads_nowhere(dragon: Dragon, tmp_path: Path, patch: str) -> None:
    assert dragon.icons(tmp_path).for_a_card()(62, patch) is None
    assert dragon.icons(tmp_path).for_a_card()(-1, "16.9") is None
    assert (dragon.asked, list(tmp_path.rglob("*.png"))) == ([], [])


@pytest.mark.parametrize("path", list(Dragon().answers))
@pytest.mark.parametrize(
    "spoiled",
    [None, b"", b"<html>", b"[]", b"{}", b'[7, "../.."]', b'{"data": [7]}', RED[:-1], RED + b"x",
     RED.replace(b"IDAT", b"IDAX"), b'{"data": {"a": {"id": "../../x", "key": "62"}}}'],
    ids=["403", "empty", "html", "list", "object", "no versions", "no champions", "cut", "longer", "crc", "path"],
)  # fmt: skip
def test_whatever_is_wrong_there_is_no_icon_and_it_is_not_asked_for_ten_minutes(
    dragon: Dragon, tmp_path: Path, path: str, spoiled: bytes | None
) -> None:
    whole = dragon.answers.pop(path)
    if spoiled is not None:
        dragon.answers[path] = spoiled
    found = dragon.icons(tmp_path)
    assert found.for_a_card()(62, "16.9") is None
    assert list(tmp_path.rglob("*.png*")) == []
    assert set(dragon.asked) <= Dragon().answers.keys(), "nor does it lead anywhere else"
    asked = len(dragon.asked)
    dragon.answers[path] = whole
    names_are_known = spoiled is not None and b"../../x" in spoiled and "champion.json" in path
    if not names_are_known:  # a champion that is not there is no failure
        dragon.now = 599.0
        assert found.for_a_card()(62, "16.9") is None
        assert len(dragon.asked) == asked
        dragon.now = 601.0
        assert found.for_a_card()(62, "16.9") == RED


def test_a_file_that_is_broken_is_fetched_again(dragon: Dragon, tmp_path: Path) -> None:
    kept = tmp_path / "16.9/62.png"
    kept.parent.mkdir()
    kept.write_bytes(RED[:20])
    assert dragon.icons(tmp_path).for_a_card()(62, "16.9") == RED
    assert kept.read_bytes() == RED


def test_a_home_that_cannot_be_written_costs_the_icon_alone(dragon: Dragon, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert dragon.icons(tmp_path / "file").for_a_card()(62, "16.9") is None


def test_one_card_waits_for_its_icons_no_longer_than_six_seconds(
    dragon: Dragon, tmp_path: Path
) -> None:
    more = {name: {"id": name, "key": key} for name, key in (("Two", "63"), ("Three", "64"))}
    champions = json.dumps({"data": {**WUKONG["data"], **more}}).encode()
    dragon.answers["/cdn/16.9.2/data/en_US/champion.json"] = champions
    dragon.answers["/cdn/16.9.2/img/champion/Two.png"] = RED
    dragon.takes = 4.0
    found = dragon.icons(tmp_path)
    find = found.for_a_card()
    assert find(62, "16.9") == RED  # three calls, which had begun before
    assert find(63, "16.9") is None
    asked = len(dragon.asked)
    assert find(62, "16.9") == RED, "what is kept is there at once"
    assert find(64, "16.9") is None
    assert len(dragon.asked) == asked == 3
    assert found.for_a_card()(63, "16.9") == RED, "the next card goes on"


def test_nobody_answers(tmp_path: Path) -> None:
    assert Icons("http://127.0.0.1:9", tmp_path).for_a_card()(62, "16.9") is None


def test_each_call_has_an_end(
    dragon: Dragon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadlines: list[float] = []
    real: Callable[..., object] = icons.DeadlineSession.request

    def request(self: object, *args: object, deadline: float, **how: object) -> object:
        deadlines.append(deadline)
        return real(self, *args, deadline=deadline, **how)

    monkeypatch.setattr(icons.DeadlineSession, "request", request)
    dragon.icons(tmp_path).for_a_card()(62, "16.9")
    assert deadlines == [3.0] * 3


@pytest.mark.parametrize("data", [b"", RED[:8], RED[:30], RED[8:], RED[:-12]])
def test_what_is_cut_is_no_png(data: bytes) -> None:
    assert is_png(RED)
    assert not is_png(data)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as world:
        yield world


def test_a_card_has_the_icons_of_the_simulated_world(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in simulator.environment.items():
        monkeypatch.setenv(name, value)
    ahri = CardMember(name="Ann", champion="Ahri", champion_id=103, score="1/2/3")
    card = Card("Victory", "", "good", (ahri,), patch="16.15")
    settings = load_settings()
    picture = read_png(artist_of(settings).draw(card.to_json()))
    # One colour, as the simulated icons are: 103 * 37 % 160 + 60 = 191, * 101: 63, * 53: 79.
    assert picture.colours(36 + 40, 144 + 52, 8, 8) == {bytes((191, 63, 79))}
    assert [each["operation"] for each in simulator.truth.calls("ddragon")] == [
        "ddragon.versions", "ddragon.champions", "ddragon.icon",
    ]  # fmt: skip
    assert (settings.home / "champion-icons/16.15/103.png").exists()


@pytest.mark.parametrize("content", [{}, {"title": "Victory"}, [], None, 7])
def test_what_is_no_card_cannot_be_drawn(content: object) -> None:
    with pytest.raises(CannotDraw, match="no card of this version"):
        Artist(None).draw(content)  # type: ignore[arg-type]
