"""How values read on pages: times, spans, counts, and what is said after a change.

Pure functions, registered as filters of the templates by `register`. Nothing here makes HTML: templates escape whatever
these return. Times are UTC and say so.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import Struct
from quart import Blueprint, request

DAY = 86_400
UNITS = ((DAY, "d"), (3600, "h"), (60, "min"), (1, "s"))

JUST_NOW_SECONDS = 10
DATED_FROM_DAYS = 30
"""From this age on a date says more than a number of days."""

BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
"""Marks in user agents, the telling ones first: Edge also says Chrome, Chrome also says Safari, Android also Linux."""

NOTICES = {
    "project-saved": "The project's settings are saved.",
    "archived": "The project is archived; its tokens are refused.",
    "unarchived": "The project is no longer archived; its tokens work again.",
    "project-deleted": "The project and its ledger are deleted.",
    "webhook-tested": "The test arrived.",
    "webhook-failed": "The test did not arrive.",
    "webhook-removed": "The webhook is removed; nothing is sent any more.",
    "participant-saved": "The participant is saved.",
    "participant-deleted": "The participant is deleted; the ledgers keep the name.",
    "released": "The lease has ended, and its holder got a post that says so.",
    "released-untold": "The lease has ended. Its holder could not be told by a post.",
    "claimed": "The number is yours.",
    "seeded": "The sequence is changed.",
    "voided": "The number is void; it is never given again.",
    "posted": "Your handoff is sent.",
    "acknowledged": "You acknowledged the post.",
    "revoked": "None of the participant's tokens in this project works any more.",
    "several-revoked": "None of their tokens in this project works any more.",
    "nobody-chosen": "Select at least one member who has a token. Nothing was changed.",
    "token-revoked": "The token does not work any more.",
    "lead": "The participant is a lead now.",
    "no-lead": "The participant is no longer a lead.",
    "lane": "The participant's lane is changed.",
    "task-made": "The task is created.",
    "task-assign": "The task is assigned.",
    "task-start": "You have started the task.",
    "task-block": "The task is blocked.",
    "task-unblock": "The blockers are removed.",
    "task-ship": "The task is done.",
    "task-cancel": "The task is cancelled.",
    "invite-revoked": "Nobody can join with that invite any more.",
}
"""What a page says first after a change led to it with `?done=`; an address can ask for no other words."""


def register(pages: Blueprint) -> None:
    """Give every template of the application these filters, and `notice`: what to say first, or None."""
    for function in (size, ago, left, exact, iso, count, span, sentence, browser, json, bars):
        pages.add_app_template_filter(function)

    @pages.app_context_processor
    def _() -> dict[str, object]:
        return {"notice": NOTICES.get(request.args.get("done", ""))}


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, or in how long: `3 min ago`, `in 2 h`; the date once that says more."""
    seconds = round((now - moment).total_seconds())
    if abs(seconds) >= DATED_FROM_DAYS * DAY:
        return f"{moment.astimezone(UTC):%-d %b %Y}"
    if abs(seconds) < JUST_NOW_SECONDS:
        return "just now"
    distance = _in_units(abs(seconds))[0]
    return f"{distance} ago" if seconds > 0 else f"in {distance}"


def left(moment: datetime, now: datetime) -> str:
    """How much time there is until then: `25 min left`, `ended`."""
    seconds = round((moment - now).total_seconds())
    return f"{_in_units(seconds)[0]} left" if seconds > 0 else "ended"


def exact(moment: datetime) -> str:
    """The moment to the second: `31 January 2026, 12:00:00 UTC`."""
    return f"{moment.astimezone(UTC):%-d %B %Y, %H:%M:%S} UTC"


def iso(moment: datetime) -> str:
    """The moment for machines, as everywhere on the wire."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def count(number: int) -> str:
    """A number for people: `1,000,000`."""
    return f"{number:,}"


def size(number: int) -> str:
    """A number of bytes for people: `1.5 GiB`."""
    amount = float(number)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:,.1f} GiB"


def span(seconds: int) -> str:
    """A span of time in at most two units: `15 min`, `1 h 30 min`."""
    return " ".join(filter(None, _in_units(seconds)[:2])) or "0 s"


def sentence(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def browser(user_agent: str) -> str:
    """Which browser on which system says so of itself, in two words; what is not known is told as it is."""
    name = next((name for mark, name in BROWSERS if mark in user_agent), None)
    system = next((system for mark, system in SYSTEMS if mark in user_agent), None)
    return f"{name} on {system}" if name and system else user_agent


def json(value: object) -> str:
    """The value as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


class Bar(Struct, frozen=True, kw_only=True):
    """One bar of a small picture, in its pixels."""

    x: float
    y: float
    width: float
    height: float


def bars(values: Sequence[int], width: int, height: int) -> list[Bar]:
    """The values as bars side by side, the highest as high as the picture; one of nothing is a line."""
    step, highest = width / max(1, len(values)), max([*values, 1])
    tall = [max(1.0, round(value / highest * height, 1)) if value else 1.0 for value in values]
    return [
        Bar(x=round(index * step, 1), y=height - each, width=round(step - 1, 1), height=each)
        for index, each in enumerate(tall)
    ]


def _in_units(seconds: int) -> list[str]:
    """From the largest unit that fits down to the second, with an empty text for a unit of which there are none."""
    parts: list[str] = []
    for size, unit in UNITS:
        number, seconds = divmod(seconds, size)
        if number or parts:
            parts.append(f"{number} {unit}" if number else "")
    return parts
