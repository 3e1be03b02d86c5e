"""What a log line looks like: fields in a fixed order, without secrets, and never long.

`ts` (UTC, milliseconds), `level`, `event`, `logger`, `process` and `pid` stand in each; then what was
known where it was written: the context (`structlog.contextvars`), and what the call gave as `extra`.
Whatever stands in them, a line is one line of valid JSON in ASCII.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import structlog
from structlog.contextvars import merge_contextvars
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict, Processor

from lol_dagster.logs.redaction import REDACTED, Redactor

LONGEST_VALUE = 4_000
"""Characters of a text field; the rest is cut and said to be."""
LONGEST_TRACEBACK = 16_000
LONGEST_LINE = 64_000
_MOST_ITEMS = 50
_DEEPEST = 4
# Not worth looking through for secrets, as it is cut anyway.
_HOPELESS = 200_000

_LARGEST_INT = 2**63
_PARTITION_TAG = "dagster/partition"


def json_formatter(process: str, redactor: Redactor) -> logging.Formatter:
    """One that makes a JSON line of a record.

    Args:
        process: What kind of process this is, such as `daemon`.
    """

    def finish(_logger: Any, _method: str, event: EventDict) -> str:
        record: logging.LogRecord = event.pop("_record")
        del event["_from_structlog"]
        fields = {
            "ts": timestamp(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "event": event.pop("event"),
            "logger": record.name,
            "process": process,
            "pid": os.getpid(),
        }
        # Nothing that a call gives as `extra` may pass for one of these.
        fields |= {name: value for name, value in event.items() if name not in fields}
        clean = _Cleaner(redactor).fields(fields)
        line = json.dumps(clean)
        if len(line) > LONGEST_LINE:
            clean = {name: clean[name] for name in islice(clean, 6)}
            line = json.dumps({**clean, "cut": f"fields of {len(line)} characters"})
        return line

    return _Formatter(foreign_pre_chain=_CONTEXT, processors=[finish])


def text_formatter(redactor: Redactor, *, colours: bool) -> logging.Formatter:
    """One that makes readable text of a record, for a terminal."""
    render = structlog.dev.ConsoleRenderer(
        colors=colours, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
    )

    def finish(logger: Any, method: str, event: EventDict) -> str:
        level = event.pop("_record").levelname.lower()
        del event["_from_structlog"]
        rendered = render(logger, method, _Cleaner(redactor).fields({**event, "level": level}))
        assert isinstance(rendered, str)
        return rendered

    return _Formatter(foreign_pre_chain=_CONTEXT, processors=[finish])


def timestamp(at: datetime) -> str:
    """An instant as log lines have it: of one length, so that their order is that of the text."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Formatter(ProcessorFormatter):
    """The library's, but for what cannot be formatted: that costs the details and not the line."""

    def format(self, record: logging.LogRecord) -> str:
        try:
            return super().format(record)
        except Exception as error:  # noqa: BLE001 - an object may fail in any way when it is looked at
            bare = logging.makeLogRecord(
                {
                    "name": record.name,
                    "levelno": record.levelno,
                    "levelname": record.levelname,
                    "created": record.created,
                    "msg": f"a log line of {record.pathname}:{record.lineno} cannot be formatted: "
                    f"{type(error).__name__}",
                }
            )
            return super().format(bare)


def _add_extra(logger: Any, method: str, event: EventDict) -> EventDict:
    text = event["event"]
    event = _EXTRA(logger, method, event)
    event["event"] = text  # whatever an extra of that name says
    for name in _LEFT_BY_OTHERS:
        event.pop(name, None)
    return event


def _add_dagsters_context(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """In a run, Dagster puts its own words around the message and its knowledge beside it."""
    meta = event.pop("dagster_meta", None)
    event.pop("dagster_event", None)
    event.pop("dagster_event_batch_metadata", None)
    if meta is not None:
        event["event"] = meta["orig_message"]
        for name, value in (
            ("run_id", meta["run_id"]),
            ("job", meta["job_name"]),
            ("partition", meta["job_tags"].get(_PARTITION_TAG)),
        ):
            if value is not None:
                event.setdefault(name, value)
    return event


_EXTRA = ExtraAdder()
_LEFT_BY_OTHERS = ("message", "asctime")
"""What another handler's formatter has put on the record before us; no extra can bear these names."""
_CONTEXT: list[Processor] = [
    _add_extra,
    merge_contextvars,
    _add_dagsters_context,
    structlog.processors.format_exc_info,
]


class _Cleaner:
    """Makes JSON values of whatever stands in a line, without secrets and not too long."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {
            self._text(str(name), 100): REDACTED
            if value is not None and self._redactor.hides(str(name))
            else self._value(value, LONGEST_TRACEBACK if name == "exception" else LONGEST_VALUE, 0)
            for name, value in fields.items()
        }

    def _value(self, value: Any, longest: int, depth: int) -> Any:
        match value:
            case None | bool():
                return value
            case int() if abs(value) < _LARGEST_INT:
                return value
            case float() if math.isfinite(value):
                return value
            case bytes() | bytearray() | memoryview():
                return f"<{len(value)} bytes>"
            case datetime():
                return value.isoformat()
            case Mapping() if depth < _DEEPEST:
                some = {key: value[key] for key in islice(value, _MOST_ITEMS)}
                return {
                    self._text(str(key), 100): REDACTED
                    if self._redactor.hides(str(key))
                    else self._value(each, longest, depth + 1)
                    for key, each in some.items()
                } | _how_many_more(len(value))
            case list() | tuple() | set() | frozenset() if depth < _DEEPEST:
                cut = [self._value(each, longest, depth + 1) for each in islice(value, _MOST_ITEMS)]
                return [*cut, *_how_many_more(len(value))]
            case int():
                return f"<a number of {value.bit_length()} bits>"
        return self._text(str(value), longest)

    def _text(self, text: str, longest: int) -> str:
        length = len(text)
        text = self._redactor.text(text[:_HOPELESS])
        # Halves of surrogate pairs are no characters: whoever reads the line would choke on them.
        text = text.encode(errors="replace").decode()
        if len(text) <= longest:
            return text
        # What a traceback is about stands at its end.
        tail = longest // 2
        return f"{text[: longest - tail]} … [cut: {length} characters] … {text[-tail:]}"


def _how_many_more(count: int) -> dict[str, str]:
    return {f"… {count - _MOST_ITEMS} more": ""} if count > _MOST_ITEMS else {}
