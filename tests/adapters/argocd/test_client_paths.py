"""Where a question is put: a path that Go's router leaves as it is."""

from __future__ import annotations

import pytest
from monitor.adapters.argocd.client import USERINFO, request_path
from monitor.core.questions import Question, Topic

CAN_I = "/api/v1/account/can-i"


@pytest.mark.parametrize(
    ("permission", "path"),
    [
        ("applications/get/*/*", "applications/get/*/*"),
        ("clusters/get/https://kubernetes.default.svc", "clusters/get/https%3A%2F%2Fkubernetes.default.svc"),
        ("repositories/get/git@example.com:a/b.git", "repositories/get/git%40example.com%3Aa/b.git"),
        ("applications/get/../x", "applications/get/%2E%2E/x"),
        ("applications/get/./x", "applications/get/%2E/x"),
        ("applications/get/a//b///c", "applications/get/a%2F%2Fb%2F%2F/c"),
        ("applications/get/a?b#c%2F", "applications/get/a%3Fb%23c%252F"),
    ],
)
def test_a_permission_is_asked_in_a_path_that_stays_as_it_is(permission: str, path: str) -> None:
    assert request_path(Question(Topic.PERMISSION, permission=permission)) == f"{CAN_I}/{path}"


def test_an_account_is_one_part_of_the_path() -> None:
    assert request_path(Question(Topic.ACCOUNT, account="a/b c")) == "/api/v1/account/a%2Fb%20c"


def test_the_control_token_is_asked_about_where_the_real_one_is() -> None:
    assert request_path(Question(Topic.CONTROL_USERINFO)) == request_path(Question(Topic.USERINFO)) == USERINFO
