"""Bytes to plain values: wire framing, JSON, Avro, and the schemas that it takes.

    decoder.py       one record of a route to values (`Decoder`)
    framing.py       which bytes name the schema, which are the payload
    json_values.py   JSON, strictly
    avro_values.py   Avro; the only user of fastavro's reader
    avro_schema.py, avro_resolve.py, avro_logical.py, avro_bounds.py   what makes a schema ready to read with
    schemas.py       the values between cache, decoder and look-ups
    schema_cache.py  what is known, what must be asked for, and when (pure)
    lookup.py        the look-up that the settings name: registry.py, directory.py, glue.py (blocking)

The guide for users, with the JSON form of each Avro type, is docs/decoding.md.
"""
