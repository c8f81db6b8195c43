"""How hypothesis runs here: the machine is shared, so how long an example takes says nothing about the code."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("shared machine")
