"""Tests of lol_dagster.riot."""
