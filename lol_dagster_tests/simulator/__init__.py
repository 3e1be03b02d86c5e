"""Tests of the simulated world: what others are proved against must itself be right."""
