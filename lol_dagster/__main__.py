"""`python -m lol_dagster`: the script `lol-dagster`."""

from lol_dagster.cli import main

if __name__ == "__main__":
    main()
