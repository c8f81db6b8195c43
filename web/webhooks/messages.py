"""What a webhook sends: one message about what is new, in the shape that its receiver reads, and signed.

The signature follows the Standard Webhooks specification 1.0.0 (https://www.standardwebhooks.com): HMAC-SHA256 over id,
time and body. Pure functions. Texts are other people's; each shape escapes what it gives a meaning to.
"""

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

import msgspec
from msgspec import Struct

from store.ledger.webhooks import Shape, Target
from web.webhooks.things import Kind, Thing

LINES_MAX = 20
"""Things named in one message of a webhook; the others are counted."""

TITLE_LENGTH_MAX = 300

_WORDS: dict[Kind, str] = {
    "post": "Post to you",
    "overdue": "Overdue handoff",
    "blocked": "Blocked, but not by a task",
    "stale": "Stale task",
    "conflict": "Lease conflict",
}

_SLACK_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Message(Struct, frozen=True, kw_only=True):
    """A body, and the headers that go with it."""

    body: bytes
    headers: dict[str, str]


class _Project(Struct, frozen=True, kw_only=True):
    slug: str
    name: str
    url: str


class _Item(Struct, frozen=True, kw_only=True):
    kind: Kind
    title: str
    url: str


class _NeedsYou(Struct, frozen=True, kw_only=True):
    """The body of the shape `json`; a test has no items."""

    type: str
    timestamp: datetime
    project: _Project
    items: list[_Item]
    more: int


def message_to(target: Target, news: Sequence[Thing], public_url: str, at: datetime) -> Message:
    """The message about this news; without any it is a test."""
    project = _Project(slug=target.slug, name=target.name, url=f"{public_url}/admin/projects/{target.id}")
    items = [
        _Item(kind=thing.kind, title=_short(thing.title), url=project.url + thing.path) for thing in news[:LINES_MAX]
    ]
    body, headers = _shaped(target.shape, project, items, len(news), at)
    return Message(body=body, headers={**headers, **signature(target.secret, _id_of(target, news, at), at, body)})


def signature(secret: str, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers by which the receiver knows who sent the body, and when."""
    timestamp = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def _shaped(
    shape: Shape, project: _Project, items: list[_Item], news: int, at: datetime
) -> tuple[bytes, dict[str, str]]:
    """The body about so many news, of which the `items` are named, and its headers."""
    head, more = _headline(news), news - len(items)
    lines = [f"{_WORDS[item.kind]}: {item.title}" for item in items] + ([f"and {more} more"] if more else [])
    match shape:
        case "json":
            kind = "needs_you" if items else "test"
            whole = _NeedsYou(type=kind, timestamp=at, project=project, items=items, more=more)
            return msgspec.json.encode(whole), {"Content-Type": "application/json"}
        case "slack":
            named = [f"• {_slack(_WORDS[item.kind])}: <{item.url}|{_slack(item.title)}>" for item in items]
            text = [f"*<{project.url}|{_slack(project.name)}>* {head}", *named, *lines[len(items) :]]
            return msgspec.json.encode({"text": "\n".join(text)}), {"Content-Type": "application/json"}
        case "ntfy":
            text = [project.name, *lines]
            headers = {"Content-Type": "text/plain; charset=utf-8", "Title": f"LLM Bus: {head}", "Click": project.url}
            return "\n".join(text).encode(), headers


def _headline(news: int) -> str:
    if not news:
        return "this is a test"
    return "1 thing needs you" if news == 1 else f"{news} things need you"


def _slack(text: str) -> str:
    return text.translate(_SLACK_ESCAPES).replace("|", "\N{FULLWIDTH VERTICAL LINE}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TITLE_LENGTH_MAX else f"{line[: TITLE_LENGTH_MAX - 1]}…"


def _id_of(target: Target, news: Sequence[Thing], at: datetime) -> str:
    """The id of a message: equal for the same news, so that a receiver recognizes a repeated message."""
    about = "\n".join((str(target.id), *(sorted(thing.key for thing in news) or (f"test {at.isoformat()}",))))
    return f"msg_{sha256(about.encode()).hexdigest()[:32]}"
