"""One PostgreSQL: the Trio driver, sessions, pools, the clock, migrations and checks of a database."""
