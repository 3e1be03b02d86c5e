"""The processes that `lol-dagster up` runs and watches."""
