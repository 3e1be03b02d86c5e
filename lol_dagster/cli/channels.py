"""`lol-dagster channel …`"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from operator import itemgetter
from typing import Any, TypeVar

import click

from lol_dagster.cli.context import command_context
from lol_dagster.cli.output import (
    as_json_option,
    print_either,
    print_fields,
    print_section,
    print_table,
    shown,
)
from lol_dagster.cli.secret_input import SecretInput
from lol_dagster.delivery.model import Timing
from lol_dagster.delivery.retry_budget import retry_budget_of
from lol_dagster.delivery.transports.base import Transport
from lol_dagster.delivery.transports.registry import all_transports, transport_types
from lol_dagster.explain.preview import Preview, preview_rules
from lol_dagster.riot.modes import KIND_NAMES
from lol_dagster.roster import channels
from lol_dagster.roster.channels import MOST_MEMBERS, ChannelRules
from lol_dagster.storage.models import Channel
from lol_dagster.storage.models.roster import ONLY_IF, PICTURES, QUIET_WAYS, UNCERTAIN_POLICIES

_T = TypeVar("_T")
_Command = TypeVar("_Command", bound=Callable[..., Any])


def _rule_options(*, new: bool) -> Callable[[_Command], _Command]:
    """The options for `_changed`.

    Args:
        new: For a new channel: what is not named has a default, which is said.
    """

    def default(value: str) -> str:
        return f" [{value}]" if new else ""

    options = (
        click.option(
            "--queues",
            metavar="ranked,Arena,3130|all",
            help="Only these games: kinds of queue ("
            + ", ".join(KIND_NAMES)
            + "), modes and queues by name, or Riot's numbers of queues; or 'all'."
            + default("all"),
        ),
        click.option(
            "--message-kinds",
            metavar=",".join(channels.CHOSEN_KINDS) + "|all",
            help="Only these messages, or 'all'." + default("all"),
        ),
        click.option(
            "--min-members",
            type=click.IntRange(1, MOST_MEMBERS),
            help="Only games in which at least so many of the team took part." + default("1"),
        ),
        click.option(
            "--only-if",
            type=click.Choice([*ONLY_IF, "all"]),
            help="Only games that one of the team has won, or that are worth a remark, or 'all'."
            + default("all"),
        ),
        click.option(
            "--template",
            "templates",
            multiple=True,
            metavar="FIELD=TEXT",
            help="How a member's lead, facts or details read, such as 'lead={{ name }} as {{ champion }}'; "
            "'lead=' for as usual. docs/how-to/rules.md has what they may use.",
        ),
        click.option(
            "--quiet-hours",
            metavar="23:00-08:00|none",
            help="In the team's time zone, or 'none'." + default("none"),
        ),
        click.option(
            "--quiet-way",
            type=click.Choice(QUIET_WAYS),
            help="In quiet hours: 'hold' games back, for one message when they end, or send 'silent' "
            "messages, which Slack does not have." + default("hold"),
        ),
        click.option(
            "--pictures",
            type=click.Choice(PICTURES),
            help="What is put beside a game's text: 'icons' of the champions, which 'icons upload' makes "
            "known, or a 'card', which is drawn and comes as an edit." + default("none"),
        ),
        click.option(
            "--story/--no-story",
            default=None,
            help="Whether a game of the Rift's message also tells how it went, some minutes later."
            + default("no"),
        ),
    )

    def decorated(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


@click.group()
def channel() -> None:
    """Where a team's games are announced."""


@channel.command("add")
@click.argument("name")
@click.option("--team", required=True, help="The team whose games are announced there.")
@click.option("--kind", required=True, metavar=" | ".join(each.kind for each in transport_types()))
@click.option(
    "--address",
    type=SecretInput("The webhook's URL"),
    required=True,
    help="A bot's channel id; for a webhook '-', which asks for its URL or reads it from the standard "
    "input: it is a secret.",
)
@_rule_options(new=True)
@click.option(
    "--uncertain",
    type=click.Choice(UNCERTAIN_POLICIES),
    default="review",
    show_default=True,
    help="What should happen to a message if nobody can find out whether it arrived.",
)
@as_json_option
def add(
    name: str,
    team: str,
    kind: str,
    address: str,
    uncertain: str,
    as_json: bool,
    **typed: Any,
) -> None:
    """Announce a team's games in a channel, beginning with those that finish now."""
    with command_context() as app:
        transports = all_transports(app.settings)
        rules = _changed(ChannelRules(), **typed)
        with app.writing() as session:
            added = channels.add_channel(
                session,
                name,
                team=team,
                kind=kind,
                address=address,
                transports=transports,
                rules=rules,
                uncertain=uncertain,
                now=app.now,
            )
            value = _as_json(added, transports)
    said = f"Games of the team {value['team']!r} are announced in {value['name']!r}. "
    print_either(value, as_json, said + _promise(value))


@channel.command("edit")
@click.argument("name")
@click.option("--name", "new_name", help="Another name.")
@click.option("--kind", metavar=" | ".join(each.kind for each in transport_types()))
@click.option(
    "--address",
    type=SecretInput("The webhook's URL"),
    help="Another address; for a webhook '-', which asks for its URL or reads it from the standard input.",
)
@_rule_options(new=False)
@click.option(
    "--uncertain",
    type=click.Choice(UNCERTAIN_POLICIES),
    help="What should happen to a message if nobody can find out whether it arrived.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Only show what other rules would have made of last week's games.",
)
@as_json_option
def edit(
    name: str,
    new_name: str | None,
    kind: str | None,
    address: str | None,
    uncertain: str | None,
    dry_run: bool,
    as_json: bool,
    **typed: Any,
) -> None:
    """Change a channel; what is not named stays."""
    with command_context() as app:
        transports = all_transports(app.settings)

        if dry_run:
            with app.database.reading() as session:
                row = channels.get_channel(session, name)
                rules = _changed(ChannelRules.of(row), **typed)
                channels.check_rules(rules, kind or row.kind, transports)
                channels.check_templates(session, rules, row.team)
                preview = preview_rules(
                    session, row, rules, stale_after=app.settings.stale_after, now=app.now
                )
            print_either(asdict(preview), as_json, lambda: _print_preview(preview))
            return
        with app.writing() as session:
            row = channels.get_channel(session, name)
            changed = channels.change_channel(
                session,
                row.id,
                name=row.name if new_name is None else new_name,
                kind=row.kind if kind is None else kind,
                address=address,
                transports=transports,
                rules=_changed(ChannelRules.of(row), **typed),
                uncertain=row.uncertain if uncertain is None else uncertain,
                version=row.version,
                now=app.now,
            )
            value = _as_json(changed, transports)
    said = f"Games of the team {value['team']!r} are announced in {value['name']!r}. "
    print_either(value, as_json, said + _promise(value))


def _print_preview(preview: Preview) -> None:
    print_table(
        ("", "GAME", "ENDED", "WHAT IT SAYS", "NOW", "THEN"),
        (
            (each.what, each.match_id, each.ended_at, each.says, each.now, each.then)
            for each in preview.differences
        ),
        empty="No game of the last week would have been announced otherwise.",
    )
    click.echo(f"\n{preview.in_words}. Nothing was changed.")


def _changed(
    rules: ChannelRules,
    *,
    queues: str | None,
    message_kinds: str | None,
    min_members: int | None,
    only_if: str | None,
    quiet_hours: str | None,
    quiet_way: str | None,
    templates: tuple[str, ...],
    pictures: str | None,
    story: bool | None,
) -> ChannelRules:
    """The rules with what the options say; None: it stays."""
    return ChannelRules(
        queues=_chosen(queues, rules.queues, channels.parse_queues),
        message_kinds=_chosen(message_kinds, rules.message_kinds, channels.parse_message_kinds),
        min_members=rules.min_members if min_members is None else min_members,
        only_if=_chosen(only_if, rules.only_if, str),
        quiet_hours=_chosen(quiet_hours, rules.quiet_hours, channels.parse_quiet_hours),
        quiet_way=rules.quiet_way if quiet_way is None else quiet_way,
        templates=_with_templates(rules.templates, channels.parse_templates(templates)),
        pictures=rules.pictures if pictures is None else pictures,
        story=rules.story if story is None else story,
    )


def _with_templates(present: dict[str, str] | None, typed: dict[str, str]) -> dict[str, str] | None:
    """Those that are typed in the place of those that are there; an empty one ends one."""
    return {field: text for field, text in {**(present or {}), **typed}.items() if text} or None


def _chosen(text: str | None, present: _T | None, parse: Callable[[str], _T | None]) -> _T | None:
    """What an option says; None: all of them, or none, as there is no such rule."""
    if text is None:
        return present
    return None if text.strip().lower() in {"all", "none"} else parse(text)


@channel.command("list")
@as_json_option
def list_channels(as_json: bool) -> None:
    """List the channels, with what can be promised of each that has been tested."""
    with command_context() as app, app.database.reading() as session:
        transports = all_transports(app.settings)
        values = [_as_json(each, transports) for each in channels.channels(session)]
    listed = itemgetter("name", "team", "kind", "address")

    def for_people() -> None:
        print_table(
            ("CHANNEL", "TEAM", "KIND", "ADDRESS", "QUEUES", "TESTED", "HISTORY"),
            (
                (*listed(value), value["queues"] or "all", _tested(value), _history(value))
                for value in values
            ),
            empty="There is no channel yet: add one with 'lol-dagster channel add'.",
        )
        promised: dict[str, list[str]] = {}
        for value in values:
            if value["promise"] is not None:
                promised.setdefault(value["promise"], []).append(shown(value["name"]))
        for promise, names in promised.items():
            click.echo(f"\n{', '.join(names)}: {promise}")

    print_either(values, as_json, for_people)


@channel.command("show")
@click.argument("name")
@as_json_option
def show(name: str, as_json: bool) -> None:
    """Show a channel. A webhook's address is shown without its secret part."""
    with command_context() as app, app.database.reading() as session:
        channel = channels.get_channel(session, name)
        budget = retry_budget_of(session, channel.id, "POST", Timing(), app.now)
        value = {
            **_as_json(channel, all_transports(app.settings)),
            "failed_retries": budget.used,
            "failed_retries_allowed": budget.allowed,
            "retries_wait_until": budget.opens_at,
        }

    def for_people() -> None:
        print_fields(
            (name.replace("_", " "), each) for name, each in value.items() if name != "tested"
        )
        steps = map(itemgetter("step", "result", "said"), value["tested"] or ())
        print_section(("TESTED", "RESULT", ""), steps)

    print_either(value, as_json, for_people)


@channel.command("remove")
@click.argument("name")
@as_json_option
def remove(name: str, as_json: bool) -> None:
    """Stop sending messages there. Its history stays."""
    with command_context() as app, app.writing() as session:
        removed = channels.remove_channel(session, name, now=app.now)
    value = {"name": removed.name, "removed_at": removed.removed_at}
    print_either(value, as_json, f"Removed the channel {removed.name!r}.")


def _promise(value: dict[str, Any]) -> str:
    """What can be promised, or how that is found out."""
    untested = f"What can be promised shows when it is tested: lol-dagster doctor {value['name']!r}"
    return value["promise"] or untested


def _tested(value: dict[str, Any]) -> str:
    if value["tested"] is None:
        return "never"
    failed = [each["step"] for each in value["tested"] if each["result"] not in {"ok", "cannot"}]
    return f"cannot {', '.join(failed)}" if failed else "ok"


def _history(value: dict[str, Any]) -> str | None:
    return {None: None, True: "hidden", False: "seen"}[value["history_hidden"]]


def _as_json(row: Channel, transports: Mapping[str, Transport]) -> dict[str, Any]:
    probe, transport = row.probe, transports[row.kind]
    can = transport.capabilities
    unreadable = None
    if probe is not None and can.read_back:
        unreadable = probe.unreadable_history or probe.can_read_back is False
    return {
        "name": row.name,
        "team": row.team.name,
        "kind": row.kind,
        "address": transport.shown_address(row.address),
        "queues": row.queues,
        "message_kinds": row.message_kinds,
        "min_members": row.min_members,
        "only_if": row.only_if,
        "templates": row.templates,
        "quiet_hours": row.quiet_hours,
        "quiet_way": row.quiet_way,
        "pictures": row.pictures,
        "story": row.story,
        "uncertain": row.uncertain,
        "added_at": row.created_at,
        # Nothing that nobody has tried; of a kind that this version lacks there is nothing to try.
        "promise": can.promised(unreadable_history=bool(unreadable))
        if unreadable or (probe and probe.findings) or transport.kind != row.kind
        else None,
        "can_read_back": can.read_back and not unreadable,
        "can_edit": transport.can_edit,
        "history_hidden": unreadable,
        "tested_at": None if probe is None else probe.probed_at,
        "tested": None if probe is None or probe.findings is None else probe.findings["steps"],
    }
