"""Settings of a service: one frozen dataclass, whose fields are environment variables.

`setting` makes a field. Each has a reader, such as those in `readers`: a function from the text of
its variable to the value. A reader raises ValueError with a message that goes on after "cannot be
used: ".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self


class SettingsError(ValueError):
    """A variable cannot be used. The message names it and says what it must be."""


def setting(
    variable: str,
    default: Any,
    about: str,
    read: Callable[[str], Any] = str,
    *,
    secret: bool = False,
) -> Any:
    """A field of a service's settings. `default` is its value, or a function that makes it.

    No message and no representation of the settings shows a `secret` value.
    """
    metadata = {"variable": variable, "about": about, "read": read, "secret": secret}
    if callable(default):
        return field(default_factory=default, metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, slots=True)
class FromEnvironment:
    """The base of a service's settings."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """The settings in `environment`. Raises SettingsError for the first that is wrong."""
        values = {}
        for item in fields(cls):
            about, variable = item.metadata, item.metadata["variable"]
            if variable in environment:
                try:
                    values[item.name] = about["read"](environment[variable])
                except ValueError as error:
                    shown = "" if about["secret"] else f"={environment[variable]!r}"
                    raise SettingsError(f"{variable}{shown} cannot be used: {error}") from None
        return cls(**values)

    @classmethod
    def help(cls) -> str:
        """All variables with their meanings and defaults, for `--help`."""
        settings, about = cls(), [item.metadata for item in fields(cls)]
        width = max(len(each["variable"]) for each in about)
        defaults = (_shown(getattr(settings, item.name)) for item in fields(cls))
        return "\n".join(
            f"  {each['variable']:{width}}  {each['about']}\n  {'':{width}}  (default: {default})"
            for each, default in zip(about, defaults, strict=True)
        )


def _shown(default: object) -> str:
    if default is None or default is False or default in ("", (), {}):
        return "none"
    return ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)
