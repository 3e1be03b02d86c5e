"""Copies of the database: taken while it is in use, kept for a while, restored, moved."""
