"""PostgreSQL: a native Trio driver, the journal, the accounts, migrations, and an embedded server."""

from store.ledger.notifier import Listener
from store.opening import Store, open_store
from store.postgres.embedded import embedded_postgres
from store.postgres.migrate import migrate, pending

__all__ = ["Listener", "Store", "embedded_postgres", "migrate", "open_store", "pending"]
