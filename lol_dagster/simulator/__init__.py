"""A keyless world: Riot, Discord and Slack on one local port, with faults and a truth log.

It imports nothing of the application and needs the standard library only: what the product is proved
against must not share the product's mistakes. `main` has what others use: `Simulator` inside a
process, `serve` as a process of its own.
"""
