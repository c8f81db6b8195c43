"""A project's mailbox: commands that wait to be decided, taken in turn by caller.

A caller's commands keep their order. Among callers one command each is taken in turn, so that a caller with many calls
slows down its own. What is done with the commands is the business of `actors.project`.
"""

from collections import deque

import trio
from msgspec import Struct, field

from actors.errors import ActorError, Busy
from actors.limits import Limits
from actors.looking import Look
from engine.decision import Outcome
from engine.identity import Addressee, Principal
from engine.lookups import ClaimFact
from engine.project import AnyCommand


class Settled(Struct, frozen=True):
    """The result of a command, once durable: the outcome, the caller's unread posts, and the ledger's end then."""

    outcome: Outcome
    unread: int
    seq: int


class Stages(Struct):
    """When a command was accepted, taken into a batch, decided and answered, in Trio's time.

    Decided again after a failure, it has the times of the last try. `wrote`: its batch was committed in between.
    """

    accepted: float = 0.0
    taken: float = 0.0
    decided: float = 0.0
    answered: float = 0.0
    wrote: bool = False


class Request(Struct, eq=False):
    """One call of one caller, and what became of it.

    `addressee`, `cursor` (where the caller's `whats_new` goes on) and `claim` are there if the command needs them.
    `since`: the ledger's last event when a call that waits was first decided. `patient`: the caller can wait.
    `waiter` is the task that waits for the result; there is one at most.
    """

    caller: Principal
    command: AnyCommand | Look
    addressee: Addressee | None = None
    cursor: int | None = None
    claim: ClaimFact | None = None
    since: int | None = None
    patient: bool = False
    stages: Stages = field(default_factory=Stages)
    result: Settled | ActorError | None = None
    waiter: trio.lowlevel.Task | None = None

    def settle(self, result: Settled | ActorError) -> None:
        """Let the caller go on with this."""
        self.result = result
        if self.waiter is not None:
            trio.lowlevel.reschedule(self.waiter)
            self.waiter = None

    async def done(self) -> None:
        """Wait until there is a result."""
        if self.result is None:
            self.waiter = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._leave)

    async def settled(self) -> Settled:
        """Wait for the result. Raises it when it is an error."""
        await self.done()
        if isinstance(self.result, Settled):
            return self.result
        assert self.result is not None  # noqa: S101 - it is done
        raise self.result

    def _leave(self, _: object) -> trio.lowlevel.Abort:
        self.waiter = None
        return trio.lowlevel.Abort.SUCCEEDED


def refuse_all(requests: list[Request], error: ActorError) -> None:
    """Let all their callers go on with this error."""
    for request in requests:
        request.settle(error)


class Mailbox:
    """Requests by caller, bounded in all and for each caller."""

    def __init__(self, limits: Limits) -> None:
        self._size_max = limits.mailbox_size_max
        self._share_max = limits.mailbox_share_max
        self._waiting: dict[int, deque[Request]] = {}
        self._size = 0
        self._prodded = False
        self._closed = False
        self._held = False
        self._arrived = trio.Event()

    def __len__(self) -> int:
        return self._size

    def put(self, request: Request) -> None:
        """Accept a request. Raises `Busy` when the mailbox or the caller's share of it is full."""
        queue = self._waiting.get(request.caller.id)
        if self._size >= self._size_max:
            raise Busy("too many calls at once for this project; try again in a moment.")
        if queue is not None and len(queue) >= self._share_max:
            raise Busy("too many of your calls wait already; try again in a moment.")
        if queue is None:
            queue = self._waiting[request.caller.id] = deque()
        queue.append(request)
        self._size += 1
        self._wake()

    def put_back(self, requests: list[Request]) -> None:
        """Return what was taken and not decided: it is the next to be taken, in the same order."""
        waiting: dict[int, deque[Request]] = {}
        for request in requests:
            waiting.setdefault(request.caller.id, deque()).append(request)
        for caller, queue in self._waiting.items():
            waiting.setdefault(caller, deque()).extend(queue)
        self._waiting = waiting
        self._size += len(requests)

    def prod(self) -> None:
        """Wake the actor without a request."""
        self._prodded = True
        self._wake()

    def hold(self) -> None:
        """Do not wake the actor until `release`: its commands are served in a round."""
        self._held = True

    def release(self) -> None:
        """Wake the actor again, also for what has come meanwhile."""
        self._held = False
        if self.wakes:
            self._wake()

    @property
    def wakes(self) -> bool:
        """Whether there is something to wake the actor for."""
        return bool(self._size) or self._prodded or self._closed

    def close(self) -> None:
        """Wake the actor for good; what was accepted can still be taken."""
        self._closed = True
        self._wake()

    async def arrived(self) -> None:
        """Wait until there is a request, or a prod, or the mailbox is closed, and it is not held."""
        while self._held or not self.wakes:
            self._arrived = trio.Event()
            await self._arrived.wait()
        self._prodded = False

    def _wake(self) -> None:
        if not self._held:
            self._arrived.set()

    def take(self, count: int) -> list[Request]:
        """The next requests, at most `count`: one of each caller in turn."""
        taken: list[Request] = []
        while self._size and len(taken) < count:
            caller = next(iter(self._waiting))
            queue = self._waiting.pop(caller)
            taken.append(queue.popleft())
            if queue:
                self._waiting[caller] = queue
            self._size -= 1
        return taken

    def take_older(self, accepted_until: float) -> list[Request]:
        """All requests that were accepted until then."""
        taken: list[Request] = []
        for caller, queue in list(self._waiting.items()):
            while queue and queue[0].stages.accepted <= accepted_until:
                taken.append(queue.popleft())
            if not queue:
                del self._waiting[caller]
        self._size -= len(taken)
        return taken
