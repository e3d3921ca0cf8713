"""What the settings make of messages, shown to a person or a program; nothing is sent, nothing is committed.

judge.py            one record under the settings, schemas looked up on the spot; `dlq show` uses it, too
files.py            messages from a file: texts.py (lines, documents, items), message_objects.py (with key and
                    headers), avro_messages.py (containers, JSON written with a schema), records.py
                    messages from a topic: connector/kafka/topic_sample.py
topic_choice.py     which topic
tally.py            sums
screen.py           for people
json_lines.py       for programs
"""
