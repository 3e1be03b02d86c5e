"""A keyless world: Riot, Discord and Slack on localhost."""
