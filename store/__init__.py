"""Everything kept in PostgreSQL: ledgers, people, and the sessions with the database itself."""

from store.embedded import embedded_postgres, keep_running
from store.ledger.notifier import Listener
from store.opening import Store, open_store
from store.postgres.migrate import migrate, pending

__all__ = ["Listener", "Store", "embedded_postgres", "keep_running", "migrate", "open_store", "pending"]
