"""Tasks as a picture: what waits for what, from left to right, and what holds up most.

A picture shows unfinished tasks that wait or are waited for, at most `TASKS_MAX`. Where each stands is decided in
`web.admin.layers`. `subgraph_of` and `around` run in the project's time and only gather; `drawn` is the caller's own
work. Numbers are pixels of the picture.
"""

from collections.abc import Iterable

from msgspec import Struct

from engine.task_graph import Task, TaskBook
from web.admin.layers import Bend, Layers, Slot, layered

TASKS_MAX = 60
AROUND_MAX = 14
"""Tasks in the picture on a task's own page."""

WIDTH, HEIGHT = 212, 46
LINE_HEIGHT = 8
"""The height that a line takes in a column which it passes."""

GAP_X, GAP_Y = 56, 16
MARGIN = 8
TITLE_LENGTH_MAX = 22


class Subgraph(Struct, frozen=True, kw_only=True):
    """Tasks by id, and the ids that each waits for among them. `omitted` counts tasks that found no room."""

    tasks: dict[int, Task]
    waits_for: dict[int, list[int]]
    omitted: int = 0
    middle: int | None = None
    """The task that the picture is about, if it is about one."""


class Node(Struct, frozen=True, kw_only=True):
    """A task in its place. `holds_up` counts those that wait for it, also through others."""

    task: Task
    x: int
    y: int
    title: str
    holds_up: int
    waits: bool
    is_worst: bool
    is_middle: bool


class Edge(Struct, frozen=True, kw_only=True):
    """A line from a task to one that waits for it; `is_blocker`: because somebody said so while at work."""

    path: str
    is_blocker: bool
    on_worst: bool


class Picture(Struct, frozen=True, kw_only=True):
    """All there is to draw. `worst` are the tasks that hold up most, first the one that holds up most of all."""

    nodes: list[Node]
    edges: list[Edge]
    width: int
    height: int
    omitted: int
    worst: list[Node]
    node_width: int = WIDTH
    node_height: int = HEIGHT


def subgraph_of(book: TaskBook) -> Subgraph:
    """The tasks that hold up most, what waits for them and what they wait for, as far as there is room."""
    chosen: dict[int, None] = {}
    roots = book.holding_up(TASKS_MAX)
    for root in roots:
        _gather(book, [root], chosen, TASKS_MAX)
    waiting = sum(1 for root in roots if root not in chosen)
    return _subgraph(book, chosen, omitted=waiting)


def around(book: TaskBook, task_id: int) -> Subgraph:
    """The tasks that a task waits for and those that wait for it; nothing when it is finished."""
    chosen: dict[int, None] = {}
    if task_id in book:
        _gather(book, [task_id], chosen, AROUND_MAX)
    return _subgraph(book, chosen, middle=task_id)


def drawn(graph: Subgraph) -> Picture:
    """The tasks in their places."""
    layers = layered(graph.waits_for)
    waited = _waited_by(graph)
    below = {task_id: len(_reached(task_id, waited)) for task_id in graph.tasks}
    most = max(below.values(), default=0)
    worst = {task_id for task_id, count in below.items() if count == most and most > 1}
    height = max(map(_height_of, layers.columns), default=0)
    places = _places(layers, height)
    tasks = [slot for column in layers.columns for slot in column if not isinstance(slot, Bend)]
    nodes = [_node(graph, task_id, places[task_id], below, worst) for task_id in tasks]
    return Picture(
        nodes=nodes,
        edges=_edges(graph, layers, places, worst, waited),
        width=2 * MARGIN + len(layers.columns) * (WIDTH + GAP_X) - GAP_X if nodes else 0,
        height=2 * MARGIN + height if nodes else 0,
        omitted=graph.omitted,
        worst=sorted((node for node in nodes if node.holds_up), key=lambda node: (-node.holds_up, node.task.id))[:5],
    )


def _gather(book: TaskBook, todo: list[int], chosen: dict[int, None], limit: int) -> None:
    """Add these tasks and, from near to far, those that they are tied to, until there are so many."""
    while todo and len(chosen) < limit:
        task_id, *todo = todo
        if task_id in chosen:
            continue
        chosen[task_id] = None
        todo += [*book.waited_for(task_id)[:limit], *book.waiting_for(task_id)[:limit]]


def _subgraph(book: TaskBook, chosen: Iterable[int], *, omitted: int = 0, middle: int | None = None) -> Subgraph:
    tasks = {task_id: book[task_id] for task_id in chosen}
    waits_for = {task_id: [other for other in book.waited_for(task_id) if other in tasks] for task_id in tasks}
    return Subgraph(tasks=tasks, waits_for=waits_for, omitted=omitted, middle=middle)


def _height_of(column: list[Slot]) -> int:
    return sum(map(_height, column)) + GAP_Y * (len(column) - 1)


def _height(slot: Slot) -> int:
    return LINE_HEIGHT if isinstance(slot, Bend) else HEIGHT


def _places(layers: Layers, height: int) -> dict[Slot, tuple[int, int]]:
    """The upper left corner of each slot; a column that is not as high as the picture stands in its middle."""
    places: dict[Slot, tuple[int, int]] = {}
    for index, column in enumerate(layers.columns):
        x, y = MARGIN + index * (WIDTH + GAP_X), MARGIN + (height - _height_of(column)) // 2
        for slot in column:
            places[slot] = (x, y)
            y += _height(slot) + GAP_Y
    return places


def _waited_by(graph: Subgraph) -> dict[int, list[int]]:
    waited: dict[int, list[int]] = {}
    for task_id, others in graph.waits_for.items():
        for other in others:
            waited.setdefault(other, []).append(task_id)
    return waited


def _reached(start: int, waited: dict[int, list[int]]) -> set[int]:
    """Every task that waits for this one, also through others."""
    reached: set[int] = set()
    todo = [start]
    while todo:
        fresh = [task_id for task_id in waited.get(todo.pop(), []) if task_id not in reached]
        reached.update(fresh)
        todo += fresh
    return reached


def _node(graph: Subgraph, task_id: int, place: tuple[int, int], below: dict[int, int], worst: set[int]) -> Node:
    task = graph.tasks[task_id]
    short = task.title if len(task.title) <= TITLE_LENGTH_MAX else f"{task.title[: TITLE_LENGTH_MAX - 1]}…"
    return Node(
        task=task,
        x=place[0],
        y=place[1],
        title=short,
        holds_up=below[task_id],
        waits=bool(graph.waits_for[task_id]) or task.status == "blocked",
        is_worst=task_id in worst,
        is_middle=task_id == graph.middle,
    )


def _edges(
    graph: Subgraph,
    layers: Layers,
    places: dict[Slot, tuple[int, int]],
    worst: set[int],
    waited: dict[int, list[int]],
) -> list[Edge]:
    """Lines from task to task, those that matter most last: what is drawn later lies on top."""
    held = set(worst)
    for task_id in worst:
        held |= _reached(task_id, waited)
    edges = [
        Edge(
            path=_path(layers.way(other, task_id), places),
            is_blocker=other in graph.tasks[task_id].blocked_on,
            on_worst=other in held and task_id in held,
        )
        for task_id, others in graph.waits_for.items()
        for other in others
    ]
    return sorted(edges, key=lambda edge: edge.on_worst)


def _path(way: list[Slot], places: dict[Slot, tuple[int, int]]) -> str:
    """A curve between columns, and straight on through the columns that the line passes."""
    start, *others = way
    x, y = places[start][0] + WIDTH, places[start][1] + _height(start) // 2
    path = f"M{x} {y}"
    for slot in others:
        left, middle = places[slot][0], places[slot][1] + _height(slot) // 2
        bend = max(24, (left - x) // 2)
        path += f"C{x + bend} {y} {left - bend} {middle} {left} {middle}"
        if isinstance(slot, Bend):
            path += f"H{left + WIDTH}"
        x, y = left + WIDTH, middle
    return path
