"""Tokens that no Argo CD hands out, signed with its own key or by nobody: what it says of them, and what a check says.

With anonymous access Argo CD gives no reason; what the token itself shows is then inferred, and comes out the same.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from monitor.core.status import Kind, Status

from tests.contract.argocd.judging import judged
from tests.contract.argocd.lab import Lab, Settings

YEAR = 365 * 86_400


@dataclass(frozen=True, slots=True)
class Forged:
    """Changes to the claims of a live key (None takes one away). inferred: under anonymous access, where that is another."""

    status: Status
    changes: Mapping[str, Any] = field(default_factory=dict)
    algorithm: str = "HS256"
    inferred: Status | None = None
    in_v2: Status | None = None


FORGED = {
    "nothing is changed": Forged(Status.VALID),
    "HS512": Forged(Status.VALID, algorithm="HS512"),
    "dated in the future": Forged(Status.NOT_YET_VALID, {"nbf": time.time() + YEAR}),
    "issued in the future": Forged(Status.VALID, {"iat": int(time.time()) + YEAR}, in_v2=Status.NOT_YET_VALID),
    "over": Forged(Status.EXPIRED, {"exp": 5}),
    "over before the epoch": Forged(Status.EXPIRED, {"exp": -5}, inferred=Status.REJECTED),
    "its end is a text": Forged(Status.MALFORMED, {"exp": "soon"}, inferred=Status.REJECTED),
    "its end is a list": Forged(Status.MALFORMED, {"exp": []}, inferred=Status.REJECTED),
    "its beginning is a text": Forged(Status.MALFORMED, {"nbf": "soon"}, inferred=Status.REJECTED),
    "an end that is not on record": Forged(Status.VALID, {"exp": int(time.time()) + YEAR}),
    "its issue is a text": Forged(Status.MALFORMED, {"iat": "soon"}, inferred=Status.REJECTED),
    "its issue is a number as a text": Forged(
        Status.MALFORMED, {"iat": "1795627502"}, inferred=Status.REJECTED, in_v2=Status.NOT_YET_VALID
    ),
    "no issue": Forged(Status.MALFORMED, {"iat": None}, inferred=Status.REJECTED),
    "no id": Forged(Status.MALFORMED, {"jti": None}),
    "an empty id": Forged(Status.MALFORMED, {"jti": ""}),
    "a number for an id": Forged(Status.MALFORMED, {"jti": 7}),
    "an id that nobody made": Forged(Status.REVOKED, {"jti": "nobody-made-it"}),
    "no subject": Forged(Status.MALFORMED, {"sub": None}),
    "a number for a subject": Forged(Status.MALFORMED, {"sub": 7}),
    "a number for an audience": Forged(Status.VALID, {"aud": 7}, in_v2=Status.MALFORMED),
    "a subject without a name": Forged(Status.MALFORMED, {"sub": ":apiKey"}, inferred=Status.REJECTED),
    "the old style of subject": Forged(Status.VALID, {"sub": "ci"}),
    "a capability that does not exist": Forged(Status.VALID, {"sub": "ci:nonsense"}),
    "an account that does not exist": Forged(Status.ACCOUNT_MISSING, {"sub": "ghost:apiKey"}),
    "an address of mail": Forged(Status.ACCOUNT_MISSING, {"sub": "some.one@example.com"}),
    "an account with a slash": Forged(Status.ACCOUNT_MISSING, {"sub": "a/b:apiKey"}, inferred=Status.REJECTED),
    "an account with a quote": Forged(Status.ACCOUNT_MISSING, {"sub": "it's:apiKey"}),
    "a project that does not exist": Forged(Status.ACCOUNT_MISSING, {"sub": "proj:nope:a"}, inferred=Status.REJECTED),
    "a role that does not exist": Forged(Status.REVOKED, {"sub": "proj:default:nope"}, inferred=Status.REJECTED),
    "a role without project and name": Forged(Status.MALFORMED, {"sub": "proj::"}, inferred=Status.REJECTED),
    "half a role": Forged(Status.ACCOUNT_MISSING, {"sub": "proj:default"}),
    "another issuer": Forged(Status.FOREIGN_ISSUER, {"iss": "https://sso.example/realms/a"}),
    "no issuer": Forged(Status.FOREIGN_ISSUER, {"iss": None}, inferred=Status.VALID),
    "as large as that of an identity provider": Forged(Status.VALID, {"groups": ["a-group-of-people"] * 1_500}),
}


def forge(claims: Mapping[str, Any], key: bytes, algorithm: str) -> str:
    """As golang-jwt reads it, and not as PyJWT would let it through: the claims may be of any type."""
    head = ".".join(segment({"alg": algorithm, "typ": "JWT"}) for _ in range(1)) + "." + segment(claims)
    signature = jwt.get_algorithm_by_name(algorithm).sign(head.encode(), key)
    return f"{head}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


async def forged(lab: Lab, settings: Settings, what: Forged) -> str:
    _, token = await lab.mint()
    claims = {**jwt.decode(token, options={"verify_signature": False}), **what.changes}
    left = {name: value for name, value in claims.items() if value is not None}
    return forge(left, await settings.signing_key(), what.algorithm)


@pytest.mark.parametrize("what", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_token_gets_the_verdict_of_its_fault(lab: Lab, settings: Settings, what: Forged) -> None:
    verdict = await judged(lab, await forged(lab, settings, what))
    expected = what.in_v2 if lab.words_of_v2 and what.in_v2 is not None else what.status
    assert (verdict.status, verdict.accepted) == (expected, expected.accepted), verdict.cause
    assert "not known" not in verdict.cause
    assert verdict.remedy


async def test_a_token_without_an_id_is_told_as_that_in_the_words_of_every_version(
    lab: Lab, settings: Settings
) -> None:
    token = await forged(lab, settings, FORGED["no id"])
    assert "carries no id" in (await judged(lab, token)).cause


async def test_anonymous_access_hides_no_forged_token(lab: Lab, settings: Settings) -> None:
    _, live = await lab.mint()
    await settings.anonymous(True)

    async def is_on() -> bool:
        return (await judged(lab, live)).anonymous_access is True

    await lab.until(is_on)
    refused = {name: what for name, what in FORGED.items() if what.status.kind is Kind.REFUSED and name != "no issuer"}
    seen = {name: await judged(lab, await forged(lab, settings, what)) for name, what in refused.items()}
    wrong = {
        name: (verdict.status, verdict.cause)
        for name, verdict in seen.items()
        if verdict.status is not (refused[name].inferred or refused[name].status)
    }
    assert not wrong
    assert all("inferred" in verdict.cause for verdict in seen.values())


@pytest.mark.parametrize(
    "disguise",
    ["{}.x", '"{}"', "'{}'", "token={}", "{},", "{}.", "{}=", "{}{}", "Bearer%20{}", "{}\\n", "b'{}'"],
)
async def test_more_than_the_token_is_malformed(lab: Lab, settings: Settings, disguise: str) -> None:
    _, token = await lab.mint()
    value = disguise.format(token, token)
    assert (await judged(lab, value)).status is Status.MALFORMED


async def test_a_token_that_was_encoded_twice_is_told_as_that(lab: Lab) -> None:
    _, token = await lab.mint()
    verdict = await judged(lab, base64.b64encode(token.encode()).decode())
    assert verdict.status is Status.MALFORMED
    assert "in base64" in verdict.cause
