"""Numbered SQL migrations, applied in order of their names by `store.postgres.migrate`."""
