"""Keeping it running: processes, health."""
