"""Names that people type: emails, handles, slugs, labels and the like, and the rules for each.

Pure functions over text; whether a name is taken is the database's to say.
"""

import re
from collections.abc import Iterator
from itertools import count
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine import names
from engine.presence import UNSET_LANE
from store.errors import InvalidName

HANDLE_LENGTH_MIN = 2
HANDLE_LENGTH_MAX = 32
REF_URL_LENGTH_MAX = 300
_WEB_ADDRESS = re.compile(r"https?://[^\s/\\{}]+(?:[/?#][^\s\\]*)?", re.ASCII)

WEBHOOK_URL_LENGTH_MAX = 500
_WEBHOOK_URL = re.compile(
    r"https?://(?:[0-9a-z.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?(?:[/?][!$-\[\]-~]*)?", re.ASCII | re.IGNORECASE
)
"""No credentials and no fragment; a host in another script has a spelling in ASCII (RFC 3492)."""

LABEL_LENGTH_MAX = 64
EMAIL_LENGTH_MAX = 254
"""RFC 5321 §4.5.3.1.3, less the two angle brackets."""

PROJECT_NAME_LENGTH_MAX = 100
LANE_LENGTH_MAX = 64
LIVENESS_WINDOW_SECONDS_MAX = 86_400
STALE_AFTER_SECONDS_MIN = 60
STALE_AFTER_SECONDS_MAX = 604_800

HANDLE_OF_NOBODY = "owner"
"""For an email whose local part has no letter or digit that a handle could have."""

LABEL_OF_NOBODY = "guest"
"""For an email whose local part has no character that a label could have."""

TEMPORARY_DOMAIN = "llm-bus.invalid"
"""The domain in the email of an owner that this program makes for itself and removes again (RFC 2606 §2)."""

_SPEAKERS = frozenset({"me", "myself", "self"})
"""Words that mean another one for each who says them."""

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_HANDLE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])")
_PLACEHOLDER = re.compile(r"<.*>|[\[{($%]*your[\s_-]*(?:[^\W_]+[\s_-]+)*name[\]})%]*", re.IGNORECASE)
"""No two parts of it match the same text, so the time that it takes grows no faster than what strangers send."""

_NOT_IN_A_HANDLE = re.compile(r"[^a-z0-9]+")


def checked_email(email: str) -> str:
    """The email without spaces around it; raises `InvalidName` when it cannot be one."""
    email = email.strip()
    local, _, domain = email.partition("@")
    if (
        not (local and domain)
        or "@" in domain
        or len(email) > EMAIL_LENGTH_MAX
        or " " in email
        or not email.isprintable()
    ):
        raise InvalidName(f"'{email}' is not an email address.", field="email")
    return email


def checked_label(label: str) -> str:
    """The label of a new participant in its one spelling; raises `InvalidName` when it cannot be one.

    Whether it looks like another's is the database's to say.
    """
    label = kept_label(_checked(label, "a participant's name", "label", LABEL_LENGTH_MAX))
    if "\\" in label or not label.strip("."):
        raise InvalidName(f"'{label}' looks like a path: choose a name without '\\' and not of dots.", field="label")
    if not names.likeness(label):
        raise InvalidName(f"'{label}' is only the mark of a mention: add a name.", field="label")
    if names.likeness(label) in _SPEAKERS:
        raise InvalidName(f"'{label}' means the speaker: choose a name that others can use.", field="label")
    if names.mixes_scripts(label):
        raise InvalidName(
            f"'{label}' mixes letters of several scripts, some of which look the same: use one script.", field="label"
        )
    return label


def kept_label(label: str) -> str:
    """A label that somebody has already, under the rules of that time; raises `InvalidName` when it cannot be kept."""
    label = label.strip()
    if not 1 <= len(label) <= LABEL_LENGTH_MAX or "/" in label or not label.isprintable():
        raise InvalidName(
            f"a participant's name has 1 to {LABEL_LENGTH_MAX} printable characters and no '/'.", field="label"
        )
    return label


def is_placeholder(name: str) -> bool:
    """Whether a name is none: blank, or what stood where one was to be filled in, such as `<YOUR_NAME>`."""
    name = name.strip()
    return not name or (len(name) <= LABEL_LENGTH_MAX and _PLACEHOLDER.fullmatch(name) is not None)


def checked_slug(slug: str) -> str:
    """The project's slug; raises `InvalidName` when it cannot be one."""
    if not _SLUG.fullmatch(slug):
        raise InvalidName(
            f"'{slug}' cannot be a project: use 1 to 64 lower-case letters, digits, '.', '_' and '-', "
            "beginning and ending with a letter or digit.",
            field="slug",
        )
    return slug


def checked_handle(handle: str) -> str:
    """The handle in lower case; raises `InvalidName` when it cannot be one."""
    handle = handle.strip().lower()
    if not _HANDLE.fullmatch(handle):
        raise InvalidName(
            f"a handle has {HANDLE_LENGTH_MIN} to {HANDLE_LENGTH_MAX} letters, digits and '-', "
            "beginning and ending with a letter or digit.",
            field="handle",
        )
    return handle


def checked_project_name(name: str) -> str:
    """A project's display name in its one spelling; raises `InvalidName` when it cannot be one."""
    return _checked(name, "a project's name", "name", PROJECT_NAME_LENGTH_MAX)


def checked_lane(lane: str | None) -> str | None:
    """A lane in its one spelling, None when nothing is left of it; raises `InvalidName` when it cannot be one."""
    if lane is None or not lane.strip():
        return None
    lane = _checked(lane, "a lane", "lane", LANE_LENGTH_MAX)
    if lane == UNSET_LANE:
        raise InvalidName(f"'{UNSET_LANE}' stands for having no lane: leave it out.", field="lane")
    return lane


def checked_liveness_window(seconds: int) -> int:
    """How long somebody counts as active after a call; raises `InvalidName` when that is no sensible time."""
    if not 1 <= seconds <= LIVENESS_WINDOW_SECONDS_MAX:
        raise InvalidName(
            f"the liveness window is 1 to {LIVENESS_WINDOW_SECONDS_MAX} seconds.", field="liveness_window_seconds"
        )
    return seconds


def checked_stale_after(seconds: int) -> int:
    """How long an owner of a task in progress may be unseen; raises `InvalidName` when that is no sensible time."""
    if not STALE_AFTER_SECONDS_MIN <= seconds <= STALE_AFTER_SECONDS_MAX:
        raise InvalidName(
            f"a task is stale after {STALE_AFTER_SECONDS_MIN} to {STALE_AFTER_SECONDS_MAX} seconds.",
            field="stale_after_seconds",
        )
    return seconds


def checked_ref_url(pattern: str) -> str | None:
    """The address to which a ref leads, None for none; raises `InvalidName` when it cannot be one."""
    pattern = pattern.strip()
    if not pattern:
        return None
    if len(pattern) > REF_URL_LENGTH_MAX or "{ref}" not in pattern or not _WEB_ADDRESS.fullmatch(pattern):
        raise InvalidName(
            "a pattern is an http(s) address with {ref} where the ref goes, such as "
            "https://github.com/acme/shop/pull/{ref}.",
            field="ref_url",
        )
    return pattern


def checked_webhook_url(url: str) -> str:
    """The address that something is sent to; raises `InvalidName` when it cannot be one."""
    url = url.strip()
    try:
        proper = len(url) <= WEBHOOK_URL_LENGTH_MAX and _WEBHOOK_URL.fullmatch(url) and urlsplit(url).port != 0
    except ValueError:  # a port above 65,535, or an IPv6 address that is none
        proper = False
    if not proper or not url.startswith(("https://", "http://")):
        raise InvalidName(
            "an address is like https://hooks.example.com/llm-bus, without name and password.", field="url"
        )
    return url


def checked_time_zone(name: str) -> str:
    """The name of a time zone; raises `InvalidName` when this machine knows none of that name."""
    try:
        return ZoneInfo(name.strip()).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidName("a time zone has a name such as Europe/Berlin or UTC.", field="time_zone") from error


def handles_for(email: str) -> Iterator[str]:
    """The handles to try for an email's owner, best first, without end: `ann`, `ann-2`, `ann-3`.

    A single character is too short for a handle and is numbered from the first: `a-1`, `a-2`.
    """
    local = email.rpartition("@")[0].lower()
    base = _NOT_IN_A_HANDLE.sub("-", local)[:HANDLE_LENGTH_MAX].strip("-") or HANDLE_OF_NOBODY
    yield base if len(base) >= HANDLE_LENGTH_MIN else f"{base}-1"
    yield from _numbered(base, HANDLE_LENGTH_MAX)


def labels_for(email: str) -> Iterator[str]:
    """The labels to try for a participant who is known by an email, best first, without end: `ann`, `ann-2`."""
    local = email.rpartition("@")[0]
    try:
        base = checked_label(local.replace("/", "")[:LABEL_LENGTH_MAX])
    except InvalidName:
        base = LABEL_OF_NOBODY
    yield base
    yield from _numbered(base, LABEL_LENGTH_MAX)


def _checked(name: str, what: str, field: str, length_max: int) -> str:
    name = names.tidied(name)
    if not 1 <= len(name) <= length_max:
        raise InvalidName(f"{what} has 1 to {length_max} characters.", field=field)
    if (character := names.unseen(name)) is not None:
        raise InvalidName(f"{what} contains {character}, which a reader cannot see: leave it out.", field=field)
    if names.says_nothing(name):
        raise InvalidName(f"{what} is a name, not the word {name}.", field=field)
    return name


def _numbered(base: str, length_max: int) -> Iterator[str]:
    for number in count(2):
        suffix = f"-{number}"
        yield base[: length_max - len(suffix)].rstrip("-") + suffix
