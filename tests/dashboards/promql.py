"""What a query asks for: every selector in it, with the functions and aggregations around it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import promql_parser as promql

# What stands for the variables of a dashboard when nothing is chosen, and for Grafana's own.
EVERYTHING = {"cluster": ".*", "namespace": ".*", "job": ".+", "instance": ".+", "target": ".+"}
WINDOWS = {"__rate_interval": "10s", "__range": "60s", "__interval": "1s"}


@dataclass(frozen=True)
class Around:
    """A function or an aggregation. labels: those that an aggregation keeps."""

    name: str
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Selector:
    """A selector within an expression. around: what is around it, the innermost first."""

    name: str
    matchers: Mapping[str, tuple[str, str]]
    around: tuple[Around, ...]

    @property
    def functions(self) -> tuple[str, ...]:
        """The names of all that is around."""
        return tuple(around.name for around in self.around)

    @property
    def aggregations(self) -> tuple[Around, ...]:
        """Only the aggregations."""
        return tuple(around for around in self.around if around.labels is not None)


def interpolated(text: str, chosen: Mapping[str, str] | None = None) -> str:
    """The text with values for its variables, as Grafana fills them in."""
    values = {**EVERYTHING, **WINDOWS, **(chosen or {})}
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values[found[1]], text)


def selectors(expression: str) -> list[Selector]:
    """Every selector of an expression that may hold variables."""
    return list(_selectors(promql.parse(interpolated(expression)), ()))


def _selectors(found: Any, around: tuple[Around, ...]) -> Iterator[Selector]:
    match found:
        case promql.VectorSelector():
            matchers = {m.name: (_operator(m), m.value) for m in found.matchers.matchers}
            yield Selector(found.name or "", matchers, around)
        case promql.MatrixSelector():
            yield from _selectors(found.vector_selector, around)
        case promql.AggregateExpr():
            labels = tuple(found.modifier.labels) if found.modifier else ()
            yield from _selectors(found.expr, (Around(str(found.op), labels), *around))
        case promql.Call():
            for argument in found.args:
                yield from _selectors(argument, (Around(found.func.name), *around))
        case promql.BinaryExpr():
            yield from _selectors(found.lhs, around)
            yield from _selectors(found.rhs, around)
        case promql.ParenExpr() | promql.UnaryExpr():
            yield from _selectors(found.expr, around)
        case promql.NumberLiteral() | promql.StringLiteral():
            return
        case _:
            raise AssertionError(f"not looked into: {found!r}")


def _operator(matcher: Any) -> str:
    return {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}[str(matcher.op).rsplit(".", 1)[-1]]
