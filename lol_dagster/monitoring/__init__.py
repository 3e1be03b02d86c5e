"""Whether all is well: one table of checks, and the status, alerts and metrics that follow from it."""
