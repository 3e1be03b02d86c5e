"""What must never stand in a log, and is struck out of it: keys, tokens, passwords, webhook URLs.

Twofold: the secrets of the settings are known and found wherever they stand; whatever looks like a
secret (a webhook's address from the database, a key that is not ours) goes by its form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from pydantic import SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from lol_dagster.settings import Settings
from lol_dagster.storage.keys import keyring

REDACTED = "[redacted]"

_SHORTEST = 5
"""Shorter ones would strike out half of the log; none that a service gives out is so short."""

# Each with the part that stays, as it helps to see what it was.
_FORMS = [
    re.compile(pattern)
    for pattern in (
        r"(RGAPI-)[0-9A-Za-z-]{4,}",
        r"\b(xox[a-z]|xapp|xwfp)-[0-9A-Za-z-]{6,}",
        # Discord's bot token: id, time and signature in base64.
        r"(?<![\w.-])()[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}",
        r"(/webhooks/\d+/)[\w-]+",
        r"(/(?:services|workflows|triggers)/)[\w-]+(?:/[\w-]+)+",
        r"(://[^\s/:@]*:)[^\s/@]+(?=@)",
        r"(\$argon2)\w*\$[^\s\"']+",
        r"(?i)(\bbearer\s+)[\w.~+/=-]{8,}",
        r"(?i)(\bauthorization['\"]?\s*[:=]\s*['\"]?)[^\r\n'\"]+",
        r"(?i)(\bx-riot-token['\"]?\s*[:=]\s*['\"]?)[^\s'\",]+",
        r"(?i)(\b(?:api_?key|token|password|passwd|secret)=)[^\s&,;'\"]+",
    )
]
_NAME = re.compile(r"(?i)(?:password|passwd|secret|token|api_?key|authorization|cookie)\Z")


class Redactor:
    """Strikes secrets out of text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """
        Args:
            secrets: Found literally and as they stand in a URL. Very short ones are left alone.
        """
        spellings = {
            spelling
            for secret in secrets
            if len(secret) >= _SHORTEST
            for spelling in (secret, quote(secret, safe=""), quote_plus(secret))
        }
        longest_first = sorted(spellings, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if spellings else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        for form in _FORMS:
            text = form.sub(rf"\g<1>{REDACTED}", text)
        return text

    @staticmethod
    def hides(name: str) -> bool:
        """Whether a field of this name holds a secret whatever its content looks like."""
        return _NAME.search(name) is not None


def redactor_for(settings: Settings) -> Redactor:
    """One that knows the settings' secrets, and the keys that stand in a file of the home."""
    secrets = [*keyring(settings).known]
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr) and name != "database_url":
            # The session key may be several, with commas between them.
            secrets += [value.get_secret_value(), *value.get_secret_value().split(",")]
    # Of a database's URL only the password is one.
    try:
        password = make_url(settings.effective_database_url).password
    except ArgumentError:
        password = settings.effective_database_url
    return Redactor([*secrets, *([password] if password else [])])
