"""The command `token-monitor`: one subcommand a file. Exit codes: 0, 1, 2 by verdict, 3 for all that cannot be told."""
