"""Fixtures of the tests that go through all packages."""

from lol_dagster_tests._support.world import world

__all__ = ["world"]
