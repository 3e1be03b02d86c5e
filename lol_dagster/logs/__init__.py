"""The log: one JSON object per line, one file a day (UTC), written by every process of the app.

writing.py sets it up in a process, formatting.py makes the lines, redaction.py says what may not stand
in them; terminal.py shows warnings to whoever types a command; reading.py reads it,
slow_queries.py sums one kind of line up. Nobody else touches the files.
"""
