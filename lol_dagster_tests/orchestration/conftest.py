"""Fixtures of orchestration's tests."""

from lol_dagster_tests._support.world import world

__all__ = ["world"]
