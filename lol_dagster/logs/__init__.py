"""The log: one JSON object per line, one file a day (UTC), written by every process of the app.

writing.py sets it up in a process, redaction.py says what may not stand in it; reading.py reads it,
slow_queries.py sums one kind of line up. Nobody else touches the files.
"""
