"""Tests of orchestration/."""
