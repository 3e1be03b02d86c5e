"""Watches a group of friends' League of Legends games and tells their channel, once per game."""
