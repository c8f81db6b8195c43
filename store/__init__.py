"""PostgreSQL: a native Trio driver, the journal, the accounts, migrations, and an embedded server."""
