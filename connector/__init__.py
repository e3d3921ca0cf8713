"""airship-connector: carries events from Kafka to Airship's Custom Events endpoint and loses none."""

__version__ = "0.1.0"
