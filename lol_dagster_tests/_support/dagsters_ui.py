"""Dagster's own web application, served for tests of what stands in front of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster_webserver.webserver import DagsterWebserver
from starlette.routing import Route
from starlette.types import ASGIApp

from lol_dagster.orchestration.instance import prepare_instance
from lol_dagster.settings import Settings
from lol_dagster_tests._support.waiting import wait_for


class Dagsters:
    """Dagster's application, whose mutations do nothing but be noted."""

    def __init__(self, web_server: DagsterWebserver[Any, Any]) -> None:
        self.app = web_server.create_asgi_app()
        schema = web_server._graphene_schema.graphql_schema
        assert schema.mutation_type is not None
        self.mutations = schema.mutation_type.fields
        self.ran: set[str] = set()
        """Names of the mutations that were executed."""
        for name, mutation in self.mutations.items():
            mutation.resolve = self._noting(name)

    @property
    def routes(self) -> list[Route]:
        return [each for each in self.app.routes if isinstance(each, Route)]

    def _noting(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: self.ran.add(name)


@dataclass
class Ui:
    """It, on a port of its own."""

    dagsters: Dagsters
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(dagsters: Dagsters, behind: Callable[[ASGIApp], ASGIApp]) -> Iterator[Ui]:
    app = behind(dagsters.app)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ws="websockets-sansio"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for("web server", lambda: server.started, seconds=60)
    yield Ui(dagsters, server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    thread.join(30)


@contextmanager
def dagsters_application(home: Path) -> Iterator[Dagsters]:
    """With an instance of its own and no code location."""
    instance = prepare_instance(Settings(home=home))
    with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as context:
        yield Dagsters(DagsterWebserver(context))
