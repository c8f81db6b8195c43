"""Tasks as a picture: what waits for what, from left to right, and what holds up most.

A picture shows unfinished tasks that wait or are waited for, at most `TASKS_MAX`. Every task stands to the right of all
it waits for, as far left as that allows; within a column the tasks are put near what they wait for (the barycenter
heuristic: Sugiyama, Tagawa and Toda, 1981). `subgraph_of` and `around` run in the project's time and only gather;
`drawn` is the caller's own work. Numbers are pixels of the picture.
"""

from collections.abc import Iterable

from msgspec import Struct

from engine.task_graph import Task, TaskBook

TASKS_MAX = 60
AROUND_MAX = 14
"""Tasks in the picture on a task's own page."""

WIDTH, HEIGHT = 212, 46
GAP_X, GAP_Y = 56, 16
MARGIN = 8
TITLE_LENGTH_MAX = 22
SWEEPS = 4


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
    """What a task waits for and what waits for it; nothing when it is finished."""
    chosen: dict[int, None] = {}
    if task_id in book:
        _gather(book, [task_id], chosen, AROUND_MAX)
    return _subgraph(book, chosen, middle=task_id)


def drawn(graph: Subgraph) -> Picture:
    """The tasks in their places."""
    columns = _columns(graph)
    waited = _waited_by(graph)
    below = {task_id: len(_reached(task_id, waited)) for task_id in graph.tasks}
    most = max(below.values(), default=0)
    worst = {task_id for task_id, count in below.items() if count == most and most > 1}
    height = max((len(column) for column in columns), default=0)
    places = {
        task_id: (
            MARGIN + index * (WIDTH + GAP_X),
            MARGIN + row * (HEIGHT + GAP_Y) + (height - len(column)) * (HEIGHT + GAP_Y) // 2,
        )
        for index, column in enumerate(columns)
        for row, task_id in enumerate(column)
    }
    nodes = [_node(graph, task_id, places[task_id], below, worst) for column in columns for task_id in column]
    return Picture(
        nodes=nodes,
        edges=_edges(graph, places, worst, waited),
        width=2 * MARGIN + len(columns) * (WIDTH + GAP_X) - GAP_X if columns else 0,
        height=2 * MARGIN + height * (HEIGHT + GAP_Y) - GAP_Y if height else 0,
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


def _columns(graph: Subgraph) -> list[list[int]]:
    """Ids by column, from those that wait for nothing on; each column from the top down."""
    layers: dict[int, int] = {}
    for task_id in graph.tasks:
        _layer(graph, task_id, layers)
    columns: list[list[int]] = [[] for _ in range(max(layers.values(), default=-1) + 1)]
    for task_id in sorted(graph.tasks):
        columns[layers[task_id]].append(task_id)
    waited = _waited_by(graph)
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        neighbours = graph.waits_for if forward else waited
        for column in columns if forward else reversed(columns):
            heights = {task_id: row for each in columns for row, task_id in enumerate(each)}
            wanted = {task_id: _middle_of(neighbours.get(task_id, []), heights, heights[task_id]) for task_id in column}
            column.sort(key=lambda task_id, wanted=wanted: (wanted[task_id], task_id))  # type: ignore[misc]  # mypy knows no defaults in a key
    return columns


def _layer(graph: Subgraph, task_id: int, layers: dict[int, int]) -> None:
    """Put a task right of all it waits for. There are no cycles: the engine refuses those it can find."""
    todo = [task_id]
    entered: set[int] = set()
    while todo:
        current = todo[-1]
        waits_for = graph.waits_for[current]
        missing = [other for other in waits_for if other not in layers and other not in entered]
        entered.add(current)
        if missing:
            todo += missing
            continue
        layers[current] = 1 + max((layers.get(other, -1) for other in waits_for), default=-1)
        todo.pop()


def _middle_of(neighbours: list[int], heights: dict[int, int], own: int) -> float:
    rows = [heights[other] for other in neighbours]
    return sum(rows) / len(rows) if rows else own


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
    graph: Subgraph, places: dict[int, tuple[int, int]], worst: set[int], waited: dict[int, list[int]]
) -> list[Edge]:
    held = set(worst)
    for task_id in worst:
        held |= _reached(task_id, waited)
    edges = []
    for task_id, others in graph.waits_for.items():
        x, y = places[task_id]
        for other in others:
            from_x, from_y = places[other][0] + WIDTH, places[other][1] + HEIGHT // 2
            bend = max(24, (x - from_x) // 2)
            path = f"M{from_x} {from_y}C{from_x + bend} {from_y} {x - bend} {y + HEIGHT // 2} {x} {y + HEIGHT // 2}"
            is_blocker = other in graph.tasks[task_id].blocked_on
            edges.append(Edge(path=path, is_blocker=is_blocker, on_worst=other in held and task_id in held))
    return edges
