"""Tests of lol_dagster.stats."""
