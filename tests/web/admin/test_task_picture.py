"""The picture of tasks: everything right of what it waits for, and no line behind a task."""

import re
from datetime import UTC, datetime
from random import Random

import pytest

from engine.task_graph import Task
from web.admin.task_picture import GAP_X, HEIGHT, Subgraph, drawn


def graph(**waits_for: list[int]) -> Subgraph:
    """Tasks by `t` and their number, with those that each waits for."""
    ids = {int(name[1:]): others for name, others in waits_for.items()}
    return Subgraph(tasks={task_id: task(task_id, others) for task_id, others in ids.items()}, waits_for=ids)


def task(task_id: int, depends_on: list[int]) -> Task:
    return Task(
        id=task_id,
        title=f"task {task_id}",
        lane=None,
        owner=None,
        owner_id=None,
        made_by=1,
        priority=2,
        status="open",
        changed=1,
        moved_at=datetime.now(UTC),
        depends_on=tuple(depends_on),
    )


def walked(path: str) -> tuple[list[int], list[tuple[int, int]]]:
    """How wide each curve of a line is, and at which left edge and height it runs straight on through a column."""
    widths, passes, (x, y) = [], [], (0, 0)
    for command, numbers in re.findall(r"([MCH])([\d ]+)", path):
        *_, left, height = [0, *map(int, numbers.split())] if command != "H" else [int(numbers), y]
        if command == "C":
            widths.append(left - x)
        if command == "H":
            passes.append((x, y))
        x, y = left, height
    return widths, passes


def test_a_line_that_passes_a_column_has_room_between_its_tasks() -> None:
    picture = drawn(graph(t1=[], t2=[1], t3=[1, 2], t4=[1, 3], t5=[], t6=[5, 4]))
    columns = sorted({node.x for node in picture.nodes})
    assert [sorted(node.task.id for node in picture.nodes if node.x == x) for x in columns] == [
        [1, 5],
        [2],
        [3],
        [4],
        [6],
    ]
    assert {edge.path.count("H") for edge in picture.edges} == {0, 1, 2, 3}
    assert [edge.on_worst for edge in picture.edges] == sorted(edge.on_worst for edge in picture.edges)


@pytest.mark.parametrize("seed", range(20))
def test_no_line_runs_behind_a_task(seed: int) -> None:
    random = Random(seed)
    names = range(1, random.randint(2, 60))
    waits_for = {
        f"t{each}": random.sample(range(1, each), min(each - 1, random.choice((0, 1, 1, 2, 5)))) for each in names
    }
    picture = drawn(graph(**waits_for))
    assert sorted(node.task.id for node in picture.nodes) == list(names)
    for edge in picture.edges:
        widths, passes = walked(edge.path)
        assert set(widths) == {GAP_X}
        for x, y in passes:
            assert not [node.task.id for node in picture.nodes if node.x == x and node.y <= y <= node.y + HEIGHT]
    assert all(0 <= node.y <= picture.height - HEIGHT for node in picture.nodes)


def test_nothing_to_draw_is_an_empty_picture() -> None:
    assert (drawn(graph()).width, drawn(graph()).height) == (0, 0)
