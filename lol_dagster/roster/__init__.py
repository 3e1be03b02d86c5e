"""Whose games are tracked and where they are announced: adding, finding and removing."""
