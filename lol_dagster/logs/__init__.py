"""The log: one JSON object per line, one file a day, written by every process of the app.

start.py sets it up in a process; lines.py says what a line looks like, redaction.py what may not
stand in it, daily_file.py how it gets into the file. reader.py and follow.py read it, slow_queries.py
sums one kind of line up, pruning.py takes old files away. Nobody else touches the files.
"""
