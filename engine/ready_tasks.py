"""Tasks of a reader that can go on because of what others did: they end the wait of an idle agent, as posts do.

A task becomes ready for its owner when others give it to them, when the last of its dependencies finishes, or when its
last blocker goes. Tasks without an owner are for `task_start`, which waits for them itself.
"""

from itertools import islice

from msgspec import Struct

from engine.task_graph import TaskBook
from engine.tasks import owned_by_topic, topic_of
from engine.terms import TaskStatus
from engine.vocabulary import Topic

OWNED_MAX = 200
"""Tasks of one reader that are looked at, the most urgent ones."""

TOPICS_MAX = 500
"""Topics that one wait names for them."""


class ReadyTask(Struct, frozen=True, kw_only=True):
    """A task of the caller's that can go on."""

    task_id: int
    title: str
    status: TaskStatus


def ready_after(book: TaskBook, reader: int, after: int) -> list[ReadyTask]:
    """The reader's tasks that became ready after event `after`, the most urgent first."""
    return [
        ReadyTask(task_id=task.id, title=task.title, status=task.status)
        for task in book.owned_by(reader, OWNED_MAX)
        if task.ready_since > after and task.status != "blocked" and not book.is_held_up(task.id)
    ]


def topics(book: TaskBook, reader: int) -> tuple[Topic, ...]:
    """The topics of events that could make one of the reader's tasks ready."""
    own = book.owned_by(reader, OWNED_MAX)
    others = [task_id for task in own if book.is_held_up(task.id) for task_id in task.depends_on if task_id in book]
    named = (topic_of(task_id) for task_id in dict.fromkeys([*(task.id for task in own), *others]))
    return (owned_by_topic(reader), *islice(named, TOPICS_MAX))
