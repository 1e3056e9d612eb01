"""What a start of the service may fail with."""

from __future__ import annotations


class Unservable(ValueError):
    """What the settings name cannot be served; the message says why, and what to do."""


class Passing(Exception):
    """Beside another base class: a failure that may be over when the same is tried again."""
