"""Writes docs/licences.md: what `requirements/base.txt` installs, under which licence, out of the installed metadata."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
BASE = ROOT / "requirements" / "base.txt"
DOCUMENT = ROOT / "docs" / "licences.md"
# What may be given on with a program under Apache-2.0, as SPDX names it. Anything else is for a person to look at.
ALLOWED = frozenset({"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "PSF-2.0"})
# What packages write instead of SPDX, in `License` or behind the last `::` of a classifier.
SPDX = {
    "apache": "Apache-2.0", "apache 2": "Apache-2.0", "apache 2.0": "Apache-2.0", "apache license 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0", "apache license, version 2.0": "Apache-2.0", "bsd": "BSD-3-Clause", "bsd license": "BSD-3-Clause",
    "bsd-3-clause license": "BSD-3-Clause", "mit license": "MIT", "the mit license": "MIT", "mit": "MIT", "isc license (iscl)": "ISC",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0", "python software foundation license": "PSF-2.0", "psf": "PSF-2.0",
    "dual license": "Apache-2.0 OR BSD-3-Clause",
}  # fmt: skip
# Whose metadata name no licence that can be read by a program; each was looked up in the package itself.
BY_HAND: dict[str, str] = {}
HEAD = """# Licences of what Token Monitor is made with

Made by `make docs` from the metadata of the packages in `requirements/base.txt`; Token Monitor itself is under Apache-2.0.
The tools of the tests and of the build are not part of it.

| package | version | licence |
|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Package:
    """One package of `requirements/base.txt`. licence: an SPDX expression, "" where none could be read."""

    name: str
    version: str
    licence: str


def packages() -> Iterator[Package]:
    """Those that are installed here; what is for another system (a marker) is left out where it is not."""
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", BASE.read_text(), re.MULTILINE):
        try:
            yield Package(name, version, licence_of(name))
        except PackageNotFoundError:
            if sys.platform == "linux" and name not in NOT_ON_LINUX:
                raise


NOT_ON_LINUX = frozenset({"colorama", "tzdata", "async-timeout", "pywin32"})


def licence_of(name: str) -> str:
    """The licence as SPDX names it; "" where the metadata does not say it in words that are known."""
    found = metadata(name)
    if expression := found.get("License-Expression"):
        return expression
    said = [
        found.get("License") or "",
        *(value.rpartition("::")[2] for value in found.get_all("Classifier") or () if value.startswith("License")),
    ]
    for text in said:
        word = text.strip()
        if word in ALLOWED or word.lower() in SPDX:
            return SPDX.get(word.lower(), word)
    return BY_HAND.get(name, "")


def is_allowed(expression: str) -> bool:
    """Whether one of each alternative (OR) may be given on, and all that have to be kept (AND)."""
    return bool(expression) and any(
        all(part.strip(" ()") in ALLOWED for part in alternative.split(" AND "))
        for alternative in expression.replace("(", "").replace(")", "").split(" OR ")
    )


def document() -> str:
    """The text of docs/licences.md."""
    return HEAD + "".join(f"| {one.name} | {one.version} | {one.licence} |\n" for one in packages())


if __name__ == "__main__":
    DOCUMENT.write_text(document())
