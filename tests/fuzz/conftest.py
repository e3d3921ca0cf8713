"""`--hypothesis-profile deep` searches for hours where the ordinary run takes seconds."""

from hypothesis import HealthCheck, settings

settings.register_profile("deep", max_examples=50_000, deadline=None, suppress_health_check=list(HealthCheck))
