"""Why a game was announced or not, and what happened to a player's games."""
