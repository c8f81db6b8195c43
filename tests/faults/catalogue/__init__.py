"""Everything that is done to a world under load, one function a fault.

A fault strikes and then repairs what it broke; when it returns, the world is whole again and must soon be usable.
Moments are drawn by chance, from the run's seed.
"""

from tests.faults.catalogue import failover, network, postgres, servers
from tests.faults.catalogue.fault import FAULTS, Fault, named

__all__ = ["FAULTS", "Fault", "failover", "named", "network", "postgres", "servers"]
