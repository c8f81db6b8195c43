"""Moving in from the TypeScript server: its tables become accounts and ledgers. `moving` is the way in."""

from store.legacy.moving import Carried, import_legacy

__all__ = ["Carried", "import_legacy"]
