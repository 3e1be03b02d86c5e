"""Every setting, read once, from `LOL_*` environment variables and `.env` (the environment wins).

No other module reads the environment for the product's configuration. An error names
the variable and what it should look like, and never repeats its content, which may be a secret.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import math
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import platformdirs
from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream
from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from lol_dagster.errors import UserError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhdw]\s*)+", re.IGNORECASE)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])", re.IGNORECASE)
_SHORTEST_KEY = 32
_URL_SIGNS = frozenset("?%")
_OF_DEPLOY = frozenset({"LOL_ADMIN_HOST"})
"""Variables that the files in deploy/ read."""


_ENV_FILE_ENCODING = "utf-8-sig"
"""UTF-8, with the byte order mark that some editors begin a file with."""


class SettingsError(UserError):
    """A setting is missing or malformed."""


def parse_duration(text: object) -> timedelta:
    """Read `90s`, `30m`, `12h`, `7d`, `2w` or a sum such as `1d12h`.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(text, timedelta):
        return text
    if isinstance(text, str) and _DURATION.fullmatch(text.strip()):
        seconds = sum(
            float(number) * _UNITS[unit.lower()] for number, unit in _DURATION_PART.findall(text)
        )
        try:
            return timedelta(seconds=seconds)
        except OverflowError:
            pass
    raise ValueError("should be a duration such as 90s, 30m, 12h, 7d or 1d12h")


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


def _milliseconds(text: object) -> float | None:
    if text is None or (isinstance(text, str) and text.strip().lower() == "off"):
        return None
    with contextlib.suppress(TypeError, ValueError):
        number = float(text)  # type: ignore[arg-type]
        if 0 <= number < math.inf:
            return number
    raise ValueError("should be milliseconds such as 100, 0 for every statement, or off")


def _default_home() -> Path:
    return Path(platformdirs.user_data_dir("lol_dagster", appauthor=False))


class Settings(BaseSettings):
    """The product's settings; field `riot_api_key` is the variable `LOL_RIOT_API_KEY`."""

    model_config = SettingsConfigDict(
        env_prefix="LOL_",
        env_file=".env",
        env_file_encoding=_ENV_FILE_ENCODING,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    home: Path = Field(default_factory=_default_home)
    """All data, logs and Dagster's storage. By default the platform's folder for a user's data."""
    database_url: SecretStr | None = None
    """The database, `sqlite:////path` or `postgresql://…`. Not set: a SQLite file in LOL_HOME."""

    riot_api_key: SecretStr | None = None
    """The key from developer.riotgames.com."""
    riot_url: str = "https://{route}.api.riotgames.com"
    """Where Riot is; `{route}` stands for the platform or region."""

    discord_bot_token: SecretStr | None = None
    """For channels of the kind `discord-bot`, and for reading channels of `discord-webhook`."""
    discord_url: str = "https://discord.com/api/v10"
    """Where Discord's API is."""
    slack_bot_token: SecretStr | None = None
    """For channels of the kind `slack-bot`."""
    slack_url: str = "https://slack.com/api"
    """Where Slack's API is."""
    slack_hooks_url: str = "https://hooks.slack.com"
    """Where Slack's webhooks are."""
    ddragon_url: str = "https://ddragon.leagueoflegends.com"
    """Where Riot's Data Dragon is, which has the champions' icons for cards."""

    stale_after: Duration = timedelta(hours=12)
    """A game that ended longer ago than this when it is first processed goes into a catch-up message."""

    admin_password_hash: SecretStr | None = None
    """The web view's password, as `lol-dagster admin set-password` writes it. Not set: no web view."""
    secret_key: SecretStr | None = None
    """Key to the secrets in the database, 32 random characters or more; several with commas between
    them, newest first. Not set: the file `secret.key` in LOL_HOME."""
    admin_port: Annotated[int, Field(ge=1, le=65535)] = 3001
    """Where the web view answers."""

    card_fonts: Path | None = None
    """Folder of further fonts for cards, for letters that no Latin, Greek, Cyrillic, Hebrew or Arabic font has. Not
    set: Noto Sans CJK, and other fonts of Noto Sans, where the system has them."""

    alert_channel: str | None = None
    """Name of the channel in which the operator is alerted."""
    ping_url: SecretStr | None = None
    """Dead-man address: asked for once a minute while all is well."""
    log_to_stdout: bool = False
    """Several hosts alone: log lines of a run also go to its worker's standard output, each with its host's name, for a
    collector. Where a worker's disk goes with it, as in a cluster, they would be gone."""
    slow_query_ms: Annotated[float | None, BeforeValidator(_milliseconds)] = 100.0
    """A database statement that takes this many milliseconds is logged with its plan; `0` logs each,
    `off` none."""

    @field_validator("*", mode="before")
    @classmethod
    def _is_one_line(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        value = value.strip()  # a key that was copied with the line's end
        if not value:
            raise ValueError("is blank: it should be left out, or have a value")
        if any(ord(character) < 0x20 for character in value):
            raise ValueError("has a line break or another control character inside")
        return value

    @field_validator("home")
    @classmethod
    def _absolute_home(cls, value: Path) -> Path:
        # Dagster refuses a relative home, and a relative one would follow the working directory.
        home = value.expanduser().absolute()
        # Dagster makes a URL of it, unquoted: its databases would stand elsewhere, or nowhere.
        if not _URL_SIGNS.isdisjoint(str(home)):
            raise ValueError("should be a path without ? and % in it")
        return home

    @field_validator("riot_url", "discord_url", "slack_url", "slack_hooks_url", "ddragon_url")
    @classmethod
    def _is_http_url(cls, value: str) -> str:
        # The route's braces are no legal host characters: a name takes their place for the check.
        parts = urlsplit(value.replace("{route}", "route"))
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("should be a URL that begins with https:// (or http://)")
        return value.rstrip("/")

    @field_validator("ping_url")
    @classmethod
    def _ping_is_http_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            cls._is_http_url(value.get_secret_value())
        return value

    @field_validator("secret_key")
    @classmethod
    def _is_long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        keys = value.get_secret_value().split(",") if value else []
        if any(len(key.strip()) < _SHORTEST_KEY for key in keys):
            raise ValueError(
                f"should be {_SHORTEST_KEY} random characters or more, as 'openssl rand -base64 32' "
                "prints them; an older key may stand after it, with a comma between them"
            )
        return value

    @property
    def effective_database_url(self) -> str:
        """The database's URL in SQLAlchemy's form; may hold a password."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.home / 'lol.sqlite3'}"

    @property
    def dagster_home(self) -> Path:
        """Dagster's instance folder: its storage, its logs and its copy of dagster.yaml."""
        return self.home / "dagster"

    @property
    def logs_dir(self) -> Path:
        return self.home / "logs"

    def require_riot_api_key(self) -> SecretStr:
        """The Riot key.

        Raises:
            SettingsError: none is set.
        """
        if self.riot_api_key is None:
            raise SettingsError(
                "LOL_RIOT_API_KEY is not set: put a key from https://developer.riotgames.com "
                "(RGAPI-…) into the environment or into .env"
            )
        return self.riot_api_key


SECRET_VARIABLES = tuple(
    f"LOL_{name.upper()}"
    for name, field in Settings.model_fields.items()
    if field.annotation == SecretStr | None
)
"""Names of the variables that hold secrets."""


def load_settings() -> Settings:
    """Read the settings from the environment and `.env`.

    Raises:
        SettingsError: one line that names each wrong variable and what it should look like, or the line
            of `.env` that cannot be read.
    """
    _check_env_file(Path(".env"))
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(
            _placed(f"LOL_{str(item['loc'][0]).upper()}", _explain(item["msg"]))
            for item in error.errors()
        )
        raise SettingsError(wrong) from None


def _check_env_file(file: Path) -> None:
    try:
        content = file.read_bytes()
    except OSError:
        return  # there is none, or Settings says why it cannot be read
    if b"\0" in content:
        raise SettingsError(f"{file.absolute()} is in UTF-16 or no text: save it as UTF-8")
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            line.decode()
        except UnicodeDecodeError:
            raise SettingsError(
                f"line {number} of {file.absolute()} is not in UTF-8: save the file as UTF-8"
            ) from None
    before = ""
    for binding in parse_stream(io.StringIO(content.decode(_ENV_FILE_ENCODING))):
        is_setting = binding.key is not None and binding.value is not None
        if before.startswith("LOL_") and not is_setting and _is_text(binding.original.string):
            raise SettingsError(
                f"line {_line_of(binding)} of {file.absolute()} is no setting: is {before}, above it, "
                "broken into two lines?"
            )
        before = (binding.key or "").upper() if is_setting else before


def _is_text(original: str) -> bool:
    """Whether these lines of `.env` say anything: neither blank ones nor comments do."""
    return any(line.strip() and not line.strip().startswith("#") for line in original.splitlines())


def _line_of(binding: Binding) -> int:
    """Where it stands: blank lines before it belong to it."""
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def _placed(name: str, wrong: str) -> str:
    """What is wrong with a setting, with the line of `.env` where it has its value from there."""
    file = Path(".env")
    in_environment = {each.upper() for each, value in os.environ.items() if value}
    if name not in in_environment and file.is_file():
        with file.open(encoding=_ENV_FILE_ENCODING) as lines:
            found = [each for each in parse_stream(lines) if (each.key or "").upper() == name]
        if found:
            return f"{name} (line {_line_of(found[-1])} of {file.absolute()}) {wrong}"
    return f"{name} {wrong}"


def _names_in(file: Path) -> list[str]:
    """None where something is wrong with the file: what reads the settings says it."""
    try:
        _check_env_file(file)
        return [*dotenv_values(file, encoding=_ENV_FILE_ENCODING)]
    except (SettingsError, OSError):
        return []


def unknown_variables() -> dict[str, str | None]:
    """Variables of the environment and `.env` that look like settings and are none, each with the
    setting that is written most like it, if there is one.
    """
    known = {f"LOL_{name.upper()}" for name in Settings.model_fields}
    given = {name.upper() for name in (*os.environ, *_names_in(Path(".env")))}
    return {
        name: next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.7)), None)
        for name in sorted(given - known - _OF_DEPLOY)
        if name.startswith("LOL_")
    }


def _explain(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def ensure_home(settings: Settings) -> Path:
    """Create LOL_HOME if it is not there and prove that it can be written.

    Raises:
        SettingsError: it cannot be created or written.
    """
    home = settings.home
    try:
        home.mkdir(parents=True, exist_ok=True)
        _prove_writable(home)
    except OSError as error:
        raise SettingsError(
            f"LOL_HOME {home} cannot be written ({error.strerror}): "
            "set LOL_HOME to a folder that you can write to"
        ) from None
    return home


def ensure_dagster_home(settings: Settings) -> Path:
    """The same of Dagster's folder in it, which may be somebody else's: a container's runtime makes one for
    what is mounted into it.

    Raises:
        SettingsError: it, or LOL_HOME, cannot be created or written.
    """
    ensure_home(settings)
    home = settings.dagster_home
    try:
        home.mkdir(exist_ok=True)
        _prove_writable(home)
    except OSError as error:
        raise SettingsError(
            f"{home} cannot be written ({error.strerror}): "
            "give it to the user that LOL_HOME belongs to (chown -R)"
        ) from None
    return home


def _prove_writable(folder: Path) -> None:
    """
    Raises:
        OSError: it cannot be written.
    """
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(13, "Permission denied")
    probe = folder / f".writable-{os.getpid()}"
    probe.touch()
    probe.unlink()
