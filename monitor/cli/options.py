"""Kinds of options that several commands take. Light, for `check` starts without what reads configurations."""

from __future__ import annotations

import click

from monitor.config import durations


class Duration(click.ParamType[float]):
    """Seconds, written as in the configuration."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds, or a usage error."""
        seconds = durations.parse(value)
        if seconds is None:
            self.fail(f"{value!r} is not a duration; write it like {durations.EXAMPLES}", param, ctx)
        return seconds


DURATION = Duration()
# 0: any that is free.
PORT = click.IntRange(0, 65535)
