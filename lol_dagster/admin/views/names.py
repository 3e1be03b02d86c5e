"""Names of rows that lead to their pages."""

from __future__ import annotations

from collections.abc import Iterable

from flask import url_for
from markupsafe import Markup

_MOST = 12


def linked(endpoint: str, rows: Iterable[tuple[int, str]]) -> Markup:
    """Names, each with a link to its page; the first dozen of them.

    Args:
        endpoint: Of the list whose rows they are.
        rows: Id and name.
    """
    all_of_them = list(rows)
    links = [link(endpoint, row_id, name) for row_id, name in all_of_them[:_MOST]]
    more = len(all_of_them) - _MOST
    if more > 0:
        links.append(Markup("and {} more").format(more))
    return Markup(", ").join(links) if links else Markup('<span class="faint">–</span>')


def link(endpoint: str, row_id: int | str, name: str) -> Markup:
    """A name with a link to its page."""
    return Markup('<a href="{}">{}</a>').format(
        url_for(f"{endpoint}.details_view", id=row_id), name
    )
