"""The only wiring: settings in, a running monitor out.

`assembly` makes targets out of settings, `ticker` is APScheduler, `daemon` starts and ends everything.
"""
