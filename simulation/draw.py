"""A seed becomes a world: what is configured, what surrounds it, who does what when, and what goes wrong."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

from simulation.plan import Moment, Plan
from simulation.weather import Kind, Side, Spell

MINUTE = 60.0
# What people and machines do, and how often in comparison.
DEEDS: dict[str, int] = {
    "revoke": 5,
    "revoke_newest": 2,
    "mint_by_hand": 1,
    "put_own_token": 3,
    "put_garbage": 2,
    "delete_secret": 2,
    "delete_value": 2,
    "recreate_secret": 2,
    "touch_secret": 3,
    "declare": 3,
    "change_password": 3,
    "write_wrong_password": 2,
    "disable": 2,
    "remove_account": 1,
    "take_capability": 1,
    "log_in_wrongly": 2,
    "restart_argocd": 3,
    "change_signing_key": 1,
    "compact": 2,
    "drop_watches": 2,
    "silence_watches": 1,
    "kubernetes_away": 2,
    "edit_workload": 1,
    "demand": 5,
    "crash": 14,
    "end": 3,
    "freeze": 4,
    "set_clock": 2,
}
_WEATHER = {
    Side.ARGOCD: (
        Kind.REFUSED,
        Kind.DNS,
        Kind.HANG,
        Kind.LOST_REQUEST,
        Kind.LOST_ANSWER,
        Kind.SILENT_ANSWER,
        Kind.CUT_ANSWER,
        Kind.LATE_REQUEST,
        Kind.LATE_ANSWER,
        Kind.UNAVAILABLE,
        Kind.SERVER_ERROR,
        Kind.ERROR_AFTER,
        Kind.THROTTLED,
        Kind.LOGIN_PAGE,
        Kind.REDIRECT,
        Kind.STRIPPED,
        Kind.CACHING,
    ),
    Side.KUBERNETES: (
        Kind.REFUSED,
        Kind.HANG,
        Kind.LOST_REQUEST,
        Kind.LOST_ANSWER,
        Kind.SILENT_ANSWER,
        Kind.LATE_REQUEST,
        Kind.LATE_ANSWER,
        Kind.UNAVAILABLE,
        Kind.SERVER_ERROR,
        Kind.ERROR_AFTER,
        Kind.THROTTLED,
        Kind.SILENT_WATCH,
        Kind.DROPPED_WATCH,
        Kind.STALE,
    ),
}
# What changes something: faults that strike only there do the most harm.
_WRITES = {
    Side.ARGOCD: ("POST *", "POST */token", "POST */token", "DELETE *"),
    Side.KUBERNETES: ("create *", "patch *", "patch *journal*"),
}


# What befalls single pods of Argo CD, in worlds where each is asked at its own address.
POD_DEEDS: dict[str, int] = {"replace_pod": 4, "stick_pod": 4, "unready_pod": 2, "wall_off_pod": 2, "empty_slice": 1}
# Of so many worlds, one has a feature of the product that targets need not have.
FEATURE = 4
# When something is done to the key after a replica lost its watch: it will not know of it.
SOON = (5.0, 20.0, 60.0)


def draw(seed: int) -> Plan:
    """The world of a seed. What it has beside the plain one comes of a chance of its own, so that all else stays as it was."""
    plan = plain(seed)
    dice = random.Random(f"features {seed}")
    every_replica, watch_argocd = dice.randrange(FEATURE) == 0, dice.randrange(FEATURE) == 0
    if watch_argocd:
        plan = replace(plan, watch_argocd=True)
    if every_replica:
        moments = (*plan.moments, *_of_pods(dice, plan))
        plan = replace(plan, every_replica=True, moments=tuple(sorted(moments, key=lambda moment: moment.at)))
    return plan


def _of_pods(dice: random.Random, plan: Plan) -> Iterator[Moment]:
    for deed in dice.choices(tuple(POD_DEEDS), tuple(POD_DEEDS.values()), k=dice.randint(1, 4)):
        moment = _pod_moment(dice, plan, deed)
        yield moment
        if deed == "stick_pod" and dice.random() < 0.8:
            afterwards, given = dice.choice((("revoke", ()), ("put_own_token", ()), ("demand", (0.0,))))
            yield Moment(moment.at + dice.choice(SOON), afterwards, given)
        if deed in ("replace_pod", "unready_pod") and dice.random() < 0.4:
            yield Moment(max(0.5, moment.at - dice.choice(SOON)), "kubernetes_away", (dice.choice((60.0, 400.0)),))


def _pod_moment(dice: random.Random, plan: Plan, deed: str) -> Moment:
    pod = float(dice.randrange(len(plan.lags)))
    # What takes minutes to matter comes early.
    at = round(dice.uniform(1.0, plan.active * (0.4 if deed == "stick_pod" else 0.9)), 1)
    drawn: dict[str, tuple[float | str, ...]] = {
        "replace_pod": (pod, dice.choice((0.0, 5.0, 60.0))),
        "stick_pod": (pod, dice.choice((60.0, 400.0, 900.0))),
        "unready_pod": (pod, dice.choice((20.0, 200.0, 400.0))),
        "wall_off_pod": (pod, dice.choice((20.0, 200.0, 400.0))),
        "empty_slice": (dice.choice((20.0, 200.0)),),
    }
    return Moment(at, deed, drawn[deed])


def plain(seed: int) -> Plan:
    """The same without any of these."""
    dice = random.Random(f"plan {seed}")
    active = dice.choice((8, 12, 18)) * MINUTE
    replicas = dice.choice((1, 1, 1, 2, 2, 3))
    by_password = dice.random() < 0.75
    expires_in = dice.choice((None, None, 900, 1800, 7200))
    consumers = tuple(kind for kind in ("env", "mounted", "live") if dice.random() < 0.5)
    return Plan(
        by_password=by_password,
        interval=dice.choice((15.0, 30.0)),
        replicas=replicas,
        lags=dice.choice(((0.0,), (0.0,), (0.0, 0.0), (0.0, 4.0), (0.0, 8.0, 2.0), (12.0, 0.0))),
        expires_in=expires_in,
        every=dice.choice((None, None, 400.0, 900.0)),
        drill_every=dice.choice((None, None, None, 600.0)),
        grace=dice.choice((90.0, 120.0, 180.0)),
        consumers=consumers,
        starts_with=dice.choice(("nothing", "a live token", "a short token", "a dead token", "garbage"))
        if by_password
        else dice.choice(("a live token", "a short token")),
        elected=dice.random() < 0.8,
        watched=dice.random() < 0.8,
        skews=tuple(dice.choice((0.0, 0.0, 0.0, 2.0, -2.0, 10.0)) for _ in range(3)),
        latency=dice.choice((0.002, 0.02, 0.02, 0.2)),
        active=active,
        moments=tuple(_moments(dice, active, replicas)),
        spells=tuple(_spells(dice, active)),
    )


def _moments(dice: random.Random, active: float, replicas: int) -> list[Moment]:
    deeds = dice.choices(tuple(DEEDS), tuple(DEEDS.values()), k=dice.randint(1, 10))
    return sorted((_moment(dice, active, replicas, deed) for deed in deeds), key=lambda moment: moment.at)


def _moment(dice: random.Random, active: float, replicas: int, deed: str) -> Moment:
    replica = float(dice.randrange(replicas))
    # Rounded, so that a moment can be told in words and typed again.
    at = round(dice.uniform(1.0, active - 30.0), 1)
    drawn: dict[str, Callable[[], tuple[float | str, ...]]] = {
        "declare": lambda: (dice.choice((1.0, 2.0, 50.0)),),
        "put_own_token": lambda: (dice.choice((0.0, 0.0, 1800.0)),),
        "change_password": lambda: (dice.choice((0.0, 5.0, 200.0, 600.0)),),
        "disable": lambda: (dice.choice((20.0, 200.0, 500.0)),),
        "remove_account": lambda: (dice.choice((20.0, 300.0)),),
        "take_capability": lambda: (dice.choice((20.0, 300.0)),),
        "log_in_wrongly": lambda: (dice.choice((1.0, 3.0, 5.0)),),
        "restart_argocd": lambda: (dice.choice((0.0, 3.0, 30.0, 120.0)),),
        "change_signing_key": lambda: (dice.choice((0.0, 10.0)),),
        "kubernetes_away": lambda: (dice.choice((5.0, 60.0, 400.0)),),
        "demand": lambda: (replica,),
        "crash": lambda: (replica, dice.choice((0.5, 5.0, 30.0, 120.0)), float(dice.choice((1, 3, 10, 40, 200)))),
        "end": lambda: (replica, dice.choice((4.0, 30.0))),
        "freeze": lambda: (replica, dice.choice((3.0, 15.0, 60.0, 90.0))),
        # Clocks of several machines that differ by an hour break every promise that is kept across replicas.
        "set_clock": lambda: (replica, dice.choice((-30.0, 90.0, -3600.0, 3600.0) if replicas == 1 else (-10.0, 10.0))),
    }
    given = drawn[deed]() if deed in drawn else ()
    return Moment(at, deed, given)


def _spells(dice: random.Random, active: float) -> list[Spell]:
    spells: list[Spell] = []
    for _ in range(dice.choice((0, 1, 2, 3, 4))):
        side = dice.choice(tuple(Side))
        begin = round(dice.uniform(0.0, active - 60.0), 1)
        lasts = dice.choice((5.0, 30.0, 120.0, 300.0))
        on_writes = dice.random() < 0.5
        spells.append(
            Spell(
                side,
                dice.choice(_WEATHER[side]),
                begin,
                min(begin + lasts, active),
                chance=dice.choice((1.0, 0.5, 0.2)),
                match=dice.choice(_WRITES[side]) if on_writes else "*",
                seconds=dice.choice((0.5, 5.0, 12.0, 45.0)),
            )
        )
    return spells
