"""Fixtures of the tests that go through all rooms."""

from lol_dagster_tests.end_to_end.world import world

__all__ = ["world"]
