"""Which of the found targets count: names are unique, nobody takes over another's, and there is an end to the number."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor.core.discovery import Candidate, Found, Origin, Trouble, chosen
from monitor.core.secret import Secret

OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


def from_map(name: str, namespace: str = "team-a", *, since: str = OLD, target: str = "") -> Candidate[str]:
    origin = Origin("ConfigMap", namespace, name)
    return Candidate(target or name, origin, str(origin), since)


def from_file(name: str) -> Candidate[str]:
    return Candidate(name, Origin("file", "", f"/targets/{name}.yaml"), name)


def test_targets_of_different_names_all_count_in_the_order_of_their_names() -> None:
    kept, troubles = chosen([from_map("b"), from_map("c", "team-b"), from_file("a")], [], {})
    assert [one.name for one in kept] == ["a", "b", "c"]
    assert troubles == []


def test_the_configuration_file_goes_before_everything_and_the_other_is_named() -> None:
    kept, troubles = chosen([from_map("a"), from_map("b")], ["a"], {"a": from_map("a").origin})
    assert [one.name for one in kept] == ["b"]
    (trouble,) = troubles
    assert (str(trouble.origin), trouble.target) == ("ConfigMap team-a/a", "a")
    assert trouble.what == "its name a is that of a target in the configuration file; give it another name"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_of_two_that_are_new_the_older_object_has_the_name_in_whatever_order_they_come(order: tuple[int, ...]) -> None:
    some = [from_map("x", since=NEW, target="a"), from_map("y", since=OLD, target="a"), from_map("z", target="b")]
    kept, troubles = chosen([some[at] for at in order], [], {})
    assert [one.origin.name for one in kept] == ["y", "z"]
    assert [str(trouble) for trouble in troubles] == [
        "ConfigMap team-a/x: its name a is that of a target in ConfigMap team-a/y; give it another name"
    ]


def test_who_has_a_name_keeps_it_against_one_that_is_older_and_against_a_file() -> None:
    mine, thief, file = (
        from_map("mine", since=NEW, target="a"),
        from_map("thief", since=OLD, target="a"),
        from_file("a"),
    )
    kept, troubles = chosen([thief, file, mine], [], {"a": mine.origin})
    assert [one.origin for one in kept] == [mine.origin]
    assert {trouble.origin for trouble in troubles} == {thief.origin, file.origin}


def test_once_it_is_gone_the_name_is_free() -> None:
    other = from_map("other", target="a")
    kept, troubles = chosen([other], [], {"a": Origin("ConfigMap", "team-a", "gone")})
    assert ([one.origin for one in kept], troubles) == ([other.origin], [])


def test_files_go_before_objects() -> None:
    kept, _ = chosen([from_map("x", target="a"), from_file("a")], [], {})
    assert [one.origin.kind for one in kept] == ["file"]


def test_beyond_the_limit_targets_are_left_out_and_that_is_told_once() -> None:
    some = [from_map(f"t{number:03d}", since=f"{number:03d}") for number in range(100)]
    kept, troubles = chosen(some, [], {}, limit=10)
    assert [one.name for one in kept] == [f"t{number:03d}" for number in range(10)], "the oldest stay"
    assert [trouble.what for trouble in troubles] == [
        "90 more than 10 targets were found, and are left out; split them over several monitors"
    ]


def test_a_newcomer_pushes_nobody_out_who_was_there() -> None:
    some = [from_map(f"t{number}", since=NEW) for number in range(10)]
    before, _ = chosen(some, [], {}, limit=10)
    owners = {one.name: one.origin for one in before}
    after, _ = chosen([from_map("a-older-one", since=OLD), *some], [], owners, limit=10)
    assert after == before


names = st.sampled_from(["a", "b", "c", "d"])


@given(
    st.lists(
        st.tuples(st.integers(0, 8), names, st.sampled_from([OLD, NEW])), max_size=8, unique_by=lambda one: one[0]
    ),
    st.sets(names),
    st.dictionaries(names, st.integers(0, 8)),
    st.integers(0, 5),
)
def test_whatever_is_found_each_name_counts_once_and_everybody_else_is_told(
    found: list[tuple[int, str, str]], configured: set[str], owned: dict[str, int], limit: int
) -> None:
    some = [from_map(f"o{number}", since=since, target=name) for number, name, since in found]
    owners = {name: Origin("ConfigMap", "team-a", f"o{number}") for name, number in owned.items()}
    kept, troubles = chosen(some, configured, owners, limit)
    assert len({one.name for one in kept}) == len(kept) <= limit
    assert not {one.name for one in kept} & configured
    told = {trouble.origin for trouble in troubles}
    left = {one.origin for one in some} - {one.origin for one in kept} - told
    assert not left or any(trouble.origin.name == "as a whole" for trouble in troubles)
    for one in some:
        if owners.get(one.name) == one.origin and one.name not in configured and len(owners) <= limit:
            assert one in kept, "who had a name keeps it"


def test_what_was_found_is_shown_nowhere() -> None:
    assert "swordfish" not in repr(Found(Origin("Secret", "team-a", "x"), Secret("auth: {token: swordfish}")))


def test_a_trouble_says_when_the_former_version_goes_on() -> None:
    trouble = Trouble(Origin("file", "", "/t/a.yaml"), "is empty; write one target", "a", kept=True)
    assert str(trouble) == "file /t/a.yaml: is empty; write one target (target a goes on as it was before)"
