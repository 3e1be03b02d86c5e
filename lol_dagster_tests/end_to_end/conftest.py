"""Fixtures of the tests that go through all rooms."""

from lol_dagster_tests._support.world import world

__all__ = ["world"]
