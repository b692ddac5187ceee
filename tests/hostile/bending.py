"""What should be there, bent: values and bytes that begin as the right ones and have a few things wrong with them.

Random values seldom get past the first question that a reader asks. These do. The number of examples is that of the
hypothesis profile: a few in everyday tests, many with `make fuzz`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# Each of these broke some parser somewhere: huge and impossible numbers, truth values for numbers, lone surrogates,
# directions and colours, the ends of time, what looks like base64 and is none, and every type in place of another.
NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 10**18, 10**400, -(10**400), 1e308, float("inf"), float("-inf"), float("nan"), 0.5,
    "", " ", "0", "-1", "9" * 4000, "1e999", "true", "null", "x" * 5000, "\ud800", "\x1b[31m\u202e", "é", "\0", "a\nb",
    "0001-01-01T00:00:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59", "9999-12-31T23:59:59.999999-23:59",
    "====", "A", "AAAA", "/w==", "éééé", "*", "{}", "../../etc/passwd", "%00", '"} 1\n',
    [], {}, [None], [[]], [{}], {"": None}, {"a": {"b": []}}, ["x"] * 50, {"name": 7}, [1, "a", None, {}],
)  # fmt: skip

# Keys in place of those that are looked for.
NAMES = ("", "\ud800", "x" * 300, "f:", "__proto__", "\x1b[31m")

nasty = st.sampled_from(NASTY).map(copy.deepcopy)
anything = st.recursive(
    nasty | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def examples(number: int) -> settings:
    """So many examples where the profile has its usual hundred, and as many more as the profile has."""
    return settings(
        max_examples=max(1, number * settings.default.max_examples // 100),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )


def bend(sound: Any, between: Callable[[int, int], int], changes: int = 3) -> Any:
    """`sound` (a JSON value) with 0 to `changes` places in it replaced, removed, doubled or renamed.

    between: a number from the first to the second, both included; hypothesis' or a random one.
    """
    value = copy.deepcopy(sound)
    for _ in range(between(0, changes)):
        places = list(_places(value))
        worse = copy.deepcopy(NASTY[between(0, len(NASTY) - 1)])
        if not places:
            return worse
        holder, key = places[between(0, len(places) - 1)]
        match between(0, 5):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[NAMES[between(0, len(NAMES) - 1)]] = holder.pop(key)
            case 2 if isinstance(holder, list):
                holder.insert(key, copy.deepcopy(holder[key]))
            case _:
                holder[key] = worse
    return value


@st.composite
def bent(draw: Callable[..., Any], sound: Any, changes: int = 3) -> Any:
    """`sound`, bent as hypothesis likes it."""
    return bend(sound, lambda low, high: draw(st.integers(low, high)), changes)


def _places(value: Any) -> Any:
    """Every place in a value that something stands in, as what holds it and under which key."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        for key in keys:
            yield one, key
            waiting.append(one[key])


PIECES = (
    b"", b"\r\n", b"\n", b"\0", b"\xff", b" ", b"\t", b":", b"\r\n\r\n", b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"[" * 300,
    b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n", b"Connection: close\r\n", b"X: " + b"y" * 9000 + b"\r\n", b'"', b"{", b"}", b"\\ud800",
    b"GET / HTTP/0.9\r\n", b"\x16\x03\x01", b"A" * 5000, b"; q=", b"%zz", b"\x80\x81",
)  # fmt: skip


@st.composite
def bent_bytes(draw: Callable[..., Any], sound: bytes, changes: int = 3) -> bytes:
    """`sound` with pieces cut out, doubled, or something else put between."""
    raw = bytearray(sound)
    for _ in range(draw(st.integers(0, changes))):
        start = draw(st.integers(0, len(raw)))
        end = draw(st.integers(start, min(len(raw), start + 40)))
        match draw(st.integers(0, 3)):
            case 0:
                del raw[start:end]
            case 1:
                raw[end:end] = raw[start:end]
            case 2:
                raw[start:end] = draw(st.sampled_from(PIECES))
            case _:
                raw[start:end] = draw(st.binary(max_size=12))
    return bytes(raw)
