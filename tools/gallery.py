"""Draws docs/messages.md: every kind of message as Discord and Slack show it on a phone.

    .venv/bin/python tools/gallery.py        (or: make gallery)

The messages are those of lol_dagster_tests/gallery/samples.py. Each is posted to the simulated Discord and Slack
by the product's own transports, and the simulated channel's page is drawn by Chromium, 360 px wide, light and
dark. What each picture was made of stands in docs/images/messages/made-of.json, so that a test can tell that they
are up to date without drawing them: fonts differ from machine to machine.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # for the samples, which are the tests'

from lol_dagster.delivery.model import Accepted  # noqa: E402
from lol_dagster.delivery.transports.base import Outgoing, Transport  # noqa: E402
from lol_dagster.delivery.transports.base import Picture as CardPicture  # noqa: E402
from lol_dagster.delivery.transports.registry import all_transports  # noqa: E402
from lol_dagster.messages.content import Icon  # noqa: E402
from lol_dagster.messages.language import LANGUAGES, language  # noqa: E402
from lol_dagster.messages.wording import mode_in_words  # noqa: E402
from lol_dagster.pictures.card import Card  # noqa: E402
from lol_dagster.pictures.drawing import draw as draw_card  # noqa: E402
from lol_dagster.riot.modes import MODES  # noqa: E402
from lol_dagster.settings import Settings  # noqa: E402
from lol_dagster.simulator.ddragon import _square  # noqa: E402
from lol_dagster.simulator.limits import Limit  # noqa: E402
from lol_dagster.simulator.main import Options, Simulator  # noqa: E402
from lol_dagster_tests.gallery.samples import Picture, pictures  # noqa: E402

PAGE = ROOT / "docs" / "messages.md"
FOLDER = ROOT / "docs" / "images" / "messages"
MADE_OF = FOLDER / "made-of.json"
KINDS: Final = {"Discord": "discord-bot", "Slack": "slack-bot"}
SCHEMES: Final = ("light", "dark")
WIDTH: Final = 360
NOW: Final = 1785618000.0
"""2026-08-01 21:00 UTC: an hour after the games of the samples."""
_CHANNELS: Final = {"discord-bot": 420420420420420400, "slack-bot": 1000}
_DDRAGON: Final = "https://ddragon.leagueoflegends.com"
_VERSION: Final = "16.15.1"
_EMOJI_IDS: Final = 10**17
"""Icons of champions: Data Dragon's, and emojis."""
_ABOUT: Final = """# Messages

*Drawn by `make gallery`: change the samples or the code, and run it again.*

What friends read, as Discord and Slack show it on a phone, in light and dark. The people are made up; the games go
the whole way from a payload, in `lol_dagster_tests/gallery/samples.py`. The pictures are those of the simulated
channels, which show what the services' own clients do of a message, without their fonts.

"""


def bodies_of(
    picture: Picture, transport: Transport, ddragon: str = _DDRAGON
) -> list[dict[str, Any]]:
    """What is sent for a picture's messages.

    Args:
        ddragon: Where Data Dragon is.
    """
    icons = {
        each.champion_id: f"<:lol_{each.champion}:{_EMOJI_IDS + each.champion_id}>"
        if transport.service == "Discord"
        else f"{ddragon}/cdn/{_VERSION}/img/champion/{each.champion}.png"
        for each in _icons(picture)
    }
    return [
        transport.render(content, f"{number:032x}.1", icons)
        for number, content in enumerate(picture.contents, start=1)
    ]


def _icons(picture: Picture) -> Iterator[Icon]:
    for content in picture.contents:
        for section in content.sections:
            yield from filter(None, (line.icon for line in section.lines))


def file_name(picture: Picture, service: str, scheme: str) -> str:
    return f"{picture.name}-{service.lower()}-{scheme}.webp"


def made_of(settings: Settings) -> dict[str, str]:
    """Picture file → sha256 of the bodies that it shows."""
    transports = all_transports(settings)
    found: dict[str, str] = {}
    for picture in pictures():
        for service, kind in KINDS.items():
            bodies = bodies_of(picture, transports[kind])
            takes_them = transports[kind].takes_pictures
            cards = [each.card for each in picture.contents if each.card and takes_them]
            text = json.dumps([bodies, cards] if cards else bodies, sort_keys=True)
            for scheme in SCHEMES:
                found[file_name(picture, service, scheme)] = hashlib.sha256(
                    text.encode()
                ).hexdigest()
    return found


def page() -> str:
    """The text of docs/messages.md."""
    return _ABOUT + "\n".join([*_sections(), _modes()])


def _sections() -> Iterator[str]:
    for picture in pictures():
        yield f"## {picture.title}\n\n{picture.about}\n"
        for service in KINDS:
            images = " ".join(
                f'<img src="images/messages/{file_name(picture, service, scheme)}" width="{WIDTH}" '
                f'alt="{_spoken(picture)}">'
                for scheme in SCHEMES
            )
            yield f"**{service}**\n\n{images}\n"


def _modes() -> str:
    """What each mode is called, in every language, and as which it reads."""
    others = [language(code) for code in LANGUAGES if code != "en"]
    rows = [["Mode", "Reads as", *(LANGUAGES[each.code] for each in others)]]
    rows.append(["---"] * len(rows[0]))
    for mode in MODES:
        for name in (mode.name, *(queue.name for queue in mode.queues)) if mode.announced else ():
            row = [name, mode.family, *(mode_in_words(name, each) for each in others)]
            if row not in rows:
                rows.append(row)
    return "## All modes\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _spoken(picture: Picture) -> str:
    """What the picture shows, for whoever cannot see it."""
    said = "; ".join(content.summary for content in picture.contents[:4])
    more = " …" if picture.contents[4:] else ""
    return (said + more).replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def draw(chromium: str) -> None:
    """Write the page and its pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.webp"):
        old.unlink()
    options = Options(discord_limit=Limit(1000, 1), slack_limit=Limit(1000, 1))
    with Simulator(options, clock=lambda: NOW) as world, sync_playwright() as playwright:
        os.environ.update(world.environment)
        settings = Settings(_env_file=None)
        for each in (icon for picture in pictures() for icon in _icons(picture)):
            square = _square(each.champion_id)
            world.discord.board.files[str(_EMOJI_IDS + each.champion_id)] = square
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for number, picture in enumerate(pictures()):
            for service, kind in KINDS.items():
                transport = all_transports(settings)[kind]
                channel = _post(picture, number, transport, settings.ddragon_url)
                for scheme in SCHEMES:
                    drawn = _screenshot(
                        browser, world, f"{service.lower()}/{channel}", picture, scheme
                    )
                    (FOLDER / file_name(picture, service, scheme)).write_bytes(drawn)
        browser.close()
    PAGE.write_text(page(), encoding="utf-8")
    MADE_OF.write_text(json.dumps(made_of(Settings(_env_file=None)), indent=1) + "\n")


def _post(picture: Picture, number: int, transport: Transport, ddragon: str) -> str:
    """Post a picture's messages into a channel of their own."""
    base = _CHANNELS[transport.kind] + number
    channel = str(base) if transport.kind == "discord-bot" else f"C{base:010}"
    bodies = bodies_of(picture, transport, ddragon)
    for rank, (body, content) in enumerate(zip(bodies, picture.contents, strict=True), start=1):
        outgoing = Outgoing(f"{rank:032x}", 1, f"{number:06}{rank:04}", body)
        answer = transport.post(channel, outgoing)
        if not isinstance(answer.verdict, Accepted):
            sys.exit(f"{transport.kind} refused {picture.name}: {answer}")
        remote_id = answer.verdict.remote_id
        if content.card and transport.takes_pictures and remote_id is not None:
            card = CardPicture(draw_card(Card.from_json(content.card)), content.summary)
            if transport.uploads_pictures:
                card = replace(card, file_id=transport.upload(card))
            transport.patch(channel, remote_id, replace(outgoing, rev=2, picture=card))
    return channel


def _screenshot(
    browser: Browser, world: Simulator, channel: str, picture: Picture, scheme: Any
) -> bytes:
    language = picture.contents[0].language
    context = browser.new_context(
        viewport={"width": WIDTH, "height": 6000},
        device_scale_factor=1.5,
        color_scheme=scheme,
        locale={"en": "en-GB"}.get(language, language),
        timezone_id="Europe/Berlin",
    )
    shown = context.new_page()
    shown.clock.set_fixed_time(NOW * 1000)
    shown.goto(f"{world.url}/#{channel}")
    last = shown.locator("#messages > li").nth(len(picture.contents) - 1)
    last.wait_for()
    messages, end = shown.locator("#messages").bounding_box(), last.bounding_box()
    assert messages is not None
    assert end is not None
    top = messages["y"]
    clip = {"x": 0, "y": top, "width": WIDTH, "height": end["y"] + end["height"] - top + 12}
    png = shown.screenshot(clip=clip)  # type: ignore[arg-type]  # a dict of just these
    webp = _as_webp(shown, png)
    context.close()
    return webp


def _as_webp(page: Page, png: bytes) -> bytes:
    """Smaller by half than Chromium's PNG; Chromium itself can write it."""
    blank = page.context.new_page()
    data: str = blank.evaluate(
        """async (png) => {
            const image = new Image();
            image.src = `data:image/png;base64,${png}`;
            await image.decode();
            const canvas = document.createElement("canvas");
            canvas.width = image.naturalWidth;
            canvas.height = image.naturalHeight;
            canvas.getContext("2d").drawImage(image, 0, 0);
            return canvas.toDataURL("image/webp", 0.35);
        }""",
        base64.b64encode(png).decode(),
    )
    return base64.b64decode(data.partition(",")[2])


def main() -> None:
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        sys.exit(f"The gallery is drawn by a browser: none of {', '.join(names)} is on the PATH")
    draw(chromium)
    size = sum(file.stat().st_size for file in FOLDER.iterdir())
    print(
        f"{PAGE.relative_to(ROOT)}, and {len(list(FOLDER.iterdir()))} files of {size / 1e6:.2f} MB"
    )


if __name__ == "__main__":
    main()
