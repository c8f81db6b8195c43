"""What a server sets up for itself before it accepts connections."""

import gc

from web.cli import servers


def test_full_collections_come_rarely_and_pass_over_the_programme() -> None:
    thresholds, frozen = gc.get_threshold(), gc.get_freeze_count()
    try:
        servers.make_collections_rare()
        assert gc.get_threshold() == (*thresholds[:2], servers.YOUNG_COLLECTIONS_BETWEEN_FULL)
        assert gc.get_freeze_count() > frozen
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
