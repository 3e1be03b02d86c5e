"""Fixtures of orchestration's tests."""

from lol_dagster_tests.end_to_end.world import world

__all__ = ["world"]
