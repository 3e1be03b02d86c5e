"""Tests that go the whole way of a game, through all packages."""
