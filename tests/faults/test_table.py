"""docs/faults.md lists the 29 faults with the test of each; this holds the list to the tests and the tests to the list."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
DOCUMENT = HERE.parent.parent / "docs" / "faults.md"
ROW = re.compile(r"^\| (\d+) \| [^|]+ \| [^|]+ \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"^(?:async )?def (test_(\d\d)_\w+)", re.MULTILINE)


def of_each() -> dict[int, list[str]]:
    """The tests of each number."""
    found: dict[int, list[str]] = {}
    for file in sorted(HERE.glob("test_the_29_faults*.py")):
        for name, number in TEST.findall(file.read_text()):
            found.setdefault(int(number), []).append(name)
    return found


def test_each_of_the_29_has_a_test() -> None:
    assert sorted(of_each()) == list(range(1, 30))


def test_the_table_names_every_test_of_every_fault() -> None:
    rows = {int(number): re.findall(r"`(test_\w+)`", names) for number, names in ROW.findall(DOCUMENT.read_text())}
    assert rows == of_each()
