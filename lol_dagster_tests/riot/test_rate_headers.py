"""Rate-limit headers as Riot sends them, and as it should not."""

from __future__ import annotations

import pytest

from lol_dagster.riot.rate_headers import ScopeHeaders, read_rate_headers


def test_a_regular_answer_names_limits_and_counts_of_both_scopes() -> None:
    # The example of the documentation.
    said = read_rate_headers(
        {
            "X-App-Rate-Limit": "20:1,100:120",
            "X-App-Rate-Limit-Count": "1:1,7:120",
            "X-Method-Rate-Limit": "2000:10",
            "X-Method-Rate-Limit-Count": "3:10",
        }
    )
    assert said.app == ScopeHeaders({1: 20, 120: 100}, {1: 1, 120: 7})
    assert said.method == ScopeHeaders({10: 2000}, {10: 3})
    assert (said.limit_type, said.retry_after) == (None, None)


def test_any_number_of_windows_is_read() -> None:
    said = read_rate_headers({"X-App-Rate-Limit": " 5:1 , 50:10,100:60,1000:3600"})
    assert said.app.limits == {1: 5, 10: 50, 60: 100, 3600: 1000}


@pytest.mark.parametrize("text", ["", "20", "20:", ":1", "a:b", "20:1.5", "-1:1", "٢:1"])
def test_a_malformed_window_counts_as_not_said(text: str) -> None:
    said = read_rate_headers({"X-App-Rate-Limit": text, "X-Method-Rate-Limit": f"{text},9:10"})
    assert said.app.limits == {}
    assert said.method.limits == {10: 9}


@pytest.mark.parametrize("text", ["0:10", "20:0"])
def test_a_limit_that_would_close_the_scope_forever_is_not_believed(text: str) -> None:
    assert read_rate_headers({"X-App-Rate-Limit": text}).app.limits == {}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("0", 0.0), ("", None), ("soon", None), ("-1", None), ("inf", None), ("nan", None),
     ("Wed, 21 Oct 2026 07:28:00 GMT", None)],
)  # fmt: skip
def test_retry_after_is_a_number_of_seconds_or_not_said(text: str, seconds: float | None) -> None:
    said = read_rate_headers({"Retry-After": text, "X-Rate-Limit-Type": " Service "})
    assert said.retry_after == seconds
    assert said.limit_type == "service"
