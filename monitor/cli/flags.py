"""The remedies of `check --server` in the words of the command line: who gave no configuration has no keys to change."""

from __future__ import annotations

# As the remedies write it (`core.remedies`, `core.classify`, `core.lacking`); the longer one first.
FLAGS = {
    "`server.url` (or svc, port and rootpath)": "`--server` and `--rootpath`",
    "`rootpath` (argocd-server's --rootpath, `server.rootpath`) and the address": "`--rootpath` (argocd-server's own"
    " --rootpath) and `--server`",
    ", or make `interval` longer": ", or ask less often",
    "or take it out of `requiredPermissions`": "or leave `--permission` out",
    "`requiredPermissions`": "`--permission`",
    "`auth.username`": "`--account`",
    "`tls.caFile`": "`--ca-file`",
    "`tls.serverName`": "`--server-name`",
    "`timeout`": "`--timeout`",
}


def in_flags(remedy: str) -> str:
    """The same remedy, with an option in the place of each key of the configuration."""
    for key, flag in FLAGS.items():
        remedy = remedy.replace(key, flag)
    return remedy
