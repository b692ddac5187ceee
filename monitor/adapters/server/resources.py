"""The files of the page: what browsers load (style, script, icons), and the templates that it is made from.

Each file's address carries a hash of its content, so that browsers keep it for ever and never mix two versions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined

FOLDER = "assets"
TYPES = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon-refused.svg": "image/svg+xml",
    "icon-unknown.svg": "image/svg+xml",
    "icon-attention.svg": "image/svg+xml",
    "icon-accepted.svg": "image/svg+xml",
    "icon-none.svg": "image/svg+xml",
}
TEMPLATES = ("page.html", "parts.html")
_ADDRESS = re.compile(r"(?P<stem>[a-z-]{1,20})\.(?P<hash>[0-9a-f]{16})\.(?P<kind>css|js|svg)")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is served."""

    name: str
    body: bytes
    content_type: str
    hash: str

    @property
    def address(self) -> str:
        """Relative to the page: `assets/page.0123456789abcdef.css`."""
        stem, kind = self.name.rsplit(".", 1)
        return f"{FOLDER}/{stem}.{self.hash}.{kind}"

    @property
    def etag(self) -> str:
        """As HTTP has it."""
        return f'"{self.hash}"'


@dataclass(frozen=True, slots=True)
class Assets:
    """All of them. build: changes with any file, so that an open page notices another version."""

    by_name: Mapping[str, Asset] = field(default_factory=dict)
    build: str = ""

    def addresses(self) -> dict[str, str]:
        """Name to address, for templates."""
        return {name: asset.address for name, asset in self.by_name.items()}

    def find(self, address: str) -> tuple[Asset, bool] | None:
        """The file at the last part of a path, and whether it is the very version that was asked for.

        While replicas are being replaced a page of one version may ask a monitor of another: it gets what there is.
        """
        match = _ADDRESS.fullmatch(address)
        asset = self.by_name.get(f"{match['stem']}.{match['kind']}") if match else None
        if match is None or asset is None:
            return None
        return asset, match["hash"] == asset.hash


def load_assets() -> Assets:
    """Reads the files of the package."""
    found = {name: _asset(name, kind) for name, kind in TYPES.items()}
    every = b"".join(asset.body for asset in found.values()) + "".join(map(_text, TEMPLATES)).encode()
    return Assets(found, _hash(every))


def load_templates() -> Environment:
    """The templates, read once. Every value that they show is escaped, and a name that is missing is an error."""
    return Environment(
        loader=DictLoader({name: _text(name) for name in TEMPLATES}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def _asset(name: str, content_type: str) -> Asset:
    body = _text(name).encode()
    return Asset(name, body, content_type, _hash(body))


def _text(name: str) -> str:
    return (files("monitor.adapters.server") / FOLDER / name).read_text(encoding="utf-8")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
