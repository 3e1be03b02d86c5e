"""SECURITY.md names tests that are there."""

from __future__ import annotations

import re

from lol_dagster_tests.tooling.scripts import CHECKOUT


def test_every_threat_has_a_test_that_is_there() -> None:
    page = (CHECKOUT / "SECURITY.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 12
    for row in rows:
        files = re.findall(r"`([\w/]+\.py)`", row)
        assert files, row
        for file in files:
            assert "def test_" in (CHECKOUT / "lol_dagster_tests" / file).read_text(), file
