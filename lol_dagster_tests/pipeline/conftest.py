"""Fixtures of the tests of pipeline/."""

from lol_dagster_tests.riot.conftest import world

__all__ = ["world"]
