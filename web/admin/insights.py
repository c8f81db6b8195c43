"""A project's figures: events by hour, time to acknowledge, lease contention, adherence.

Pictures are drawn here as SVG without text; each stands above, or inside of, a table with the same figures. Figures are
counted at most once a minute.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Annotated

import trio
from msgspec import Meta, Struct
from quart import Blueprint, render_template, request

from engine.held_leases import HeldLease, LeaseBook, conflict_between
from engine.undo import Undo
from store.ledger import insights
from store.ledger.insights import Delay, Posts, Taken
from web.admin import forms
from web.admin.adherence import COUNTED_AT_ONCE_MAX, COUNTED_FOR_SECONDS, PROJECTS_KEPT_MAX, WEEKS
from web.admin.context import AdminContext
from web.admin.finding import the_project
from web.identity.cache import AgeingCache

HOURS = 24
ROWS_SHOWN_MAX = 15
LEASES_COMPARED_MAX = 200
"""Active leases that each new one is compared with."""

CHART_HEIGHT = 120
COLUMN_WIDTH, COLUMN_GAP = 22, 4

KINDS = ("numbers", "handoffs", "leases", "tasks", "other")

_KIND_OF = {
    "claim": "numbers",
    "seed": "numbers",
    "void_claim": "numbers",
    "post": "handoffs",
    "ack": "handoffs",
    "lease": "leases",
    "release": "leases",
}


class Period(Struct, frozen=True, kw_only=True):
    """How many days are looked at."""

    days: Annotated[int, Meta(ge=1, le=30)] = 7


class Piece(Struct, frozen=True, kw_only=True):
    """A rectangle of a chart of columns."""

    kind: str
    x: int
    y: float
    height: float


class Asked(Struct, frozen=True, kw_only=True):
    """Which figures: of a project in so many days, by hours of a time zone."""

    project_id: int
    days: int
    zone: str


class Figures(Struct, frozen=True, kw_only=True):
    """The counts, and when they were made."""

    at: datetime
    hours: list[Counter[str]]
    delays: list[Delay]
    posts: list[Posts]
    met: list[tuple[str, int]]


def insight_pages(context: AdminContext) -> Blueprint:
    """The route."""
    pages = Blueprint("insights", __name__)
    kept = AgeingCache[Asked, Figures](
        ttl_seconds=COUNTED_FOR_SECONDS, entries_max=PROJECTS_KEPT_MAX, loads_max=COUNTED_AT_ONCE_MAX
    )

    @pages.get("/projects/<int:project_id>/insights")
    async def index(project_id: int) -> str:
        project = await the_project(context, project_id)
        period = forms.read(Period, request.args).fields or Period()
        asked = Asked(project_id=project_id, days=period.days, zone=project.time_zone)
        figures = kept.get(asked) or await kept.load(asked, partial(counted, context))
        assert figures is not None  # noqa: S101 - told to the type checker
        rows = (await context.adherences.of(project_id)).rows
        weeks = [each for each in rows if each.numbers or each.paths or each.commits or each.handoffs]
        lanes = sorted((each for each in figures.posts if each.lane), key=lambda each: -each.posts)
        return await render_template(
            "insights.html",
            place="projects",
            project=project,
            days=period.days,
            figures=figures,
            weeks=weeks[: WEEKS * ROWS_SHOWN_MAX],
            events_max=insights.EVENTS_MAX,
            kinds=KINDS,
            chart=columns(figures.hours),
            chart_width=HOURS * (COLUMN_WIDTH + COLUMN_GAP),
            chart_height=CHART_HEIGHT,
            slowest=max((delay.p90_seconds for delay in figures.delays), default=0),
            posts=totals(figures.posts),
            lanes=lanes[:ROWS_SHOWN_MAX],
        )

    return pages


async def counted(context: AdminContext, asked: Asked) -> Figures:
    """Count the figures of a project."""
    read, now, project_id = context.store.read, context.store.clock.now(), asked.project_id
    since = now - timedelta(days=asked.days)
    met = await trio.to_thread.run_sync(contention, await read(insights.leases_taken, project_id, since))
    return Figures(
        at=now,
        hours=by_kind(await read(insights.by_hour, project_id, since, asked.zone)),
        delays=await read(insights.delays, project_id, since, asked.zone),
        posts=await read(insights.posts_by_lane, project_id, since),
        met=met[:ROWS_SHOWN_MAX],
    )


def by_kind(rows: Iterable[tuple[int, str, int]]) -> list[Counter[str]]:
    """The events of each hour of the day, by kind."""
    hours = [Counter[str]() for _ in range(HOURS)]
    for hour, type_name, count in rows:
        kind = "tasks" if type_name.startswith("task_") else _KIND_OF.get(type_name, "other")
        hours[hour][kind] += count
    return hours


def columns(hours: list[Counter[str]]) -> list[Piece]:
    """A column for each hour, its kinds one above the other; the highest has the whole height."""
    highest = max((hour.total() for hour in hours), default=0) or 1
    pieces = []
    for number, hour in enumerate(hours):
        top = float(CHART_HEIGHT)
        for kind in KINDS:
            height = round(CHART_HEIGHT * hour[kind] / highest, 1)
            top -= height
            if height:
                pieces.append(Piece(kind=kind, x=number * (COLUMN_WIDTH + COLUMN_GAP), y=round(top, 1), height=height))
    return pieces


def totals(posts: list[Posts]) -> Posts:
    """The handoffs to all lanes and persons together."""
    return Posts(
        lane=None,
        posts=sum(each.posts for each in posts),
        anchored=sum(each.anchored for each in posts),
        acknowledged=sum(each.acknowledged for each in posts),
    )


def contention(leases: list[Taken]) -> list[tuple[str, int]]:
    """How often a lease met that of somebody else, by the first two parts of its path; the most often first.

    Leases count for as long as they were taken for: one that was released early still counts until its end.
    """
    book, met = LeaseBook(Undo()), Counter[str]()
    for lease in leases:
        others = islice(book.overlapping(lease.surface, lease.at), LEASES_COMPARED_MAX)
        met[_place(lease.surface)] += sum(conflict_between(held, lease.by, lease.mode) for held in others)
        book.grant(_held(lease), lease.at)
    return [(place, count) for place, count in met.most_common() if count]


def _held(lease: Taken) -> HeldLease:
    expires_at = lease.at + timedelta(seconds=lease.ttl_seconds)
    return HeldLease(
        id=lease.id,
        by=lease.by,
        actor="",
        surface=lease.surface,
        mode=lease.mode,
        note=None,
        expires_at=expires_at,
    )


def _place(surface: str) -> str:
    return "/".join(surface.split("/")[:2])
