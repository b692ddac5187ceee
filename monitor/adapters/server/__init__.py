"""The monitor's own HTTP server: reads and shows, and changes nothing.

`pages` makes each answer out of reports, `limits` holds every bound, `protocol` is one connection and who may have
one, `server` listens, routes and ends, `tls` is its certificate.
"""
