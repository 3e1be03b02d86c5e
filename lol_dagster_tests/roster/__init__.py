"""Tests of roster/."""
