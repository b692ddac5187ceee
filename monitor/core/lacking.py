"""What an accepted token lacks of the permissions that its consumer needs, from the answers to `can-i`."""

from __future__ import annotations

from monitor.core.answers import CODE_INVALID_ARGUMENT, read_can_i, read_error
from monitor.core.model import Expectation, Observation, Reply
from monitor.core.remedies import remedy
from monitor.core.status import Status


def lacking(seen: Observation, expected: Expectation, account: str) -> tuple[str, str] | None:
    """Cause and remedy, or None where nothing lacks. What was not answered says nothing: the next check asks again."""
    named, asked = account or "(without a name)", list(zip(expected.permissions, seen.permissions, strict=False))
    missing = [permission for permission, answer in asked if read_can_i(answer) is False]
    if missing:
        do = remedy(Status.INSUFFICIENT_PERMISSIONS, expected, account)
        if any("//" in permission for permission in missing):
            # Seen on a server of 3.6: `https://x` in the path of a question arrives as `https:/x`.
            do += (
                " Argo CD drops a slash of `//` when it is asked: where the policy has the whole URL, require a pattern"
                " instead, like clusters/get/*."
            )
        return f"the token works, but account {named} lacks the permission {', '.join(missing)}", do
    unknown = [
        f"{permission} ({error.message})"
        for permission, answer in asked
        if (error := read_error(answer)) is not None and error.code == CODE_INVALID_ARGUMENT
    ]
    if unknown:
        return (
            f"the token works, but Argo CD does not know the permission {unknown[0]}",
            "Correct `requiredPermissions`: RESOURCE/ACTION/OBJECT in the words that the server's answer lists.",
        )
    # So a router of before Go 1.22 answers to a path with `//`, however it is written.
    redirected = [
        permission for permission, answer in asked if isinstance(answer, Reply) and 300 <= answer.status < 400
    ]
    if redirected:
        return (
            f"the token works, but this server cannot be asked for the permission {redirected[0]}: it redirects the question",
            "Write its object in `requiredPermissions` as a pattern without `//`, like clusters/get/*.",
        )
    return None
