"""Access to PostgreSQL: ledgers, people, and the sessions with the database itself.

What it offers is loaded at its first use, so that a command which needs an error or a bound of it starts at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.embedded.running import embedded_postgres, keep_running
    from store.ledger.notifier import Listener
    from store.opening import Store, open_store
    from store.postgres.migrate import migrate, pending

__all__ = ["Listener", "Store", "embedded_postgres", "keep_running", "migrate", "open_store", "pending"]

_PLACES = {
    "Listener": "store.ledger.notifier",
    "Store": "store.opening",
    "embedded_postgres": "store.embedded.running",
    "keep_running": "store.embedded.running",
    "migrate": "store.postgres.migrate",
    "open_store": "store.opening",
    "pending": "store.postgres.migrate",
}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
