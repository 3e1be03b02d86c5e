"""Names under which the web view and Dagster's UI answer."""

from __future__ import annotations

import pytest

from lol_dagster.services.web_address import WebAddress

PUBLIC = WebAddress(host="192.168.1.5", public_url="https://Lol.Example.org")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost:3000", "[::1]:3001", "[::1]", "192.168.1.5:3001", "lol.example.org",
     "lol.example.org:8443", "LOL.example.org"],
)  # fmt: skip
def test_names_of_ours(host: str) -> None:
    assert PUBLIC.is_own_name(host)


@pytest.mark.parametrize(
    "host",
    ["", ":80", "evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "evil.example#localhost",
     "evil.example/localhost", "localhost:80@evil.example", "localhost\\.evil.example", "[::2]:3001",
     "[::1", "::1", "localhost:99999", "example.org", "0.0.0.0", "None"],
)  # fmt: skip
def test_foreign_names(host: str) -> None:
    assert not PUBLIC.is_own_name(host)
    assert not WebAddress().is_own_name(host)


def test_a_name_with_other_letters_is_known_as_browsers_send_it() -> None:
    assert WebAddress(public_url="https://bücher.example").is_own_name("xn--bcher-kva.example")


def test_what_listens_on_an_ipv6_address_answers_to_it() -> None:
    assert WebAddress(host="2001:DB8::5").is_own_name("[2001:db8::5]:3001")
