"""The life of a match, from Riot's list to the messages about it."""
