"""What people call Riot's queues."""

from __future__ import annotations

from typing import Final

QUEUE_NAMES: Final = {
    400: "Normal Draft",
    420: "Ranked Solo",
    430: "Normal Blind",
    440: "Ranked Flex",
    450: "ARAM",
    480: "Swiftplay",
    490: "Quickplay",
    700: "Clash",
    720: "ARAM Clash",
    830: "Co-op vs. AI Intro",
    840: "Co-op vs. AI Beginner",
    850: "Co-op vs. AI Intermediate",
    870: "Co-op vs. AI Intro",
    880: "Co-op vs. AI Beginner",
    890: "Co-op vs. AI Intermediate",
    900: "ARURF",
    920: "Legend of the Poro King",
    1010: "Snow ARURF",
    1020: "One for All",
    1300: "Nexus Blitz",
    1400: "Ultimate Spellbook",
    1700: "Arena",
    1710: "Arena",
    1750: "Arena",
    1810: "Swarm",
    1820: "Swarm",
    1830: "Swarm",
    1840: "Swarm",
    1900: "URF",
    2000: "Tutorial",
    2010: "Tutorial",
    2020: "Tutorial",
    2300: "Brawl",
    2400: "ARAM: Mayhem",
}
"""The queues that games have been played in since match-v5 began (2021)."""
