"""Tests of the project files and of tools/."""
