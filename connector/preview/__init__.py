"""What the settings make of messages, shown to a person or a program; nothing is sent, nothing is committed.

judge.py    one record under the settings, schemas looked up on the spot; `dlq show` uses it, too
"""
