"""What `check` tries, one part of the world each.

    findings.py     what was found: ok, warn, fail, skip
    cluster.py      Kafka: reachable, topics, rights, group, limits
    registry.py     the source of schemas
    endpoint.py     Airship: reachable, token accepted, clocks

Each part asks under a deadline and gives findings; none of them raises for what the world does.
"""
