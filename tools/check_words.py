"""Keeps words that this project no longer uses out of its code, texts, tests and docs.

    .venv/bin/python tools/check_words.py [PATH …]

Names every place as `file:line: "old" → new` and exits with 1 if there is one. Without paths it
checks everything that git tracks or would track. `set_aside`, `SetAside`, `set-aside` and "set
aside", also over a line's end, are one word to it. What each word of ours means is in
docs/glossary.md.
"""

from __future__ import annotations

import re
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

# Old words, as regular expressions over words in lower case with one space between them → the new
# word. "Words" are also the parts of an identifier.
WORDS = {
    r"houses?|households?": "application, AppContext, or the resource itself",
    r"(?:un)?told": "delivered (a message), announced (a game), duplicate (for «told twice»)",
    r"sets? aside|setting aside": "quarantined",
    r"weird\w*": "malformed or failed (game)",
    r"(?<!control[\x20\n])rooms?": "package, disk space, or what it is",
    r"troubles?|problems?": "check, CheckResult, or what is wrong",
    r"parks?|parked|parking": "needs review",
    r"(?:look|looks|looked|looking) into": "read back, check",
    r"(?:look|looks|looked|looking) (?:at|after)": "poll (lists), read back (history), check",
    r"(?:look|looks|looked|looking) (?:back|again)": "History, check again",
    r"a look|one look|last look|every look|each look": "poll, check",
    r"(?:carry|carries|carried|carrying)(?!\x20(?:out|on)\b)": "send, deliver",
    r"sweeps?|swept|sweeping": "delivery run",
    r"gates?": "circuit breaker",
    r"rations?|rationed|rationing": "retry budget",
    r"witness\w*": "visibility check, or what it proves",
    r"anchors?|anchored": "after_id",
    r"holders?": "lease owner, or owner of the lock",
    r"dice": "jitter (delivery), rng (elsewhere)",
    r"tally|tallies|tallied": "counts, RunCounts",
    r"patience|patiently": "timeout, for_",
    r"vigils?": "liveness probe",
    r"signs? of life": "heartbeat",
    r"blind|blindness|blinded": "missing games (accounts), unreadable history (channels)",
    r"(?:take|takes|taken|took|taking) (?:it |them |this |that )?up": "start",
    r"(?:work|works|worked|working) (?:it |them )?off": "complete",
    r"(?:is|are|was) at it": "is running",
    r"for ever": "forever",
    r"(?:the )?first first": "oldest first",
    r"misstandings?": "audit_failures",
    r"wounds?|wounded|wounding": "fault injection, faults",
    r"rigs?": "harness",
    r"he|his|him|himself": "they, their, them",
    r"not worked out": "Unprocessed",
    r"on record": "Details",
    r"(?:rest|rests|rested) on": "Based on, depends on",
    r"what was done to tell": "Delivery attempts",
    r"(?:become|becomes|became) of": "happen to",
    r"known game": "what the module does",
    r"(?:every) (?:minute|night) (?:schedule|job|sensor)": "check_everything_schedule, nightly_schedule",
}

# Old names in code, as they stand there.
NAMES = {
    r"\"(?:late|later|gone)\"": '"delayed", "deferred", "not_found"',
    r"\bevery_minute\b|\bevery_night\b": "check_everything_schedule, nightly_schedule",
    r"\bnew_games\b": "due_work_sensor",
    r"\bAlert\w*Condition|\bconditions?\b(?=\.py|\()": "Check, CheckResult",
}

# Modules that nobody can guess the content of, or that have the name of a well-known one.
MODULES = {
    "house", "trouble", "problems", "conditions", "landing", "claimed", "due", "calls", "rows",
    "vigil", "look", "reach", "endings", "tally", "known_game", "operator", "requests", "rig",
    "cutting", "taking_out", "warm",
}  # fmt: skip


class Allowed(NamedTuple):
    """Where an old word may stand."""

    path: str  # as fnmatch has it
    line: str  # regular expression, searched for in the line
    why: str


ALLOWED = [
    Allowed("tools/check_words.py", "", "the table itself"),
    Allowed("lol_dagster_tests/tooling/test_check_words.py", "", "its tests"),
    Allowed("lol_dagster/riot/modes.py", "Normal Blind", "Riot's name of a queue"),
    Allowed("lol_dagster_tests/riot/test_modes.py", "Normal Blind", "Riot's name of a queue"),
    Allowed("docs/messages.md", "Normal Blind", "Riot's name of a queue"),
    Allowed(
        "lol_dagster/storage/migrations/versions/0002_after_version_0_1_0.py",
        "Normal Blind",
        "Riot's name of a queue",
    ),
    Allowed("lol_dagster_tests/delivery/transports/*", "(?i)room", "the imagined chat's own word"),
    Allowed("lol_dagster/simulator/payload.py", "CARRY", "Riot's name of a role"),
    Allowed("lol_dagster_tests/_support/world.py", r'^ +"(set_aside|parked|gone)",$', "as below"),
    Allowed("lol_dagster/admin/*", r"_anchor=|text-anchor", "Flask's and SVG's own word"),
    Allowed("lol_dagster_tests/end_to_end/*", r'"(set_aside|gone)"', "as below"),
    Allowed("*once*.py", r"set_aside|parked|gone", "keys of `once --json`, which programs read"),
]

TEXTS = {
    ".css", ".example", ".html", ".js", ".json", ".md", ".mako", ".py", ".service", ".sh", ".sql",
    ".timer", ".toml", ".yaml", ".yml", ".conf", "",
}  # fmt: skip
NOT_OURS = ("uv.lock", "requirements.lock", "requirements-dev.lock", "LICENSE")

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BETWEEN = r"[\s#\"'-]+"  # also where a sentence or a string goes on in the next line
_WORDS = [
    (re.compile(rf"(?<![a-z])(?:{old.replace(' ', _BETWEEN)})(?![a-z])"), new)
    for old, new in WORDS.items()
]
_NAMES = [(re.compile(old), new) for old, new in NAMES.items()]


class Hit(NamedTuple):
    path: str
    line: int
    old: str
    new: str
    text: str
    """The whole line."""

    def __str__(self) -> str:
        return f'{self.path}:{self.line}: "{self.old}" → {self.new}'


def main(arguments: Sequence[str]) -> int:
    files = list(_files(arguments))
    hits = [hit for path in files for hit in hits_in_file(path)]
    used = dict.fromkeys(ALLOWED, False)
    left = [hit for hit in hits if not _is_allowed(hit, used)]
    for hit in left:
        print(hit)
    if not arguments:
        for each in (each for each, is_used in used.items() if not is_used):
            print(f"tools/check_words.py: nothing needs this any more: {each}")
            left.append(Hit("tools/check_words.py", 0, "", "", ""))
    if left:
        print(f"{len(left)} words that are not used here any more: see docs/glossary.md")
    return 1 if left else 0


def hits_in_file(path: Path) -> Iterator[Hit]:
    name = path.resolve().relative_to(ROOT).as_posix()
    if path.stem in MODULES and path.suffix in {".py", ".css"}:
        yield Hit(name, 1, path.stem, "a name that says what is in it", path.name)
    for hit in hits_in(name, name):
        yield hit._replace(line=1, text=path.name)
    yield from hits_in(name, path.read_text(errors="replace"))


def hits_in(path: str, text: str) -> Iterator[Hit]:
    """The old words in a file's text, in the order of the table."""
    lines = text.splitlines() or [""]
    spaced = [_CAMEL.sub(" ", line).lower().replace("_", " ") for line in lines]
    starts = [0]
    for line in spaced:
        starts.append(starts[-1] + len(line) + 1)
    joined = "\n".join(spaced)
    for pattern, new in _WORDS:
        for found in pattern.finditer(joined):
            number = bisect_right(starts, found.start())
            yield Hit(path, number, " ".join(found[0].split()), new, lines[number - 1])
    for number, line in enumerate(lines, start=1):
        for pattern, new in _NAMES:
            for found in pattern.finditer(line):
                yield Hit(path, number, found[0], new, line)


def _is_allowed(hit: Hit, used: dict[Allowed, bool]) -> bool:
    for each in ALLOWED:
        if fnmatch(hit.path, each.path) and re.search(each.line, hit.text):
            used[each] = True
            return True
    return False


def _files(arguments: Sequence[str]) -> Iterator[Path]:
    for path in _all_files() if not arguments else _below(arguments):
        if path.suffix in TEXTS and path.name not in NOT_OURS and path.is_file():
            yield path


def _below(arguments: Sequence[str]) -> Iterator[Path]:
    for path in map(Path, arguments):
        yield from sorted(path.rglob("*")) if path.is_dir() else [path]


def _all_files() -> Iterator[Path]:
    if not (ROOT / ".git").exists():  # an unpacked source archive
        made_here = {".venv", "__pycache__", "build", "dist"}
        for path in sorted(ROOT.rglob("*")):
            folders = path.relative_to(ROOT).parts[:-1]
            if not any(each in made_here or each.endswith("_cache") for each in folders):
                yield path
        return
    listing = ("git", "ls-files", "-co", "--exclude-standard")
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True)
    yield from (ROOT / name for name in listed.stdout.splitlines())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
