"""The program of a host of run workers, which Celery hands their runs.

    python -m lol_dagster.orchestration.celery_workers [--queues europe,americas] [--at-once 4]

It reads the launcher's part of LOL_HOME/dagster/dagster.yaml, as `up` does, so that both mean the same broker. It
imports everything once; each run gets a process that is forked from that and ends with the run.

Needs `lol-dagster[celery]`.
"""

from __future__ import annotations

import importlib
import os
import sys

import click
from dagster._core.instance.ref import InstanceRef
from dagster_celery.tasks import create_execute_job_task, create_resume_job_task

from lol_dagster.orchestration.celery_launcher import QUEUES, CeleryLauncher
from lol_dagster.orchestration.logged_service import leave_env_file_to_us
from lol_dagster.services.dagster_services import WORKERS_IMPORT
from lol_dagster.settings import load_settings


@click.command()
@click.option(
    "--queues", default=",".join(QUEUES), show_default=True, help="Take runs of these alone."
)
@click.option("--at-once", type=click.IntRange(1), default=4, show_default=True)
def main(queues: str, at_once: int) -> None:
    """Work on runs until a signal; a second one leaves those that run."""
    settings = load_settings()
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    leave_env_file_to_us()
    launcher = InstanceRef.from_dir(str(settings.dagster_home)).run_launcher
    if not isinstance(launcher, CeleryLauncher):
        click.echo(f"{settings.dagster_home} needs the dagster.yaml of deploy/celery.", err=True)
        sys.exit(2)
    for make_task in (create_execute_job_task, create_resume_job_task):
        make_task(launcher.celery)
    # Before the first fork; and numpy would start a thread for each processor.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    for module in WORKERS_IMPORT:
        importlib.import_module(module)
    launcher.celery.worker_main(
        ["worker", "--queues", queues, "--concurrency", str(at_once), "--without-gossip",
         "--without-mingle", "--loglevel", "INFO"]
    )  # fmt: skip


if __name__ == "__main__":
    main()
