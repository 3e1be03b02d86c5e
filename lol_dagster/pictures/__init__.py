"""Cards: what a picture of a game shows, and drawing it."""
