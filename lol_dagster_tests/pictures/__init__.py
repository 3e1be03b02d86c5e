"""Tests of lol_dagster.pictures."""
