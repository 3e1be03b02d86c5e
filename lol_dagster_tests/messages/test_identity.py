"""By what a posted message is recognised."""

from __future__ import annotations

import pytest

from lol_dagster.messages.identity import nonce_in, parse_marker, write_marker


def test_a_marker_names_the_message_and_its_revision() -> None:
    marker = write_marker("f9252d06-ae8e-56d8-baf0-b095e90239ca", 12)
    assert marker == "f9252d06-ae8e-56d8-baf0-b095e90239ca.12"
    assert parse_marker(marker) == ("f9252d06-ae8e-56d8-baf0-b095e90239ca", 12)


@pytest.mark.parametrize(
    "text",
    [
        None,  # what a service leaves out, or gives in another type
        7,
        ["abc.1"],
        "",
        "abc",
        "abc.",
        ".1",
        "abc.x",
        "abc.1.2",
        "abc.-1",
        " abc.1",
        "abc.1 ",
        "a_c.1",
        "https://example.com/abc.1",
        "abc.1234567890",  # no revision has ten digits
        f"{'a' * 65}.1",  # and no id 65 characters
    ],
)
def test_what_somebody_else_wrote_is_no_marker(text: object) -> None:
    assert parse_marker(text) is None


def test_the_longest_marker_is_one() -> None:
    assert parse_marker(f"{'a' * 64}.999999999") == ("a" * 64, 999_999_999)


def test_a_nonce_is_another_one_in_each_channel_and_the_same_each_time() -> None:
    # The beginning of sha256("nonceC0123") in base64url.
    assert nonce_in("C0123", "nonce") == "z8PzshZMAvQct73mtJXJYj"
    assert (
        len({nonce_in("C0123", "nonce"), nonce_in("C0124", "nonce"), nonce_in("C0123", "x")}) == 3
    )
