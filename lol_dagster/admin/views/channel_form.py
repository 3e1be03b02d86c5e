"""The form of a channel: its fields, and how what is typed reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wtforms import (
    BooleanField,
    IntegerField,
    PasswordField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, NumberRange, Optional
from wtforms.widgets import CheckboxInput, ListWidget, NumberInput, PasswordInput

from lol_dagster.admin.forms import EntryForm, stripped
from lol_dagster.admin.merging import Typed, typed_value
from lol_dagster.delivery.transports.registry import transport_type, transport_types
from lol_dagster.messages.templates import FIELDS, NAMES
from lol_dagster.riot.modes import KIND_NAMES, MODE_NAMES, Wanted, shown_wanted
from lol_dagster.roster.channels import (
    CHOSEN_KINDS,
    MOST_MEMBERS,
    parse_queues,
    parse_quiet_hours,
    wanted,
)
from lol_dagster.roster.errors import RosterError

_MESSAGES = {
    "game": "Games",
    "catch_up": "Catch-up: old games together",
    "alert": "Alerts: what the operator should know",
}
ONLY_IF = {
    "": "are any",
    "won": "one of the team has won",
    "remarkable": "are worth a remark",
}
QUIET_WAYS = {
    "hold": "Hold games back: one message about all of them when they end",
    "silent": "Send what comes without a sound (Discord)",
}
YES = {True: "yes", False: "no"}
POLICIES = {
    "review": "Hold it for review: somebody checks and decides",
    "resend": "Send it again: it may appear twice",
}
PICTURES = {
    "none": "None",
    "icons": "The champions' icons beside the members",
    "card": "A card of the game",
}
_QUEUES = {
    **{str(kind): f"{name}: all of this kind" for kind, name in KIND_NAMES.items()},
    **{name: name for name in MODE_NAMES},
}


class Boxes(SelectMultipleField):
    """Several of a few, each with a box."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class AddressField(PasswordField):
    """What is typed, also after it was refused; never what is stored."""

    widget = PasswordInput(hide_value=False)

    def process_data(self, value: Any) -> None:
        self.data = None


class ChannelForm(EntryForm):
    """What a channel should be."""

    name = StringField("Name", [InputRequired("Give the channel a name.")])
    team = SelectField("Team", [InputRequired("Choose a team.")])
    kind = SelectField(
        "Kind",
        [InputRequired()],
        choices=lambda: [SelectChoice(each.kind, each.label) for each in transport_types()],
    )
    address = AddressField(
        "Address",
        [Optional()],
        description="A bot's channel id or the link to the channel, or a webhook's URL. It is not shown again. "
        "What is saved is tried out with a test message, which people in the channel may briefly see.",
        render_kw={"autocomplete": "new-password", "spellcheck": "false"},
    )
    message_kinds = Boxes(
        "Messages", choices=[SelectChoice(kind, _MESSAGES[kind]) for kind in CHOSEN_KINDS]
    )
    queues = Boxes(
        "Only these games",
        choices=[SelectChoice(word, label) for word, label in _QUEUES.items()],
        description="None chosen: every game. A kind or a mode includes the queues that Riot has yet to open "
        "for it.",
    )
    other_queues = StringField(
        "Other queues",
        [Optional()],
        description="Single queues by Riot's numbers, such as 420, 3130.",
    )
    min_members = IntegerField(
        "At least so many of the team took part",
        [InputRequired("1: every game."), NumberRange(1, MOST_MEMBERS)],
        default=1,
        widget=NumberInput(min=1, max=MOST_MEMBERS),
    )
    only_if = SelectField(
        "And only games that",
        choices=[SelectChoice(value, words) for value, words in ONLY_IF.items()],
        coerce=lambda value: value or None,
    )
    quiet_hours = StringField(
        "Quiet hours",
        [Optional()],
        description="Such as 23:00-08:00, in the team's time zone. Empty: none.",
        filters=[stripped],
    )
    quiet_way = SelectField(
        "In quiet hours",
        [InputRequired()],
        choices=[SelectChoice(way, words) for way, words in QUIET_WAYS.items()],
        description="What makes no sound is unread all the same. Slack has no such messages.",
    )
    template_lead = StringField("A member's name reads", [Optional()], filters=[stripped])
    template_facts = StringField("Champion and score read", [Optional()], filters=[stripped])
    template_details = StringField(
        "The figures below read",
        [Optional()],
        description="Empty: as usual. A template such as “{{ name }} as {{ champion }}”; it may use "
        + ", ".join(NAMES)
        + ", and is tried with the team's last games.",
        filters=[stripped],
    )
    pictures = SelectField(
        "Pictures",
        choices=[SelectChoice(value, words) for value, words in PICTURES.items()],
        description="Icons are there once “lol-dagster icons upload” has been run; not for Discord's webhooks. "
        "A card is drawn, and added to the message once that is posted; not for Slack's webhooks.",
    )
    story = BooleanField(
        "Tell how a game of the Rift went",
        description="In three lines below it: how it began, what turned it, how it ended. Comes some minutes "
        "later as an edit, and costs one call to Riot a game.",
    )
    uncertain = SelectField(
        "When nobody can find out whether a message arrived",
        [InputRequired()],
        choices=[SelectChoice(policy, words) for policy, words in POLICIES.items()],
    )

    def chosen_queues(self) -> Wanted | None:
        """None: all.

        Raises:
            RosterError: what is typed is no list of queues.
        """
        typed = parse_queues(self.other_queues.data) if self.other_queues.data else []
        return wanted([*(self.queues.data or ()), *map(str, typed)]) or None

    def chosen_kinds(self) -> list[str] | None:
        """Of `CHOSEN_KINDS`; None: all."""
        chosen = [kind for kind in CHOSEN_KINDS if kind in (self.message_kinds.data or ())]
        return None if len(chosen) == len(CHOSEN_KINDS) else chosen

    def chosen_quiet_hours(self) -> str | None:
        """None: there are none.

        Raises:
            RosterError: what is typed is no time of day.
        """
        typed: str = self.quiet_hours.data
        return parse_quiet_hours(typed) if typed else None

    def chosen_templates(self) -> dict[str, str] | None:
        """None: every line is as usual."""
        typed = {field: self[f"template_{field}"].data for field in FIELDS}
        return {field: text for field, text in typed.items() if text} or None

    def fill_in_templates(self, templates: Mapping[str, str] | None) -> None:
        for field in FIELDS:
            self[f"template_{field}"].data = (templates or {}).get(field, "")

    def fill_in_queues(self, chosen: Wanted | None) -> None:
        self.queues.data = [each for each in chosen or () if each in _QUEUES]
        self.other_queues.data = ", ".join(
            str(each) for each in chosen or () if each not in _QUEUES
        )

    def fill_in_kinds(self, kinds: Sequence[str] | None) -> None:
        self.message_kinds.data = list(CHOSEN_KINDS if kinds is None else kinds)


def shown_kind(kind: str) -> str:
    """A kind of channel as people call it."""
    return transport_type(kind).label


def _typed_queues(form: Any) -> Any:
    try:
        return form.chosen_queues()
    except RosterError:
        return form.other_queues.data  # is none; `save` says so


def _typed_quiet_hours(form: Any) -> Any:
    try:
        return form.chosen_quiet_hours()
    except RosterError:
        return form.quiet_hours.data  # is none; `save` says so


def shown_templates(templates: Mapping[str, str] | None) -> str:
    """Templates with the fields that they fill."""
    return ", ".join(f"{field}: {text}" for field, text in (templates or {}).items()) or "none"


def shown_queues(chosen: Wanted | None) -> str:
    """What a channel wants, as people call it."""
    return "all" if chosen is None else ", ".join(map(shown_wanted, chosen))


def shown_kinds(kinds: Sequence[str] | None) -> str:
    """Kinds of message as people call them."""
    return (
        "all" if kinds is None else ", ".join(_MESSAGES[kind].partition(":")[0] for kind in kinds)
    )


TYPED_COLUMNS = (
    typed_value("name"),
    typed_value("kind", shown_kind),
    Typed(
        "address",
        read=lambda form: "typed" if form.address.data else "changed",
        write=lambda _form, _value: None,
        field=lambda form: form.address,
        show=lambda _value: "another one",
    ),
    Typed(
        "message_kinds",
        read=lambda form: form.chosen_kinds(),
        write=lambda form, value: form.fill_in_kinds(value),
        field=lambda form: form.message_kinds,
        show=lambda value: ", ".join(CHOSEN_KINDS if value is None else value),
    ),
    Typed(
        "queues",
        read=_typed_queues,
        write=lambda form, value: form.fill_in_queues(value),
        field=lambda form: form.queues,
        show=shown_queues,
    ),
    typed_value("min_members"),
    typed_value("only_if", lambda value: ONLY_IF[value or ""]),
    Typed(
        "quiet_hours",
        read=_typed_quiet_hours,
        write=lambda form, value: setattr(form.quiet_hours, "data", value or ""),
        field=lambda form: form.quiet_hours,
        show=lambda value: value or "none",
    ),
    typed_value("quiet_way", QUIET_WAYS.__getitem__),
    Typed(
        "templates",
        read=lambda form: form.chosen_templates(),
        write=lambda form, value: form.fill_in_templates(value),
        field=lambda form: form.template_lead,
        show=shown_templates,
    ),
    typed_value("pictures", lambda value: PICTURES[value]),
    typed_value("story", lambda value: YES[bool(value)]),
    typed_value("uncertain", POLICIES.__getitem__),
)
