"""How long is too long, on this machine as busy as it is now.

A bound that is right on an idle machine fails runs on a busy one, and a run that ends without a verdict proves nothing.
"""

import os


def patient(seconds: float) -> float:
    """So many seconds on an idle machine; as much longer as more processes want to run than there are cores."""
    waiting, _, _ = os.getloadavg()
    return seconds * max(1.0, waiting / (os.cpu_count() or 1))
