"""The list of hostile inputs has 21 numbers, and each of them is a test here, or several."""

from __future__ import annotations

import re
from pathlib import Path

NUMBERED = re.compile(r"^(?:async )?def test_(\d\d)_", re.MULTILINE)


def test_each_of_the_21_numbers_has_its_test() -> None:
    found = {
        int(number) for file in Path(__file__).parent.glob("test_*.py") for number in NUMBERED.findall(file.read_text())
    }
    assert found == set(range(1, 22))
