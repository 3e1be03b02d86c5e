"""Becomes one of Dagster's programs after setting our log up in its process.

    python -m lol_dagster.orchestration.logged_service NAME MODULE ARGUMENT…

Dagster's daemon and web server load no code of ours, so nothing else could have their warnings and
errors written where everybody looks. What they print besides goes to the service's own file.
"""

import runpy
import sys

from lol_dagster.operations.logs.start import start_logging
from lol_dagster.settings import load_settings


def main() -> None:
    """Set the log up, then run the module as `python -m` would."""
    name, module, *arguments = sys.argv[1:]
    start_logging(load_settings(), name)
    sys.argv = [module, *arguments]
    # As `__main__` for real: run workers are spawned as children of what stands there.
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
