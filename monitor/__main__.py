"""`python -m monitor` is `token-monitor`."""

from monitor.cli.main import main

main()
