"""What a server sets up for itself before it accepts connections."""

import gc

from web.cli import servers


def test_collections_come_rarely_and_full_ones_pass_over_the_programme() -> None:
    thresholds, frozen = gc.get_threshold(), gc.get_freeze_count()
    try:
        servers.make_collections_rare()
        assert gc.get_threshold() == (servers.YOUNG_OBJECTS_MAX, *thresholds[1:])
        assert gc.get_freeze_count() > frozen
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
