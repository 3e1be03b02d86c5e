"""Talking to Riot: client, rate limiter, match lists, archive."""
