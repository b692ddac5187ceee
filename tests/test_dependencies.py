"""What the product is made with: few packages, licences that may be given on, and no check that is off without a reason."""

from __future__ import annotations

import re
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripts.licences import ALLOWED, DOCUMENT, document, is_allowed, packages

ROOT = Path(__file__).parent.parent
# Direct and indirect. Another one is another party to trust: raise it on purpose.
MOST = 36
NOQA = re.compile(r"#\s*noqa\b(?::\s*(?P<codes>[A-Z0-9, ]+?))?(?P<reason>\s+-\s+\S.*)?$")


def test_the_list_of_licences_is_up_to_date() -> None:
    assert DOCUMENT.read_text() == document(), "run `make docs`"


def test_every_licence_may_be_given_on() -> None:
    assert [one for one in packages() if not is_allowed(one.licence)] == []


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [("MIT", True), ("MIT OR GPL-3.0-only", True), ("Apache-2.0 AND MIT", True), ("MIT AND GPL-3.0-only", False), ("AGPL-3.0-only", False), ("", False)],
)  # fmt: skip
def test_a_licence_that_binds_others_is_not_allowed(expression: str, allowed: bool) -> None:
    assert is_allowed(expression) is allowed
    assert "GPL" not in "".join(ALLOWED)


def test_the_packages_are_few() -> None:
    assert 0 < len(list(packages())) <= MOST


def comments() -> Iterator[tuple[str, str]]:
    """Every comment of the product and its scripts, with where it stands."""
    for folder in ("monitor", "scripts"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            with file.open("rb") as opened:
                for token in tokenize.tokenize(opened.readline):
                    if token.type == tokenize.COMMENT:
                        yield f"{file.relative_to(ROOT)}:{token.start[0]}", token.string


def test_no_security_rule_is_off_without_a_reason_beside_it() -> None:
    """`noqa: S105 - the name of a Secret`. A bare `noqa` would switch off all of them."""
    silent = []
    for place, comment in comments():
        if "noqa" not in comment:
            continue
        found = NOQA.search(comment)
        codes = (found["codes"] or "") if found else ""
        secure = not codes or any(
            code.strip().startswith("S") and code.strip()[1:].isdigit() for code in codes.split(",")
        )
        if secure and not (found and codes and found["reason"]):
            silent.append(place)
    assert silent == []


def test_no_security_rule_is_off_for_files_of_the_product_without_a_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    settings = tomllib.loads(text)["tool"]["ruff"]["lint"]
    assert "S" in settings["select"]
    off = [*settings["ignore"], *(f"{files}" for files, codes in settings["per-file-ignores"].items() if any(c.startswith("S1") or c == "S" for c in codes) and not files.startswith("tests"))]  # fmt: skip
    for what in off:
        if re.fullmatch(r"S\d+", what) or "/" in what:
            (line,) = [line for line in text.splitlines() if f'"{what}"' in line]
            assert re.search(r"#\s+\S+", line), f"say why {what}"
