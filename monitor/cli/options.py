"""Kinds of options that several commands take."""

from __future__ import annotations

import re

import click

from monitor.config import durations
from monitor.config.fields import NAMESPACE_PATTERN, SECRET_NAME_PATTERN
from monitor.core.permissions import ServiceAccount

_ACCOUNT = re.compile(rf"({NAMESPACE_PATTERN})/({SECRET_NAME_PATTERN})")


class Duration(click.ParamType[float]):
    """Seconds, written as in the configuration."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds, or a usage error."""
        seconds = durations.parse(value)
        if seconds is None:
            self.fail(f"{value!r} is not a duration; write it like {durations.EXAMPLES}", param, ctx)
        return seconds


class Account(click.ParamType[ServiceAccount]):
    """A service account as `NAMESPACE/NAME`."""

    name = "namespace/name"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> ServiceAccount:
        """The account, or a usage error."""
        if isinstance(value, ServiceAccount):
            return value
        if _ACCOUNT.fullmatch(str(value)) is None:
            self.fail(f"{value!r} is not NAMESPACE/NAME; write it like codefresh/token-monitor", param, ctx)
        namespace, _, name = str(value).partition("/")
        return ServiceAccount(namespace, name)


DURATION = Duration()
# 0: any that is free.
PORT = click.IntRange(0, 65535)
SERVICE_ACCOUNT = Account()
