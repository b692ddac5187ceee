"""Which replica checks which target: all of them exactly once, evenly, and nothing moves that need not."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monitor.core.sharding import Doubt, Everything, Part, Spare, Undecided, owner, share, stand_in

NAMES = st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=60, unique=True)
SLOTS = st.sets(st.integers(0, 31), min_size=1, max_size=8)
FLEET = tuple(f"target-{number}" for number in range(9_000))


def parts(slots: set[int], names: list[str]) -> dict[int, frozenset[str]]:
    return {slot: share(Part(slot, tuple(sorted(slots))), names) for slot in slots}


@given(SLOTS, NAMES)
def test_every_target_is_checked_by_exactly_one_replica(slots: set[int], names: list[str]) -> None:
    counted = Counter(name for part in parts(slots, names).values() for name in part)
    assert counted == Counter(names)


@given(SLOTS, st.integers(0, 31), NAMES)
def test_one_that_comes_or_goes_moves_only_its_own_share(slots: set[int], other: int, names: list[str]) -> None:
    without, present = slots - {other}, slots | {other}
    if not without:
        return
    for name in names:
        before, after = owner(name, without), owner(name, present)
        assert after in (before, other), "from the others nothing goes anywhere but to the one that comes"


@given(SLOTS, NAMES)
@settings(max_examples=20)
def test_the_order_in_which_slots_are_seen_decides_nothing(slots: set[int], names: list[str]) -> None:
    for name in names:
        assert owner(name, sorted(slots)) == owner(name, sorted(slots, reverse=True))


@pytest.mark.parametrize("slots", [(0, 1, 2), (1, 5, 7), (0, 1, 2, 3, 4, 5, 6, 7)])
def test_shares_are_even_within_a_tenth(slots: tuple[int, ...]) -> None:
    sizes = Counter(owner(name, slots) for name in FLEET)
    mean = len(FLEET) / len(slots)
    assert all(0.9 * mean <= size <= 1.1 * mean for size in sizes.values()), sizes


def test_what_a_dead_replica_had_goes_to_all_others_evenly() -> None:
    orphans = [name for name in FLEET if owner(name, (0, 1, 2)) == 2]
    sizes = Counter(owner(name, (0, 1)) for name in orphans)
    assert min(sizes.values()) > 0.9 * len(orphans) / 2


def test_the_split_is_a_contract_between_versions() -> None:
    """While replicas are replaced, those of two versions share the targets: another hash would leave some to nobody."""
    assert [owner(f"target-{number}", (0, 1, 2)) for number in range(12)] == [2, 0, 1, 0, 0, 1, 0, 0, 1, 2, 2, 1]


@pytest.mark.parametrize(
    ("standing", "all_of_them"),
    [
        (Undecided(), False),
        (Spare(), False),
        (Everything(Doubt.DENIED), True),
        (Everything(Doubt.UNSEEN), True),
        (Part(3, (3,)), True),
    ],
)
def test_who_knows_nobody_else_checks_all_and_who_is_not_needed_none(standing: object, all_of_them: bool) -> None:
    assert share(standing, ["a", "b"]) == (frozenset("ab") if all_of_them else frozenset())  # type: ignore[arg-type]


@given(SLOTS, NAMES)
def test_one_other_replica_stands_in_for_a_target_of_which_nobody_tells(slots: set[int], names: list[str]) -> None:
    found = Counter(name for own in slots for name in stand_in(Part(own, tuple(sorted(slots))), names))
    assert found == (Counter(names) if len(slots) > 1 else Counter())
    for own in slots:
        part = Part(own, tuple(sorted(slots)))
        assert not stand_in(part, names) & share(part, names)


def test_who_holds_no_slot_stands_in_for_nobody() -> None:
    assert stand_in(Spare(), ["a"]) == frozenset()
