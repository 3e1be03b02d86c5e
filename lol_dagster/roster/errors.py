"""Why an entry of the roster is refused: each a line for the person who made it."""

from __future__ import annotations

from lol_dagster.errors import UserError


class RosterError(UserError):
    """An entry that cannot be made as it was asked for."""


class NoSuchEntryError(RosterError):
    """Nothing of that name is in the roster."""


class AlreadyThereError(RosterError):
    """Something of that name, or with that account or address, is in the roster."""


class TimeZoneError(RosterError):
    """Nothing is known of such a time zone."""


class AccountTakenError(AlreadyThereError):
    """A player has the account already."""

    def __init__(self, message: str, *, player_id: int) -> None:
        super().__init__(message)
        self.player_id = player_id


class RuleError(RosterError):
    """A rule of a channel is refused."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


class TemplatesError(RuleError):
    """A template of a channel's lines is refused."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"template_{field}", f"the template of the {field}: {reason}")
