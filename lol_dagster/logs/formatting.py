"""What a log line is made of: its fields, without secrets and not too long, as JSON or for people."""

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
from structlog.typing import EventDict

from lol_dagster.logs.redaction import REDACTED, Redactor

# Characters. Of a text that is longer the middle is cut.
_LONGEST_VALUE = 4_000
_LONGEST_TRACEBACK = 16_000
_LONGEST_LINE = 64_000
_LONGEST_SEARCHED = 200_000
"""What stands behind is not searched for secrets, as it is cut anyway."""
_MOST_ITEMS = 50
_DEEPEST = 4
_LARGEST_INT = 2**63


def timestamp(at: datetime) -> str:
    """An instant as log lines have it: of one length, so that their order is that of the text."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def json_formatter(process: str, redactor: Redactor, host: str | None = None) -> logging.Formatter:
    """One JSON object per line.

    Args:
        process: What kind of process it is; stands in each line.
        host: Its host's name; None: it is left out.
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
            **({"host": host} if host else {}),
        }
        always = len(fields)
        # Nothing that a call gives as `extra` may pass for one of these.
        fields |= {name: value for name, value in event.items() if name not in fields}
        clean = _Cleaner(redactor).fields(fields)
        line = json.dumps(clean)
        if len(line) > _LONGEST_LINE:
            clean = {name: clean[name] for name in islice(clean, always)}
            line = json.dumps({**clean, "cut": f"fields of {len(line)} characters"})
        return line

    return _Formatter(finish)


def text_formatter(redactor: Redactor, *, colours: bool) -> logging.Formatter:
    """As people read it; a traceback on lines of its own."""
    render = structlog.dev.ConsoleRenderer(
        colors=colours, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
    )

    def finish(logger: Any, method: str, event: EventDict) -> str:
        level = event.pop("_record").levelname.lower()
        del event["_from_structlog"]
        return str(render(logger, method, _Cleaner(redactor).fields({**event, "level": level})))

    return _Formatter(finish)


class _Formatter(ProcessorFormatter):
    """Gathers a line's fields. What cannot be formatted costs the details and not the line."""

    def __init__(self, finish: structlog.typing.Processor) -> None:
        super().__init__(
            foreign_pre_chain=[
                _add_extra,
                merge_contextvars,
                _add_dagsters_context,
                structlog.processors.format_exc_info,
            ],
            processors=[finish],
        )

    def format(self, record: logging.LogRecord) -> str:
        try:
            return super().format(record)
        except Exception as error:  # noqa: BLE001 - an object may fail in any way when it is read
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


_EXTRA = ExtraAdder()


def _add_extra(logger: Any, method: str, event: EventDict) -> EventDict:
    text = event["event"]
    event = _EXTRA(logger, method, event)
    event["event"] = text  # whatever an extra of that name says
    # What another handler's formatter has put on the record before; no extra can bear these names.
    for name in ("message", "asctime"):
        event.pop(name, None)
    return event


def _add_dagsters_context(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """In a run, Dagster puts its own words around the message and its knowledge beside it."""
    meta = event.pop("dagster_meta", None)
    event.pop("dagster_event", None)
    event.pop("dagster_event_batch_metadata", None)
    if meta is not None:
        event["event"] = meta["orig_message"]
        known = {
            "run_id": meta["run_id"],
            "job": meta["job_name"],
            "partition": meta["job_tags"].get("dagster/partition"),
        }
        event = {**{name: value for name, value in known.items() if value is not None}, **event}
    return event


class _Cleaner:
    """Makes JSON values of whatever stands in a line, without secrets and not too long."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {
            self._text(str(name), 100): self._field(
                str(name), value, _LONGEST_TRACEBACK if name == "exception" else _LONGEST_VALUE, 0
            )
            for name, value in fields.items()
        }

    def _field(self, name: str, value: Any, longest: int, depth: int) -> Any:
        if value is not None and self._redactor.hides(name):
            return REDACTED
        return self._value(value, longest, depth)

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
                return {
                    self._text(str(key), 100): self._field(str(key), value[key], longest, depth + 1)
                    for key in islice(value, _MOST_ITEMS)
                } | dict.fromkeys(_more(value), "")
            case list() | tuple() | set() | frozenset() if depth < _DEEPEST:
                first = islice(value, _MOST_ITEMS)
                return [*(self._value(each, longest, depth + 1) for each in first), *_more(value)]
            case int():
                return f"<a number of {value.bit_length()} bits>"
        return self._text(str(value), longest)

    def _text(self, text: str, longest: int) -> str:
        length = len(text)
        text = self._redactor.text(text[:_LONGEST_SEARCHED])
        # Halves of surrogate pairs are no characters: whoever reads the line would choke on them.
        text = text.encode(errors="replace").decode()
        if len(text) <= longest:
            return text
        # What a traceback is about stands at its end.
        tail = longest // 2
        return f"{text[: longest - tail]} … [cut: {length} characters] … {text[-tail:]}"


def _more(
    value: Mapping[Any, Any] | list[Any] | tuple[Any, ...] | set[Any] | frozenset[Any],
) -> list[str]:
    return [f"… {len(value) - _MOST_ITEMS} more"] if len(value) > _MOST_ITEMS else []
