"""Asks OSV (https://google.github.io/osv.dev/post-v1-querybatch/) which of the locked packages have known
vulnerabilities.

    python3 tools/audit.py

Exits with 1 if any has. Where OSV cannot be asked it says so, and exits with 0: a build without a network
is no build with a vulnerability.
"""

from __future__ import annotations

import json
import re
import sys
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
URL = "https://api.osv.dev/v1/querybatch"
_WITHIN = 30.0
"""Seconds."""


def locked() -> dict[str, str]:
    """Version by package, of both locks for pip."""
    text = "".join(
        (ROOT / name).read_text() for name in ("requirements.lock", "requirements-dev.lock")
    )
    return dict(re.findall(r"^([a-z0-9.-]+)==([^ ;\\]+)", text, re.MULTILINE))


def vulnerable(packages: dict[str, str], url: str = URL) -> dict[str, list[str]]:
    """Ids of what is known, by `package version`; one call for all.

    Raises:
        OSError: it cannot be asked.
        ValueError: the answer is none that it documents.
    """
    queries = [
        {"package": {"name": name, "ecosystem": "PyPI"}, "version": version}
        for name, version in packages.items()
    ]
    body = json.dumps({"queries": queries}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=_WITHIN) as answer:  # noqa: S310 - our own URL
        found: Any = json.loads(answer.read(10_000_000))
    try:
        results = [[each["id"] for each in one.get("vulns", [])] for one in found["results"]]
    except (TypeError, KeyError, AttributeError):
        raise ValueError("an answer of another form") from None
    if len(results) != len(packages):
        raise ValueError(f"{len(results)} answers to {len(packages)} questions")
    return {
        f"{name} {version}": ids
        for (name, version), ids in zip(packages.items(), results, strict=True)
        if ids
    }


def main() -> int:
    """Print what was found, or that nobody could be asked."""
    packages = locked()
    try:
        found = vulnerable(packages)
    except (OSError, ValueError) as error:
        print(f"The dependencies were NOT audited: {URL} cannot be asked ({error}).")
        return 0
    for package, ids in found.items():
        print(f"{package} has known vulnerabilities: {', '.join(ids)}")
    print(f"{len(packages)} dependencies were audited, {len(found)} have known vulnerabilities.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
