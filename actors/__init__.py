"""One Trio actor per project: it decides in memory, commits in groups, and answers only what is durable."""

from actors.directory import Answer, Directory, utc_now
from actors.errors import ActorError, Busy, Crashed, Unavailable, WaitEnded
from actors.limits import Limits
from actors.mailbox import Stages
from actors.statistics import DirectoryStatistics

__all__ = [
    "ActorError",
    "Answer",
    "Busy",
    "Crashed",
    "Directory",
    "DirectoryStatistics",
    "Limits",
    "Stages",
    "Unavailable",
    "WaitEnded",
    "utc_now",
]
