"""A project's figures: when what happens, how fast handoffs are acknowledged, where agents meet, who keeps to rules.

Pictures are drawn here as SVG without text; each stands above, or inside of, a table with the same figures.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint, render_template, request

from engine import surfaces
from store.ledger import insights
from store.ledger.adherence import adherence
from store.ledger.insights import Posts, Taken
from web.admin import forms
from web.admin.context import AdminContext
from web.admin.finding import the_project

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


def insight_pages(context: AdminContext) -> Blueprint:
    """The route."""
    pages = Blueprint("insights", __name__)
    read = context.store.read

    @pages.get("/projects/<int:project_id>/insights")
    async def index(project_id: int) -> str:
        project = await the_project(context, project_id)
        period = forms.read(Period, request.args).fields or Period()
        since, zone = context.store.clock.now() - timedelta(days=period.days), project.time_zone
        hours = by_kind(await read(insights.by_hour, project_id, since, zone))
        posts = await read(insights.posts_by_lane, project_id, since)
        delays = await read(insights.delays, project_id, since, zone)
        met = contention(await read(insights.leases_taken, project_id, since))
        return await render_template(
            "insights.html",
            place="projects",
            project=project,
            days=period.days,
            kinds=KINDS,
            hours=hours,
            chart=columns(hours),
            chart_width=HOURS * (COLUMN_WIDTH + COLUMN_GAP),
            chart_height=CHART_HEIGHT,
            delays=delays,
            slowest=max((delay.p90_seconds for delay in delays), default=0),
            posts=totals(posts),
            lanes=sorted((each for each in posts if each.lane), key=lambda each: -each.posts)[:ROWS_SHOWN_MAX],
            met=met[:ROWS_SHOWN_MAX],
            weeks=(await read(adherence, project_id, weeks=4))[: 4 * ROWS_SHOWN_MAX],
        )

    return pages


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
    active: list[Taken] = []
    met = Counter[str]()
    for lease in leases:
        active = [each for each in active if each.at + timedelta(seconds=each.ttl_seconds) > lease.at]
        met[_place(lease.surface)] += sum(
            each.by != lease.by
            and not each.mode == lease.mode == "shared"
            and surfaces.overlap(each.surface, lease.surface)
            for each in active[-LEASES_COMPARED_MAX:]
        )
        active.append(lease)
    return [(place, count) for place, count in met.most_common() if count]


def _place(surface: str) -> str:
    return "/".join(surface.split("/")[:2])
