"""The list of the kinds of channels."""

from __future__ import annotations

import pytest

from lol_dagster.delivery.model import NotSent
from lol_dagster.delivery.transports import registry
from lol_dagster.delivery.transports.base import AddressError, Answer, Outgoing
from lol_dagster.settings import Settings
from lol_dagster_tests.delivery.kinds import ALL


def test_the_fault_matrix_covers_every_kind() -> None:
    assert sorted(ALL) == sorted(each.kind for each in registry.transport_types())


def test_every_kind_has_a_name_of_its_own() -> None:
    labels = {each.label for each in registry.transport_types()}
    assert len(labels) == len(registry.all_transports(Settings())) == len(ALL)


@pytest.mark.parametrize("kind", ALL)
def test_a_kind_without_ids_cannot_edit(kind: str) -> None:
    transport = registry.transport_type(kind)
    assert transport.can_edit == (transport.remote_ids is not None)
    assert registry.can_edit(kind) == (kind not in registry.kinds_without_ids())


def test_a_kind_that_is_not_there_is_stood_in_for_by_one_that_cannot_be_used() -> None:
    unknown = registry.all_transports(Settings())["carrier-pigeon"]
    assert unknown.unusable("the roof") == "this version of lol_dagster has no such kind of channel"
    assert unknown.shown_address("the roof") == "…"
    assert not registry.can_edit("carrier-pigeon")
    with pytest.raises(AddressError, match="has no such kind of channel"):
        unknown.check_address("the roof")
    why = NotSent("this version of lol_dagster has no such kind of channel")
    assert unknown.post("the roof", Outgoing("m", 1, "n", {})) == Answer(why)
