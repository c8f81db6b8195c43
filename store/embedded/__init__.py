"""A PostgreSQL of our own in a directory, for those who have none. Its programs come with the wheel.

`running` is what the rest of the program uses; `cluster` drives the server's files and processes, `account` knows
which account it runs as when we are root, `disk` how much room its files have, `programs` where the wheel's programs
are, and `upgrade` the way from one major version to the next.
"""
