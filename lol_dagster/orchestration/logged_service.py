"""Becomes one of Dagster's programs after setting our log up in its process.

    python -m lol_dagster.orchestration.logged_service [--keyless] NAME MODULE ARGUMENT…

Dagster's daemon and web server load no code of ours, so nothing else could have their warnings and
errors written where everybody looks. What they print besides goes to the service's own file. With
--keyless no secret is read, neither `.env` nor the key file.
"""

import runpy
import sys

from dagster._cli import utils as cli_utils

from lol_dagster.logs.writing import start_logging
from lol_dagster.settings import Settings, load_settings


def main() -> None:
    """Become what the command line says."""
    is_keyless = sys.argv[1] == "--keyless"
    name, module, *arguments = sys.argv[1 + is_keyless :]
    become(name, module, *arguments, keyless=is_keyless)


def become(name: str, module: str, *arguments: str, keyless: bool = False) -> None:
    """Set the log up, then run the module as `python -m` would."""
    settings = Settings(_env_file=None) if keyless else load_settings()
    start_logging(settings, name, knows_secrets=not keyless)
    leave_env_file_to_us()
    sys.argv = [module, *arguments]
    # As `__main__` for real: run workers are spawned as children of what stands there.
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def leave_env_file_to_us() -> None:
    """Keep Dagster from copying `.env` into the environment of its processes, once and over what
    stands there: our settings read it whenever a tick begins, so that a new key needs no restart,
    and the environment comes first.
    """
    cli_utils.get_env_var_dict = lambda base_dir: {}  # type: ignore[attr-defined] # noqa: ARG005


if __name__ == "__main__":
    main()
