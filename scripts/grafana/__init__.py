"""The Grafana dashboards as code. `scripts.dashboards` writes them.

They are made in Grafana's classic format on purpose: every Grafana since 11 reads it, the newest ones convert it, and
the sidecar of its chart loads it. The SDK says at its import that there is a newer format; it is imported here first.
"""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
    from grafana_foundation_sdk.builders import dashboard, prometheus  # noqa: F401
