"""A token in a Kubernetes Secret: known from the watch where that is in touch, else read by name at each check.

Targets that read the same Secret at the same time share the request. A Secret that cannot be read keeps the last
value known and says since when; nothing there is told as such.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from monitor.adapters.kubernetes.calls import is_absent
from monitor.adapters.kubernetes.secret_data import SecretData, data_of
from monitor.adapters.kubernetes.secret_watch import SecretWatch, Sight
from monitor.cluster import Answer, KubernetesApi, NoAnswer
from monitor.core.secret import Secret
from monitor.ports import Credential


def is_secret(answer: Answer) -> bool:
    """Whether the API gave a Secret, and not a proxy something else."""
    return answer.status == 200 and answer.body.get("kind") == "Secret"


class SecretReader:
    """Reads Secrets by name; those who ask for the same one at the same time share the request.

    watch: what knows Secrets without asking; without one, every look is a request.
    """

    def __init__(self, connection: KubernetesApi, watch: SecretWatch | None = None) -> None:
        self._connection = connection
        self._watch = watch
        self._asking: dict[tuple[str | None, str], asyncio.Task[Answer | NoAnswer]] = {}

    @property
    def connection(self) -> KubernetesApi:
        """The way to the API."""
        return self._connection

    def look(self, namespace: str | None, name: str) -> Sight | None:
        """The Secret as the watch knows it; None where it does not, then `read`."""
        return self._watch.look((namespace, name)) if self._watch is not None else None

    async def read(self, namespace: str | None, name: str) -> Answer | NoAnswer:
        """The Secret as the API gives it. namespace None: the connection's own."""
        place = (namespace, name)
        task = self._asking.get(place)
        if task is None:
            task = asyncio.create_task(self._read(namespace, name), name=f"read secret {name}")
            self._asking[place] = task
            task.add_done_callback(lambda _: self._asking.pop(place, None))
        return await asyncio.shield(task)

    async def _read(self, namespace: str | None, name: str) -> Answer | NoAnswer:
        if namespace is None and (problem := await self._connection.ready()) is not None:
            return NoAnswer(problem, sent=False)
        path = f"/api/v1/namespaces/{namespace or self._connection.namespace}/secrets/{name}"
        answer = await self._connection.request("GET", path)
        if self._watch is not None and isinstance(answer, Answer) and (is_secret(answer) or is_absent(answer)):
            self._watch.noticed((namespace, name), answer.body if is_secret(answer) else None)
        return answer


class KubernetesSecretSource:
    """One key of one Secret, as a `CredentialSource`."""

    def __init__(self, reader: SecretReader, namespace: str | None, name: str, key: str) -> None:
        self._reader = reader
        self._namespace = namespace
        self._name = name
        self._key = key
        self._last: Secret | None = None
        self._lost_at: float | None = None
        # The last question to the API was not answered: its connection may be half open, and so may that of the watch.
        self._unanswered = False
        # What was made of the data that the watch showed last: it stays the same object while nothing changed.
        self._shown: tuple[SecretData, Credential] | None = None

    @property
    def where(self) -> str:
        """The place in words: `Secret codefresh/argocd-token, key token`."""
        return f"Secret {self._place}, key {self._key}"

    async def read(self, *, ask: bool = False) -> Credential:
        """The present value. ask: of the API itself, also where the watch knows it (it may be 90 s behind, at worst).

        What the API did not answer is asked again the next time: the watch may hear as little of it.
        """
        seen = None if ask or self._unanswered else self._reader.look(self._namespace, self._name)
        if seen is not None:
            return self._of_watched(seen.data) if seen.data is not None else self._missing()
        answer = await self._reader.read(self._namespace, self._name)
        self._unanswered = isinstance(answer, NoAnswer)
        if isinstance(answer, NoAnswer):
            return self._lost(answer.why)
        if is_absent(answer):
            return self._missing()
        if answer.status in (401, 403):
            return self._lost(
                f"Secret {self._place} may not be read ({answer.message}): give the monitor's service account the verb"
                f" get on secrets, resourceNames [{self._name}]"
            )
        if answer.status >= 500 or answer.status == 429:
            return self._lost(f"the Kubernetes API answered {answer.status} {answer.message}".rstrip())
        if not is_secret(answer):  # the page of a proxy is no word about the Secret, whatever its status
            return self._lost(
                f"Secret {self._place}: the answer {answer.status} is not one of a Kubernetes API; check the address in the"
                " kubeconfig and what is between"
            )
        return self._value(data_of(answer.body, (self._key,)))

    def _of_watched(self, data: SecretData) -> Credential:
        shown = self._shown
        if shown is not None and shown[0] is data and self._last is shown[1].token and self._lost_at is None:
            return shown[1]
        credential = self._value(data)
        self._shown = (data, credential) if credential.token is not None else None
        return credential

    def _value(self, data: SecretData) -> Credential:
        try:
            value = data.value(self._key)
        except ValueError:
            return self._nothing(f"Secret {self._place}, key {self._key} is not base64")
        if value is None:
            names = ", ".join(data.names) or "none"
            return self._nothing(
                f"Secret {self._place} has no key {self._key} (there are: {names}): name the right one, or add it with"
                f" `{self._command()} --dry-run=client -o yaml | kubectl apply --server-side -f -`"
            )
        self._last, self._lost_at = value, None
        text = value.reveal()
        return Credential(value, self._line_end() if text.endswith("\n") and text.strip() else "")

    def _line_end(self) -> str:
        """`echo` writes one, and is the usual way into a Secret."""
        return (
            f"Secret {self._place}, key {self._key} ends with a line end. The monitor leaves it out; whoever sends it along"
            " is refused: write the value without (`printf %s`, not `echo`)"
        )

    def _missing(self) -> Credential:
        return self._nothing(f"Secret {self._place} does not exist: make it with `{self._command()}`")

    def _nothing(self, problem: str) -> Credential:
        self._last, self._lost_at = None, None
        return Credential(None, problem)

    def _lost(self, problem: str) -> Credential:
        now = self._reader.connection.clock.now()
        self._lost_at = self._lost_at or now
        if self._last is None:
            return Credential(None, problem, readable=False)
        since = datetime.fromtimestamp(int(self._lost_at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Credential(self._last, f"the value is that of before {since}: {problem}", readable=False)

    def _command(self) -> str:
        namespace = f" -n {self._namespace}" if self._namespace else ""
        return f"kubectl create secret generic {self._name}{namespace} --from-file={self._key}=FILE"

    @property
    def _place(self) -> str:
        return f"{self._namespace}/{self._name}" if self._namespace else self._name
