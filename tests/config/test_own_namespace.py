"""Two rotations of one Secret, where one target names the namespace and the other means the monitor's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from monitor.config.load import load
from monitor.config.problems import ConfigurationError
from monitor.config.settings import KubernetesSettings


def written(*targets: dict[str, Any], **sections: Any) -> str:
    return yaml.safe_dump({"targets": list(targets), **sections})


def rotated(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "url": f"https://{name}.example.com", "auth": {"type": "password"}, **changes}


def in_namespace(name: str | None) -> Callable[[KubernetesSettings], str | None]:
    return lambda _: name


PAIR = (rotated("production", namespace="codefresh"), rotated("staging"))


def problem_of(text: str, own: str | None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(text, own_namespace=in_namespace(own))
    return str(caught.value)


def test_both_targets_are_named_with_the_remedy() -> None:
    assert problem_of(written(*PAIR), "codefresh") == (
        'targets[1].auth (line 7): the key of "staging" is kept in Secret argocd-token, key token, like that of'
        ' "production" (targets[0]): two rotations would undo each other (a Secret without a namespace is one of codefresh'
        " here, where the monitor finds itself); give it its own Secret or file, or set rotation.enabled: false in one of"
        " them; where the monitor runs in another namespace, write that into kubernetes.namespace"
    )


def test_the_order_of_the_targets_does_not_matter() -> None:
    assert 'the key of "production" is kept in Secret codefresh/argocd-token' in problem_of(
        written(*reversed(PAIR)), "codefresh"
    )


@pytest.mark.parametrize("own", ["monitoring", None], ids=["another namespace", "not known"])
def test_elsewhere_they_are_two_secrets(own: str | None) -> None:
    assert len(load(written(*PAIR), own_namespace=in_namespace(own)).targets) == 2


def test_a_target_that_only_watches_the_secret_is_no_second_rotation() -> None:
    watching = rotated("staging", rotation={"enabled": False})
    assert load(written(PAIR[0], watching), own_namespace=in_namespace("codefresh"))


def test_nobody_asks_for_the_namespace_where_it_decides_nothing() -> None:
    def asked(_: KubernetesSettings) -> str | None:
        raise AssertionError

    assert load(written(rotated("production", namespace="codefresh")), own_namespace=asked)
    assert load(written(*PAIR, kubernetes={"namespace": "monitoring"}), own_namespace=asked)
    another = rotated("staging", auth={"type": "password", "tokenSecretKeyRef": {"name": "other", "key": "token"}})
    assert load(written(PAIR[0], another), own_namespace=asked)


def test_the_namespace_that_is_written_counts_without_anybody_being_asked() -> None:
    assert "two rotations would undo each other" in problem_of(
        written(*PAIR, kubernetes={"namespace": "codefresh"}), None
    )
