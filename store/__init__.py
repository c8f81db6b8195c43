"""PostgreSQL: a native Trio driver, the journal, the accounts, migrations, and an embedded server."""

from store.bulletin import Listener
from store.embedded import embedded_postgres
from store.migrate import migrate, pending
from store.opening import Store, open_store

__all__ = ["Listener", "Store", "embedded_postgres", "migrate", "open_store", "pending"]
