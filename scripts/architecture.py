"""Draws the pictures of `docs/architecture.md` from the code: who imports whom, and the states of a rotation.

Boxes and arrows are found, not drawn by hand: those of the layers in the import graph (grimp), those of the rotation by
running `decide` and `learn` over a few thousand situations. The words at them are written here, one for each, so a new
layer or a new transition needs its words. `make docs` runs it; a test fails when a picture differs from the code.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

import grimp
from monitor.core.effects import (
    EFFECTS,
    Conflict,
    Consumers,
    Delete,
    Done,
    Effect,
    Listed,
    ListKeys,
    LookAtConsumers,
    Mint,
    Minted,
    Outcome,
    Refused,
    Unknown,
    effect_name,
)
from monitor.core.journal import Journal, Purpose, State
from monitor.core.model import Key
from monitor.core.policy import Policy
from monitor.core.rotation.learning import learn
from monitor.core.rotation.machine import decide
from monitor.core.rotation.situation import Act, Situation
from monitor.core.secret import Secret
from monitor.core.status import Status

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"

# --- the layers --------------------------------------------------------------------------------------------------------

PARTS: Mapping[str, str] = {
    "monitor.cli": "one subcommand a file",
    "monitor.demo": "the story of make demo",
    "monitor.daemon": "the only wiring",
    "monitor.simulator": "an Argo CD, a Kubernetes API",
    "monitor.services": "gather, let decide, act",
    "monitor.adapters": "one outside world each",
    "monitor.metrics": "the text of the metrics",
    "monitor.config": "the configuration file",
    "monitor.cluster": "a Kubernetes API, as a protocol",
    "monitor.ports": "what the core needs, as protocols",
    "monitor.core": "decides; no I/O, no clock",
}
Pair = tuple[str, str]


def layers() -> tuple[tuple[str, ...], ...]:
    """The layers from top to bottom, as the contract of import-linter has them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    found: Sequence[str] = next(one["layers"] for one in contracts if one["type"] == "layers")
    return tuple(tuple(part.strip() for part in line.split(":")) for line in found)


def imports(parts: Sequence[str]) -> set[Pair]:
    """Who imports whom."""
    graph = grimp.build_graph("monitor", cache_dir=None)
    return {
        (one, other)
        for one, other in itertools.permutations(parts, 2)
        if graph.direct_import_exists(importer=one, imported=other, as_packages=True)
    }


def without_detours(pairs: set[Pair]) -> set[Pair]:
    """Without the pairs that follow from others: A -> C where there is A -> B -> C."""
    reached: dict[str, set[str]] = {}

    def below(part: str) -> set[str]:
        if part not in reached:
            direct = {other for one, other in pairs if one == part}
            reached[part] = direct.union(*(below(other) for other in direct))
        return reached[part]

    return {
        (one, other)
        for one, other in pairs
        if not any(other in below(between) for start, between in pairs if start == one and between != other)
    }


def layers_picture() -> str:
    """The layers, with the imports between them."""
    rows, width, height, step = layers(), 254, 48, 84
    parts = tuple(part for row in rows for part in row)
    _same("a part", set(parts), set(PARTS))
    pairs = imports(parts)
    middle = {
        part: (450 + (index - (len(row) - 1) / 2) * 272, 34 + line * step)
        for line, row in enumerate(rows)
        for index, part in enumerate(row)
    }
    order = {part: line for line, row in enumerate(rows) for part in row}
    drawn = []
    for one, other in sorted(without_detours(pairs), key=lambda pair: (order[pair[0]], pair)):
        beside = order[other] - order[one] > 1
        drawn.append(_line(_way(middle[one], middle[other], width, height, beside=beside)))
    for part, (x, y) in middle.items():
        drawn.append(_box(x - width / 2, y - height / 2, width, height, part, PARTS[part]))
    bottom = 34 + (len(rows) - 1) * step + 52
    drawn.append(
        _text(450, bottom, "An arrow: imports. Arrows that follow from others are left out. None leads up.", "middle")
    )
    return _svg(900, bottom + 14, "The layers of monitor, and who imports whom", drawn)


Point = tuple[float, float]


def _way(start: Point, end: Point, width: float, height: float, *, beside: bool) -> list[Point]:
    """From box to box. beside: past the rows in between, if the two are not one above the other."""
    (x, y), (to_x, to_y) = start, end
    if not beside or x == to_x:
        # Leaves and arrives a little to the side on which the other one is.
        lean = max(-70.0, min(70.0, (to_x - x) / 4))
        return [(x + lean, y + height / 2), (to_x - lean, to_y - height / 2 - 3)]
    side = 1 if to_x > x else -1
    if abs(to_x - 450) > abs(x - 450):
        return [(x + side * width / 2, y), (to_x, y), (to_x, to_y - height / 2 - 3)]
    out = x - side * 70
    return [(out, y + height / 2), (out, to_y), (to_x - side * (width / 2 + 3), to_y)]


# --- the rotation ------------------------------------------------------------------------------------------------------

Edge = tuple[State, State]
NOW = 1_800_000_000.0
NEW, OLD, ANOTHER = (Secret(f"token of {name}") for name in ("tm-new", "tm-old", "another"))

BACK = "given up, or another token works"
UNDONE = "another writer undid it: once more"
UNWRITTEN = "its token is not in the journal"
WORDS: Mapping[Edge, str] = {
    (State.IDLE, State.INTENT): "there is a reason; the id is written first",
    (State.INTENT, State.MINTED): "the key was made",
    (State.INTENT, State.IDLE): "refused, or lost: deleted or buried",
    (State.MINTED, State.VERIFIED): "accepted three times, the control refused",
    (State.MINTED, State.IDLE): BACK,
    (State.MINTED, State.INTENT): UNWRITTEN,
    (State.VERIFIED, State.PUBLISHED): "written by compare-and-swap, read back",
    (State.VERIFIED, State.IDLE): f"{BACK}; a drill ends",
    (State.VERIFIED, State.INTENT): UNWRITTEN,
    (State.PUBLISHED, State.ADOPTED): "at once",
    (State.PUBLISHED, State.VERIFIED): UNDONE,
    (State.PUBLISHED, State.IDLE): "another token works, or stood down",
    (State.ADOPTED, State.GRACE): "consumers restarted, where wanted",
    (State.ADOPTED, State.VERIFIED): UNDONE,
    (State.ADOPTED, State.IDLE): "another token works, or stood down",
    (State.GRACE, State.RETIRED): "time is over, and nobody uses the old key",
    (State.GRACE, State.VERIFIED): UNDONE,
    (State.GRACE, State.IDLE): "another token works, or stood down",
    (State.RETIRED, State.VERIFIED): UNDONE,
    (State.RETIRED, State.IDLE): "done: the old key is seen to be gone",
}


def situations() -> Iterator[Situation]:
    """Enough situations to see every transition; a test looks for others in arbitrary ones."""
    tokens = ((OLD, "tm-old"), (NEW, "tm-new"), (ANOTHER, "another"))
    for state, purpose, since, proven, attempts, pending, (token, id_), status, keys, restart in itertools.product(
        State,
        Purpose,
        (NOW - 20, NOW - 100_000),
        (NOW - 5, NOW - 1000),
        (0, 5),
        (NEW, None),
        tokens,
        (Status.VALID, Status.REVOKED),
        (None, (Key("tm-new"),)),
        (False, True),
    ):
        journal = Journal(
            state=state,
            purpose=purpose,
            key_id=None if state is State.IDLE else "tm-new",
            token=pending,
            account="ci",
            old_id="tm-old",
            old_account="ci",
            old_live=True,
            began_at=since,
            entered_at=since,
            published_at=since,
            verified_at=proven,
            attempts=attempts,
            owned=("tm-old", "tm-new"),
            current="tm-old",
        )
        policy = Policy("ci", by_password=True, restart_consumers=restart, watch_consumers=True)
        fingerprint = "p"
        yield Situation(
            NOW, journal, policy, token, id_, "7", status, "fresh", "ci", keys=keys, password=fingerprint, demanded=True
        )


def outcomes(effect: Effect) -> Iterator[Outcome]:
    """What can come of it."""
    yield from (Refused("no"), Unknown("the answer was lost"), Conflict())
    match effect:
        case Mint():
            yield Minted(NEW)
        case ListKeys():
            yield Listed(())
        case LookAtConsumers():
            yield from (Consumers(()), Consumers(("portal",)))
        case _:
            yield Done()


def transitions(found: Iterator[Situation]) -> tuple[set[Edge], dict[State, list[str]]]:
    """Every change of state in these situations, and what is done in each state, as it is called in metrics."""
    edges: set[Edge] = set()
    done: dict[State, set[str]] = {state: set() for state in State}
    for s in found:
        step = decide(s)
        if not isinstance(step, Act):
            continue
        edges.add((s.journal.state, step.journal.state))
        if step.effect is None:
            continue
        # A drill lists, mints, proves and deletes as well; the picture tells of a replacement.
        if step.journal.purpose is Purpose.REPLACE or not isinstance(step.effect, Delete):
            done[step.journal.state].add(effect_name(step.effect))
        edges |= {
            (step.journal.state, learn(step.journal, step.effect, one, NOW).state) for one in outcomes(step.effect)
        }
    return {(one, other) for one, other in edges if one is not other}, {
        state: sorted(names, key=EFFECTS.index) for state, names in done.items()
    }


def rotation_picture() -> str:
    """The states of a rotation: forward down, back to idle on the left, back to an earlier state on the right."""
    edges, done = transitions(situations())
    _same("a transition", edges, set(WORDS))
    order, left, width, height, step = list(State), 350, 230, 46, 92
    top = {state: 14 + index * step for index, state in enumerate(order)}
    drawn: list[str] = []
    told: set[tuple[str, State]] = set()
    for one, other in sorted(edges, key=lambda edge: (order.index(edge[1]), order.index(edge[0]))):
        y, words = top[one] + height / 2, WORDS[one, other]
        if order.index(other) == order.index(one) + 1:
            drawn.append(_line([(left + width / 2, top[one] + height), (left + width / 2, top[other] - 3)]))
            drawn.append(_text(left + width / 2 + 10, top[one] + height + 26, words))
        elif other is State.IDLE:
            drawn.append(
                _line([(left, y), (24, y), (24, top[other] + height / 2), (left - 3, top[other] + height / 2)])
            )
            drawn.append(_text(32, y - 6, words))
        else:
            rail = 868 - 22 * order.index(other)
            arrives, leaves = top[other] + 12, y + 10 if one is not order[-1] else y
            drawn.append(_line([(left + width, leaves), (rail, leaves), (rail, arrives), (left + width + 3, arrives)]))
            if (words, other) not in told:
                told.add((words, other))
                drawn.append(_text(left + width + 10, arrives - 5, words))
    drawn += [
        _box(left, top[state], width, height, state.value, ", ".join(done[state]) or "(only looks)") for state in order
    ]
    bottom = top[order[-1]] + height + 26
    drawn.append(
        _text(
            450, bottom, "Below the name: what is done in that state, after it was written into the journal.", "middle"
        )
    )
    return _svg(900, bottom + 14, "The states of a rotation, and how one follows another", drawn)


def _same(what: str, found: set[object] | set[Edge] | set[str], worded: set[object] | set[Edge] | set[str]) -> None:
    if found != worded:
        raise SystemExit(f"{what} without words, or words without it: {sorted(map(str, found ^ worded))}")


# --- SVG ---------------------------------------------------------------------------------------------------------------

# A white ground of its own, so that dark pages show it as well.
STYLE = (
    "text{font-family:system-ui,sans-serif;font-size:12px;fill:#24292f}.name{font-size:14px;font-weight:600}"
    ".box{fill:#eef4fb;stroke:#33587a}.line{fill:none;stroke:#57606a}"
)
ARROW = '<marker id="end" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#57606a"/></marker>'


def _svg(width: int, height: float, title: str, drawn: Sequence[str]) -> str:
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:g}" width="{width}" height="{height:g}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            f"<defs>{ARROW}</defs>",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            *drawn,
            "</svg>\n",
        )
    )


def _box(x: float, y: float, width: float, height: float, name: str, words: str) -> str:
    middle = x + width / 2
    return (
        f'<rect class="box" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>'
        f'<text class="name" x="{middle:g}" y="{y + 19:g}" text-anchor="middle">{escape(name)}</text>'
        f"{_text(middle, y + 36, words, 'middle')}"
    )


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'


def _line(points: Sequence[tuple[float, float]]) -> str:
    return f'<path class="line" d="M{"L".join(f"{x:g} {y:g}" for x, y in points)}" marker-end="url(#end)"/>'


PICTURES = {"layers.svg": layers_picture, "rotation.svg": rotation_picture}

if __name__ == "__main__":
    for name, make in PICTURES.items():
        (IMAGES / name).write_text(make(), "utf-8")
