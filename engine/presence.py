"""Who is here, and in which lane: registration is an event, liveness is not."""

from datetime import timedelta

from engine.commands import Register, WhoIsActive
from engine.decision import Context, Decision
from engine.events import Event, Registered
from engine.posts import deliver_lane
from engine.replies import Active, ActiveRow, RegisteredLane
from engine.state import Presence, State

UNSET_LANE = "(unset)"
"""The lane of somebody who has not registered."""


def register(command: Register, context: Context) -> Decision:
    """Work in a lane from now on."""
    reply = RegisteredLane(
        actor=context.caller.actor, lane=command.lane, status=command.status, registered_at=context.now
    )
    return Decision(reply=reply, events=(Registered(lane=command.lane, status=command.status),))


def who_is_active(state: State, command: WhoIsActive, context: Context) -> Decision:
    """Who called within the window, latest first."""
    window = timedelta(seconds=command.within_seconds or context.caller.liveness_window_seconds)
    rows = []
    for reader, seen in state.seen.items():
        presence = state.presence.get(reader)
        lane = UNSET_LANE if presence is None else presence.lane
        if context.now - seen.at <= window and command.lane in {None, lane}:
            status = None if presence is None else presence.status
            rows.append(ActiveRow(actor=seen.actor, lane=lane, status=status, last_seen=seen.at))
    rows.sort(key=lambda row: row.actor)
    rows.sort(key=lambda row: row.last_seen, reverse=True)
    return Decision(reply=Active(active=rows))


def apply_registered(state: State, event: Event, data: Registered) -> None:
    """Take the lane, and what waits there unanswered."""
    state.presence[event.by] = Presence(lane=data.lane, status=data.status)
    deliver_lane(state, event.by, data.lane)
