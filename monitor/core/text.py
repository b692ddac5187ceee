"""Making text from outside fit to be shown: bounded, one line, no control or direction-changing characters."""

from __future__ import annotations

import unicodedata

# Cc control, Cf format (bidirectional overrides, zero width), Cs surrogates, Co private, Cn unassigned,
# Zl and Zp line and paragraph separators: each can disguise a log line or break it in two.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str, limit: int) -> str:
    """`text` cut to `limit` characters, with hidden characters escaped as in Python (`\\x1b`, `\\u202e`)."""
    cut = text[: limit + 1]
    if not (cut.isascii() and cut.isprintable()):
        cut = "".join(_escaped(c) if unicodedata.category(c) in _HIDDEN else c for c in cut)
    return cut if len(cut) <= limit else cut[: max(0, limit - 1)] + "…"


def sentence(text: str) -> str:
    """`text` with a full stop, where it does not end in something like it."""
    return text if text.endswith((".", "!", "?", ":", "…")) else f"{text}."


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
