"""What can go wrong between this package and PostgreSQL.

    StoreError
    ├── InvalidName          the caller's fault: something typed that cannot be; the sentence says why
    │   ├── NoSuchName       the caller's fault: nothing has that name; the sentence may say which does
    │   └── NameTaken        the caller's fault or bad luck: somebody has that name already
    ├── RightLost            the caller's fault: their right was taken away before their change was made
    ├── QuotaReached         the caller's fault: their owner has as much as one may have; the sentence says of what
    ├── StoreUnavailable     the environment: the database cannot be reached in time, or refused; nothing was written
    │   ├── LockTimeout      a lock was not had within the time that was given for it; nothing was written
    │   ├── StatementTimeout the statement took too long; nothing was written
    │   ├── ClockUnsteady    PostgreSQL's clock jumped; nothing is decided until it is steady
    │   └── ConnectionLost   the connection went while a statement ran: it happened or it did not
    ├── SchemaTooNew         the environment: a newer version of this program migrated the database
    ├── MigrationForbidden   the environment: the database's user may not create tables; the sentence says what to do
    ├── MigrationBlocked     the environment: another process holds the migrations' lock for too long
    ├── EncodingUnfit        the environment: the database cannot hold every text; the sentence says what to do
    ├── PoolerUnfit          the environment: a pooler in between shares sessions; the sentence says what to do
    ├── EmbeddedUnavailable  the environment: the embedded PostgreSQL is not installed or does not start
    ├── TransferRefused      the caller's fault: what cannot be exported or imported; the sentence says why
    ├── UniqueTaken          a row with this key exists; callers in this package turn it into an outcome
    └── StatementFailed      ours: PostgreSQL refused a statement that it should have understood

psycopg's exceptions end at `store.postgres.connection`. A journal's callers see `engine.errors.JournalError` instead.
"""


class StoreError(Exception):
    """The root of this package's exceptions."""


class InvalidName(StoreError):
    """Something typed, mostly a name, that cannot be what it is meant for; the sentence says why.

    `field` is the argument that is wrong, where one is.
    """

    def __init__(self, sentence: str, *, field: str | None = None) -> None:
        super().__init__(sentence)
        self.field = field


class NoSuchName(InvalidName):
    """Nothing has that name, or several things have."""


class NameTaken(InvalidName):
    """Somebody has that name already."""


class RightLost(StoreError):
    """A lead's right was taken away before the change was made; nothing was written."""


class QuotaReached(StoreError):
    """An owner would have more than one may have; nothing was written. The sentence says of what."""


class StoreUnavailable(StoreError):
    """The database cannot be reached in time, or refused for now; nothing was written."""


class LockTimeout(StoreUnavailable):
    """A lock was not had within the time that was given for it; nothing was written."""


class StatementTimeout(StoreUnavailable):
    """PostgreSQL gave the statement up because it took too long; nothing was written."""


class ClockUnsteady(StoreUnavailable):
    """PostgreSQL's clock jumped; nothing is decided until it is steady. The sentence says by how much."""


class ConnectionLost(StoreUnavailable):
    """The connection went while a statement ran: it happened or it did not."""


class SchemaTooNew(StoreError):
    """A newer version of this program migrated the database."""


class MigrationForbidden(StoreError):
    """Migrations are to be applied, and the database's user may not create tables; the sentence says what to do."""


class MigrationBlocked(StoreError):
    """Another process holds the migrations' lock for too long; the sentence names it."""


class EncodingUnfit(StoreError):
    """The database has an encoding that cannot hold every text; the sentence says what to do."""


class PoolerUnfit(StoreError):
    """A pooler between us and PostgreSQL does not leave us sessions of our own; the sentence says what to do."""


class EmbeddedUnavailable(StoreError):
    """The embedded PostgreSQL is not installed or does not start; the sentence says what to do."""


class TransferRefused(StoreError):
    """Something cannot be exported or imported; the sentence says why. Nothing was changed."""


class UniqueTaken(StoreError):
    """A row with this key exists; nothing was written."""


class StatementFailed(StoreError):
    """PostgreSQL refused a statement that it should have understood; nothing was written."""
