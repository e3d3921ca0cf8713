"""From a file, the environment and secrets to `Settings`, or to every fault in them.

catalogue.py        every setting: kind, what is expected, default, meaning
yaml_tree.py        YAML as plain values with their lines
sources.py          file, secrets, environment: values and where each came from
faults.py           pydantic's errors in a user's words
checks.py           what several settings together can get wrong
topic_patterns.py   patterns that mean the same to Python, librdkafka and the broker
load.py             all of it in order
describe.py         the JSON Schema and docs/settings.md
"""

from connector.configuration.load import load

__all__ = ["load"]
