"""What a fleet costs: start, lateness and memory for 10 to 10,000 targets, detection latencies, failover.

Everything is measured from outside a real `token-monitor run`: its metrics, its pages, its log, and /proc.
"""
