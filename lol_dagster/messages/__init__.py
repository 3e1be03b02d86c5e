"""Which channels get a message about a game, and what it says."""
