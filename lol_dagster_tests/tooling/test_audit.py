"""The audit of the dependencies, against a server of the test's own."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from lol_dagster_tests._support.raw_server import Connection, answer, raw_server
from lol_dagster_tests.tooling.scripts import CHECKOUT, load_tool

audit = load_tool("audit")


def answering(content: object) -> Callable[[object, Connection], None]:
    body = json.dumps(content).encode()
    return lambda _, connection: connection.send(answer(200, body, {}))


def test_what_is_known_is_named_with_its_package() -> None:
    found = {"results": [{}, {"vulns": [{"id": "GHSA-1"}, {"id": "PYSEC-2"}]}]}
    with raw_server(answering(found)) as server:
        assert audit.vulnerable({"flask": "3.1.0", "jinja2": "3.0"}, server.url("/")) == {
            "jinja2 3.0": ["GHSA-1", "PYSEC-2"]
        }


@pytest.mark.parametrize("content", [{}, [], {"results": []}, {"results": ["x"]}, "hello"])
def test_an_answer_of_another_form_is_no_clean_bill(content: object) -> None:
    with raw_server(answering(content)) as server, pytest.raises(ValueError, match="answer"):
        audit.vulnerable({"flask": "3.1.0"}, server.url("/"))


def test_where_nobody_can_be_asked_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: dict[str, str]) -> None:
        raise OSError("no route")

    monkeypatch.setattr(audit, "vulnerable", refuse)
    assert audit.main() == 0
    assert "were NOT audited" in capsys.readouterr().out


def test_a_known_vulnerability_fails_the_build(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, str] = {}

    def know(packages: dict[str, str]) -> dict[str, list[str]]:
        asked.update(packages)
        return {"flask 3.1.0": ["GHSA-1"]}

    monkeypatch.setattr(audit, "vulnerable", know)
    assert audit.main() == 1
    assert "flask 3.1.0 has known vulnerabilities: GHSA-1" in capsys.readouterr().out
    assert {"dagster", "flask", "pytest", "mypy"} <= asked.keys(), "of both locks"
    assert "tools/audit.py" in (CHECKOUT / ".ci/run").read_text()
