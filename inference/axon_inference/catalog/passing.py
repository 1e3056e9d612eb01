"""Failures that may be over when the same is tried again."""


class Passing(Exception):
    """Beside another base class: time may mend it."""
