"""The simulated world for tests of any package: a clock that only the test moves, a world per test, and
whether what the product asked of Discord is what Discord describes.

Take the fixture into a module or a conftest with
`from lol_dagster_tests._support.simulated_world import simulator  # noqa: F401`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from lol_dagster.simulator.main import Simulator

_DISCORD_BODIES = {
    "discord.post": "MessageCreateRequest",
    "discord.edit": "MessageEditRequestPartial",
    "discord-hook.post": "IncomingWebhookRequestPartial",
    "discord-hook.edit": "IncomingWebhookUpdateRequestPartial",
}
"""Operation → name of its body in Discord's OpenAPI description."""


class HandClock:
    """A clock that stands still until it is moved; epoch seconds."""

    def __init__(self, now: float = 1_795_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A world of this test's own, on the real clock, that the settings lead to."""
    with Simulator() as world:
        for name, value in world.environment.items():
            monkeypatch.setenv(name, value)
        yield world


def discord_misfits(world: Simulator, shared_dir: Path) -> list[str]:
    """What does not fit Discord's description in the bodies that this world's Discord was sent."""
    described = json.loads((shared_dir / "discord" / "openapi.json").read_text())
    misfits = []
    for operation, name in _DISCORD_BODIES.items():
        schema = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
        validator = jsonschema.Draft202012Validator(schema)
        known = described["components"]["schemas"][name]["properties"]
        for call in world.truth.calls(operation):
            misfits += [
                f"{operation}: {error.json_path} {error.message}"
                for error in validator.iter_errors(call["request"])
            ]
            # The description allows unknown fields, but a field that Discord ignores is a mistake.
            misfits += [
                f"{operation}: {field} is unknown"
                for field in call["request"]
                if field not in known
            ]
    return misfits
