"""Games: the list of those that are processed, and the page of any match id."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from flask import Response, abort, flash, g, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import Admin, expose
from sqlalchemy import select

from lol_dagster.admin.context import admin_context
from lol_dagster.admin.display import partition_url, sentence
from lol_dagster.admin.export import attachment
from lol_dagster.admin.forms import number_in
from lol_dagster.admin.model_view import BaseModelView
from lol_dagster.admin.transactions import reading, writing
from lol_dagster.admin.views.announced import Place, places_shown, where_announced
from lol_dagster.admin.views.game_filters import game_filters
from lol_dagster.admin.views.played import Part, parts_shown, who_played
from lol_dagster.errors import UserError
from lol_dagster.explain.game import GameStory, UnknownGameError, explain_game, gold_at_15
from lol_dagster.messages.announced_games import load_announced_games, load_card
from lol_dagster.messages.compose import match_url
from lol_dagster.messages.rules import candidate_teams
from lol_dagster.pictures.drawing import CannotDraw
from lol_dagster.pipeline.match import IGNORABLE
from lol_dagster.pipeline.process import CODE_VERSIONS
from lol_dagster.pipeline.quarantine import ignore
from lol_dagster.pipeline.run_requests import UnknownRequestError, progress, request_run
from lol_dagster.riot.archive import DamagedPayload, load_payload
from lol_dagster.riot.routing import is_match_id
from lol_dagster.storage.models import Game, Match, Participant, Team

log = logging.getLogger(__name__)


def length(seconds: int) -> str:
    """`32:10`."""
    return f"{seconds // 60}:{seconds % 60:02}"


class GameView(BaseModelView):
    """The list of games. Its page shows any match id, also one that is not processed."""

    column_list = ("ended_at", "match_id", "queue_name", "duration_s", "players", "messages")
    column_labels = {
        "ended_at": "Ended",
        "match_id": "Game",
        "queue_name": "Queue",
        "duration_s": "Length",
    }
    column_export_list = (
        *column_list[:4], "result", "players", "messages", "game_version", "code_version",
    )  # fmt: skip
    column_searchable_list = ("match_id",)
    column_sortable_list = ("ended_at", "queue_name")
    column_default_sort = ("ended_at", True)
    column_display_actions = False
    list_template = "games/games.html"
    details_template = "games/game.html"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.column_filters = game_filters()
        super().__init__(*arguments, **options)

    def search_placeholder(self) -> str:
        return "match id"

    def get_list(self, *arguments: Any, **options: Any) -> tuple[Any, Any]:
        count, games = super().get_list(*arguments, **options)
        match_ids = [game.match_id for game in games]
        g.played = who_played(reading(), match_ids)
        g.announced = where_announced(reading(), match_ids)
        return count, games

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """The list; a whole match id that is known leads to its page."""
        match_id = request.args.get("search", "").strip().upper()
        if is_match_id(match_id) and reading().get(Match, match_id) is not None:
            return redirect(self.get_url(".details_view", id=match_id))
        page: str = super().index_view()
        return page

    @expose("/details/")
    def details_view(self) -> ResponseReturnValue:
        """Everything about a game, from Riot's list to what was announced."""
        context = admin_context()
        try:
            story = explain_game(
                reading(),
                request.args.get("id", ""),
                stale_after=context.settings.stale_after,
                now=context.now(),
            )
        except UnknownGameError:
            abort(404)
        return self.render(
            self.details_template,
            story=story,
            answer=_sentence(story),
            known=story.rows,
            may_be_ignored=story.rows.match.state in IGNORABLE,
            participants=_participants(story.match_id),
            code_versions=CODE_VERSIONS,
            match_url=match_url(story.match_id),
            partition_url=partition_url(story.match_id),
            length=length,
            teams_with_cards=_teams_with_cards(story.match_id),
            gold_at_15=gold_at_15,
        )

    @expose("/card/")
    def card_view(self) -> ResponseReturnValue:
        """The game's picture, as a team sees it."""
        card = load_card(reading(), number_in(request.args.get("team")), request.args.get("id", ""))
        if card is None:
            abort(404)
        try:
            picture = admin_context().artist.draw(card)
        except CannotDraw:
            log.exception("the card cannot be drawn")
            abort(404)
        return Response(picture, mimetype="image/png")

    @expose("/payload/")
    def payload_view(self) -> ResponseReturnValue:
        """Riot's answer, byte for byte."""
        match_id = request.args.get("id", "")
        try:
            body = load_payload(reading(), match_id).body
        except LookupError:
            abort(404)
        except DamagedPayload as error:
            flash(sentence(error), "error")
            return redirect(self.get_url(".details_view", id=match_id))
        return attachment(body, f"{match_id}.json")

    @expose("/reprocess/", methods=["POST"])
    def reprocess_view(self) -> ResponseReturnValue:
        """Ask for a game to be taken through all stages again."""
        match_id = request.form.get("id", "")
        if reading().get(Match, match_id) is None:
            abort(404)
        try:
            with writing() as session:
                request_run(
                    session, match_id, session.info["who"], "reprocess", now=admin_context().now()
                )
        except UserError as error:
            flash(sentence(error), "error")
        return redirect(self.get_url(".details_view", id=match_id, _anchor="progress"), 303)

    @expose("/ignore/", methods=["POST"])
    def ignore_view(self) -> ResponseReturnValue:
        """Leave a game be for good that is quarantined, or that Riot lists and does not give."""
        match_id = request.form.get("id", "")
        if reading().get(Match, match_id) is None:
            abort(404)
        if self._written(
            None,
            lambda session: ignore(
                session, match_id, session.info["who"], "", now=admin_context().now()
            ),
        ):
            flash(f"{match_id} is ignored: to reprocess it takes that back.", "success")
        return redirect(self.get_url(".details_view", id=match_id), 303)

    @expose("/progress/")
    def progress_view(self) -> ResponseReturnValue:
        """How far a request has come: what the page asks for again and again, without its frame."""
        try:
            found = progress(reading(), number_in(request.args.get("request")))
        except UnknownRequestError:
            abort(404)
        return self.render("games/progress.html", progress=found)

    column_formatters = {
        "duration_s": lambda _view, _context, game, _name: length(game.duration_s),
        "players": lambda _view, _context, game, _name: parts_shown(_parts(game)),
        "messages": lambda _view, _context, game, _name: places_shown(_places(game)),
    }
    column_formatters_export = {
        "players": lambda _view, _context, game, _name: [
            f"{part.player}: {part.champion} {part.score} {part.outcome}" for part in _parts(game)
        ],
        "messages": lambda _view, _context, game, _name: [
            f"{place.channel}: {place.state}" for place in _places(game)
        ],
    }


def _parts(game: Game) -> Sequence[Part]:
    parts: Sequence[Part] = g.played.get(game.match_id, ())
    return parts


def _places(game: Game) -> Sequence[Place]:
    places: Sequence[Place] = g.announced.get(game.match_id, ())
    return places


def _teams_with_cards(match_id: str) -> list[Team]:
    """Those of whom somebody took part."""
    return [
        team
        for team in candidate_teams(reading(), match_id)
        if load_announced_games(reading(), team.id, [match_id])
    ]


def _sentence(story: GameStory) -> str:
    """The answer as a sentence; a channel's name at its head stays as it is."""
    names = tuple(f"{each.channel}: " for each in story.channels)
    return f"{story.answer}." if story.answer.startswith(names) else sentence(story.answer)


def _participants(match_id: str) -> Sequence[Participant]:
    """Allies next to each other."""
    return (
        reading()
        .scalars(
            select(Participant)
            .where(Participant.match_id == match_id)
            .order_by(Participant.side, Participant.participant_id)
        )
        .all()
    )


def register(admin: Admin) -> None:
    admin.add_view(GameView(Game, name="Games", endpoint="game", category="Games"))
