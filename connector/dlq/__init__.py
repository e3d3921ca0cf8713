"""Dead letters, read and sent again: what the commands `dlq list`, `dlq show` and `dlq replay` do.

letter.py      one dead letter, whoever wrote it: this program, Kafka Connect, Spring, arroyo
facts.py       what its headers say, in the names of each of them
topic.py       the dead-letter topic and its ledger on a cluster
selection.py   the filters
sums.py        the counts of `list`
ledger.py      which letters were replayed: a compacted topic beside the dead letters
memory.py      the ledger of one replay, and from where on letters are left
choosing.py    which letters a replay takes, and why not the others
to_source.py   replay to the topic that the message came from
to_airship.py  replay to the endpoint, by the engine of `run`
hiding.py      a message's form without what is in it
"""
