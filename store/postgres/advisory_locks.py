"""The advisory locks this program takes in a database: the first of their two keys, so that none means two things."""

MIGRATIONS_LOCK = 0x6C6C6D00
"""Whoever migrates; the second key is 0."""

WRITER_LOCK = 0x6C6C6D01
"""Whoever writes to a project's ledger; the second key is the project's id, cut to 31 bits."""

PEERS_LOCK = 0x6C6C6D02
"""A running server; the second key is its random number. Held by its listening session, so it ends with that."""
