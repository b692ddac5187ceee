"""One world as a value: how the monitor is configured, what surrounds it, and what happens when.

A scenario writes one by hand, a seed draws one (`draw`). It says all that decides about a run, beside its seed.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulation.weather import Spell


@dataclass(frozen=True, slots=True)
class Moment:
    """Something happens at `at` (virtual seconds). what: the name of a method of `People`; given: what it is told."""

    at: float
    what: str
    given: tuple[float | str, ...] = ()

    def __str__(self) -> str:
        told = f" {self.given}" if self.given else ""
        return f"{self.at:.1f} s: {self.what}{told}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A world. Times are seconds.

    by_password: password mode; else a live key mints its successor (`renew`). lags: of each replica of Argo CD, how long
    it takes to see what another one wrote. consumers: how each reads the token: `env` (at the start of a pod that the
    monitor restarts), `mounted` (a file that the kubelet renews), `live` (through the API). elected: whether there is a
    Lease among the replicas. watched: whether Secrets may be watched. every_replica: whether each replica of Argo CD is asked
    at its own address. watch_argocd: whether Argo CD's own ConfigMap and Secret are watched. skews: how wrong the clock of each machine is.
    active: for how long things happen; calm: for how long at most the world then has time to heal. stretch: how much
    more seldom everybody looks, for worlds of months: consumers and invariants, and jobs that have nothing to do.
    """

    by_password: bool = True
    interval: float = 15.0
    account_interval: float = 300.0
    replicas: int = 1
    lags: tuple[float, ...] = (0.0,)
    expires_in: int | None = None
    every: float | None = None
    drill_every: float | None = None
    grace: float = 120.0
    longest_wait: float = 600.0
    settle: float = 15.0
    consumers: tuple[str, ...] = ("live",)
    starts_with: str = "nothing"
    elected: bool = True
    watched: bool = True
    every_replica: bool = False
    watch_argocd: bool = False
    skews: tuple[float, ...] = (0.0, 0.0, 0.0)
    latency: float = 0.02
    active: float = 1200.0
    calm: float = 1500.0
    stretch: float = 1.0
    moments: tuple[Moment, ...] = ()
    spells: tuple[Spell, ...] = ()

    @property
    def restarts(self) -> bool:
        """Whether the monitor restarts consumers."""
        return "env" in self.consumers
