"""Telling owners: looks at every project with a webhook from time to time, and sends what newly needs its owner.

The database is the queue: a webhook is due at a time, and the server that takes it has it alone for a minute. What was
sent is remembered there, so each thing is told once, whichever server looks. What could not be sent stays news: it is
sent together with what came later, after a pause that doubles. At most `AT_ONCE_MAX` are under way, and nobody waits
for them.
"""

from collections.abc import Sequence

import structlog
import trio
from msgspec import Struct

from actors import Busy, Crashed, Directory, Unavailable
from actors.retrying import doubled
from store import Store
from store.errors import StoreError, StoreUnavailable
from store.ledger import webhooks
from store.ledger.webhooks import Target
from web.errors import NotDelivered
from web.identity.owners import in_person
from web.needs import Needs, needs_of, prepare_needs
from web.webhooks.messages import message_to
from web.webhooks.sending import Sender
from web.webhooks.things import Thing, remembered, things_of

log = structlog.get_logger(__name__)

LOOK_SECONDS = 15.0
"""How often a project is looked at."""

AT_ONCE_MAX = 32
"""Webhooks that one server attends to at once; the others stay due."""

PATIENCE_SECONDS = 2.0
"""How long a project may take to answer a look."""

PAUSE_SECONDS_MAX = 3_600.0
"""The longest pause after tries of a webhook that failed."""

NAMED_MAX = 100
"""Things of one kind that a webhook tells of at once; those beyond are told when there is room."""


class WebhookStatistics(Struct, frozen=True):
    """Messages since the start, tests included."""

    sent: int
    failed: int


class Webhooks:
    """The webhooks of all projects. `run` tells; `test` sends a test."""

    def __init__(self, store: Store, directory: Directory, sender: Sender, *, public_url: str) -> None:
        self._store = store
        self._directory = directory
        self._sender = sender
        self._public_url = public_url
        self._busy = self._sent = self._failed = 0

    def statistics(self) -> WebhookStatistics:
        """What was sent so far."""
        return WebhookStatistics(self._sent, self._failed)

    async def run(self, look_seconds: float = LOOK_SECONDS) -> None:
        """Look and tell until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                try:
                    for target in await self._take():
                        self._busy += 1
                        nursery.start_soon(self._attend, target, look_seconds)
                except StoreUnavailable:
                    pass  # they stay due
                except StoreError:
                    log.exception("webhooks not looked at")
                await trio.sleep(look_seconds / 3)

    async def test(self, owner_id: int, project_id: int, *, by: str) -> bool | None:
        """Send a test to the webhook of the owner's project; whether it arrived, or None when there is none."""
        target = await self._store.write(webhooks.take_for_test, owner_id, project_id, by=by)
        if target is None:
            return None
        failure = await self._deliver(target, ())
        await self._store.write(webhooks.settle_test, target, failure=failure)
        return failure is None

    async def _take(self) -> list[Target]:
        room = AT_ONCE_MAX - self._busy
        return await self._store.write(webhooks.take_due, room) if room > 0 else []

    async def _attend(self, target: Target, look_seconds: float) -> None:
        try:
            await self._tell(target, look_seconds)
        except (StoreUnavailable, Crashed, Unavailable) as error:
            # Another server, or this one, looks again a minute after it was taken.
            _warn(target, error)
        except Exception as error:  # noqa: BLE001 - the supervisor of webhooks: one that fails must not end the server
            # Without its text and traceback, which could hold the address.
            log.error("webhook failed", project_id=target.id, problem=type(error).__name__)  # noqa: TRY400
        finally:
            self._busy -= 1

    async def _tell(self, target: Target, look_seconds: float) -> None:
        try:
            there = things_of(await self._look(target))
        except (Busy, trio.TooSlowError) as error:
            # The project is at work, which ends sooner than the minute that is left to a server that was killed.
            _warn(target, error)
            await self._store.write(webhooks.postpone, target, due_seconds=look_seconds)
            return
        news = [thing for thing in there if thing.key not in target.told]
        failures, failure, pause, sent = target.failures, target.failure, look_seconds, False
        if news:
            failure = await self._deliver(target, news)
            sent = failure is None
            failures = 0 if sent else failures + 1
            pause = doubled(look_seconds, failures, seconds_max=PAUSE_SECONDS_MAX)
        await self._store.write(
            webhooks.settle,
            target,
            told=remembered(target.told, there, self._store.clock.now(), all_told=sent),
            failures=failures,
            failure=failure,
            due_seconds=pause,
            sent=sent,
        )

    async def _look(self, target: Target) -> Needs:
        caller = in_person(target, target.handle)
        with trio.fail_after(PATIENCE_SECONDS):
            return await self._directory.look(
                target.id, lambda state, now: needs_of(state, now, caller, NAMED_MAX), prepare_needs
            )

    async def _deliver(self, target: Target, news: Sequence[Thing]) -> str | None:
        """Send a message; None when it arrived, otherwise what was wrong, in words for the owner."""
        try:
            await self._sender.send(target.url, message_to(target, news, self._public_url, self._store.clock.now()))
        except NotDelivered as refused:
            self._failed += 1
            log.info("webhook not delivered", project_id=target.id, reason=str(refused))
            return str(refused)
        self._sent += 1
        return None


def _warn(target: Target, error: Exception) -> None:
    log.warning("webhook not attended to", project_id=target.id, problem=type(error).__name__)
