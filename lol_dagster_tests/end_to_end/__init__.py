"""A game's whole way, through all packages: from Riot's match list to the message."""
