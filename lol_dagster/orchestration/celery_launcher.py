"""Sends runs to worker hosts through Celery's queues. Needs `lol-dagster[celery]`."""

from __future__ import annotations

from typing import Any

from dagster_celery.launcher import CeleryRunLauncher
from kombu.entity import Exchange, Queue

from lol_dagster.orchestration.partitions import NIGHTLY_QUEUE, NO_ROUTE, ROUTES

QUEUES = (NO_ROUTE, *ROUTES)
"""What any host may take."""


class CeleryLauncher(CeleryRunLauncher):
    """Dagster's, with a queue for each of Riot's routes, and runs that their workers' heartbeats judge alone.

    What Celery says of a task it reads from a second store, which knows nothing of the runs of `once`, and of
    none after it was emptied: living runs would be failed.
    """

    on_several_hosts = True
    """What `instance.pool_limits` asks for."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        exchange = Exchange("lol_dagster", "topic")  # type: ignore[no-untyped-call]
        self.celery.conf.task_queues = [
            Queue(name, exchange, routing_key=f"{name}.#")  # type: ignore[no-untyped-call]
            for name in (*QUEUES, NIGHTLY_QUEUE)
        ]

    @property
    def supports_check_run_worker_health(self) -> bool:
        return False
