"""The translations of what messages say: brings the catalogues up to the code.

    .venv/bin/python tools/catalogues.py

Reads the code for texts that are said (`language.say`, `language.plural`, `marked`, `marked_plural`, and the names in
the table of modes) and writes each language's file anew, sorted: what was translated stays, what is new stands
there untranslated, what is said no longer is gone. docs/adding-a-language.md.
"""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

from lol_dagster.messages.language import LANGUAGES

PACKAGE = Path(__file__).resolve().parent.parent / "lol_dagster"
FOLDER = PACKAGE / "messages" / "catalogues"
SAID = {"say": (0,), "plural": (0, 1), "marked": (0,), "marked_plural": (0, 1)}
"""Functions → which of their arguments are texts; where there are two, the second is for several."""
NAMED = {"Mode": (1,), "Queue": (1,)}
"""The same in the table of modes: a name."""
_HEADER = r"""msgid ""
msgstr ""
"Language: {code}\n"
"MIME-Version: 1.0\n"
"Content-Type: text/plain; charset=UTF-8\n"
"Content-Transfer-Encoding: 8bit\n"
"Plural-Forms: {plurals};\n"

"""


def texts_of_the_code() -> Catalog:
    """Every text that is said, with the files that say it.

    Raises:
        ValueError: one is put together as it is said, so that nobody could translate it.
    """
    found = Catalog()
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).as_posix()
        keywords = {**SAID, **(NAMED if name == "riot/modes.py" else {})}
        for text in texts_of(file.read_text(encoding="utf-8"), keywords):
            found.add(text, locations=[(f"lol_dagster/{name}", 0)])
    return found


def texts_of(code: str, keywords: dict[str, tuple[int, ...]]) -> Iterator[str | tuple[str, str]]:
    """The texts in a module, in their order; a pair where one counts something.

    Not Babel's own reader, which overlooks calls inside calls.
    """
    calls = (each for each in ast.walk(ast.parse(code)) if isinstance(each, ast.Call))
    for call in sorted(calls, key=lambda each: (each.lineno, each.col_offset)):
        called = (
            call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        )
        if called not in keywords:
            continue
        arguments = [call.args[place] for place in keywords[called] if place < len(call.args)]
        texts = [
            each.value
            for each in arguments
            if isinstance(each, ast.Constant) and isinstance(each.value, str)
        ]
        if len(texts) == len(keywords[called]):
            yield (texts[0], texts[1]) if len(texts) == 2 else texts[0]
        elif called not in NAMED:  # else it is a mode that is in no table
            raise ValueError(f"line {call.lineno}: {called}(…) takes literal texts only")


def catalogue(code: str) -> Catalog:
    """A language's translations; empty where it is a new one."""
    file = FOLDER / f"{code}.po"
    text = file.read_bytes() if file.exists() else b""
    return read_po(io.BytesIO(text), locale=code)


def strings(message: Message) -> tuple[str, ...]:
    """Its translation: one text for each plural form."""
    string = message.string or ""
    return (string,) if isinstance(string, str) else tuple(string)


def up_to_date(code: str) -> str:
    """The text of a language's file as it should be."""
    known, said = catalogue(code), texts_of_the_code()
    new = Catalog(locale=code)
    for message in said:
        if message.id:
            was = known.get(message.id)
            kept = was.string if was is not None and was.id == message.id else ""
            new.add(message.id, kept, locations=message.locations)
    out = io.BytesIO()
    write_po(out, new, width=0, omit_header=True, sort_by_file=True, include_lineno=False)
    plurals = Catalog(locale=Locale.parse(code)).plural_forms
    return _HEADER.format(code=code, plurals=plurals.rstrip(";")) + out.getvalue().decode()


def main() -> None:
    for code in LANGUAGES:
        if code != "en":
            file = FOLDER / f"{code}.po"
            file.write_text(up_to_date(code), encoding="utf-8")
            empty = [each.id for each in catalogue(code) if each.id and not all(strings(each))]
            print(f"{file.relative_to(PACKAGE.parent)}: {len(empty)} to be translated")


if __name__ == "__main__":
    main()
