"""Malformed and unusual games, one file each, and what is expected of them: see docs/adding-a-scenario.md."""
