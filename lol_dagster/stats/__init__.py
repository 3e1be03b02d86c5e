"""From a payload to rows, and from rows to form, streaks and tables: pure functions."""
