"""The monitor's own HTTP server: reads and shows, and changes nothing.

`pages` makes each answer out of reports, `status_page` the one for people (from the files that `resources` knows),
`limits` holds every bound, `protocol` is one connection and who may have one, `server` listens, routes and ends,
`tls` is its certificate.
"""
