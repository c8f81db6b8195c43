"""One PostgreSQL: the Trio driver, sessions, pools, migrations, the embedded server and how a database is doing."""
