"""What is common to the real parts that a run may or may not find on the machine."""

from __future__ import annotations


class PartUnavailableError(Exception):
    """The part cannot be had here; the text is the reason that a run prints or skips with."""
