"""What is taken away as a file: never shown by the browser as a page of ours."""

from __future__ import annotations

from flask import Response


def attachment(body: bytes | str, name: str) -> Response:
    """A file to be saved.

    Args:
        name: Plain ASCII, such as `NA1_5012345678.json`.
    """
    return Response(
        body,
        mimetype="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
