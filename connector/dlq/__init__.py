"""Dead letters, read and sent again: what the commands `dlq list`, `dlq show` and `dlq replay` do.

letter.py, facts.py    one dead letter, and what its headers say: this program's, Kafka Connect's, Spring's, arroyo's
topic.py               the dead-letter topic and the ledger on a cluster
selection.py, sums.py  the filters; the counts of `list`
explained.py           what `show` shows; hiding.py: a message's form without what is in it
choosing.py            which letters a replay takes, and why not the others
ledger.py, memory.py   which letters were replayed: a compacted topic; from where on some are left: a group's offsets
remembering.py         the producer of a replay: messages and their marks in one transaction
to_source.py           replay to the topic that a message came from
to_airship.py          replay to the endpoint, by the engine of `run`; letter_source.py and again.py are what it reads
"""
