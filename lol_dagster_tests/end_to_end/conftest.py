"""Fixtures of the end-to-end tests."""

from lol_dagster_tests._support.world import world

__all__ = ["world"]
