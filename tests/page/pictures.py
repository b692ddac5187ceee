"""Makes a browser's PNG small enough for a README: at most 256 colours, and packed with patience."""

from __future__ import annotations

import struct
import zlib
from collections import Counter

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = 256
RGB, RGBA = 2, 6


def squeezed(png: bytes) -> bytes:
    """The same picture with a palette: the colours that are used most, and for the rest the nearest of them."""
    chunks = dict(_chunks(png))
    width, height, depth, kind = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert depth == 8
    size = {RGB: 3, RGBA: 4}[kind]
    lines = _unfiltered(zlib.decompress(chunks[b"IDAT"]), width * size, size)
    pixels = [[line[at : at + 3] for at in range(0, len(line), size)] for line in map(bytes, lines)]
    used = Counter(colour for line in pixels for colour in line)
    palette = [colour for colour, _ in used.most_common(COLOURS)]
    index = {colour: _nearest(colour, palette) for colour in used}
    packed = b"".join(b"\x00" + bytes([index[colour] for colour in line]) for line in pixels)
    assert len(pixels) == height
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", head), (b"PLTE", b"".join(palette)), (b"IDAT", zlib.compress(packed, 9)), (b"IEND", b""))
    return SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    )


def _chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    found: dict[bytes, bytes] = {}
    at = len(SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        name = png[at + 4 : at + 8]
        found[name] = found.get(name, b"") + png[at + 8 : at + 8 + length]
        at += length + 12
    return list(found.items())


def _unfiltered(raw: bytes, length: int, size: int) -> list[bytearray]:
    lines: list[bytearray] = []
    above = bytearray(length)
    for start in range(0, len(raw), length + 1):
        kind, line = raw[start], bytearray(raw[start + 1 : start + 1 + length])
        for at in range(length if kind else 0):
            left = line[at - size] if at >= size else 0
            corner = above[at - size] if at >= size else 0
            line[at] = (line[at] + _predicted(kind, left, above[at], corner)) & 0xFF
        lines.append(line)
        above = line
    return lines


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 1:
        return left
    if kind == 2:
        return up
    if kind == 3:
        return (left + up) // 2
    guess = left + up - corner
    return min((left, up, corner), key=lambda value: abs(guess - value))


def _nearest(colour: bytes, palette: list[bytes]) -> int:
    distances = (sum((a - b) ** 2 for a, b in zip(colour, known, strict=True)) for known in palette)
    return min(enumerate(distances), key=lambda pair: pair[1])[0]
