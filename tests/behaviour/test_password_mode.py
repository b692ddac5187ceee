"""Password mode on Kubernetes: the key is made, replaced when it is refused, and everybody who asks is told of it."""

from __future__ import annotations

import base64
import json

from monitor.config.settings import RotationSettings
from monitor.core.status import Status
from monitor.simulator.kubernetes import kubectl

from tests.behaviour.service import (
    ACCOUNT,
    KEY,
    NAMESPACE,
    SECRET,
    TARGET,
    Outside,
    Service,
    service,
    until,
    until_told,
)


async def in_use(running: Service, world: Outside, rotations: int) -> str:
    """The key in use, once that many rotations ended and no other key of ours is left."""
    await until(
        lambda: (
            running.status() is Status.VALID
            and running.rotation().rotations == rotations
            and world.keys() == {world.key_in_use()}
        ),
        seen=lambda: (running.status(), running.rotation(), world.keys(), world.key_in_use()),
    )
    key_id = world.key_in_use()
    assert key_id is not None
    return key_id


def reasons(world: Outside) -> list[str]:
    """The reasons of the Events, in the order in which they were made."""
    return [str(event["reason"]) for event in sorted(world.events(), key=lambda event: str(event["eventTime"]))]


async def test_where_there_is_no_key_one_is_made(world: Outside) -> None:
    async with service(world.settings(world.password_target())) as running:
        key_id = await in_use(running, world, 1)
        assert key_id.startswith("tm-")
        told = await running.told()
        assert (told["status"], told["token_id"], told["account"]) == ("valid", key_id, ACCOUNT)
        assert told["rotation"]["rotations"] == 1
        assert told["rotation"]["live_keys"] == 1
        assert told["rotation"]["rotated_at"] is not None
        assert (await running.get("/healthz"))[0] == 200


async def test_a_deleted_key_is_replaced_and_the_secret_keeps_everything_else(world: Outside) -> None:
    kubectl.put_secret(
        world.cluster,
        NAMESPACE,
        SECRET,
        {KEY: world.new_token("by-hand"), "other": "kept"},
        labels={"team": "gitops"},
        annotations={"note": "kept"},
    )
    async with service(world.settings(world.password_target())) as running:
        await until(lambda: running.status() is Status.VALID)
        world.argocd.revoke_key(ACCOUNT, "by-hand")
        await in_use(running, world, 1)
    kept = kubectl.get(world.cluster, "secrets", NAMESPACE, SECRET)
    assert kept is not None
    assert base64.b64decode(kept["data"]["other"]) == b"kept"
    assert kept["metadata"]["labels"]["team"] == "gitops"
    assert kept["metadata"]["annotations"]["note"] == "kept"


async def test_everybody_who_asks_is_told_of_the_rotation(world: Outside) -> None:
    async with service(world.settings(world.password_target())) as running:
        first = await in_use(running, world, 1)
        world.argocd.revoke_key(ACCOUNT, first)
        second = await in_use(running, world, 2)

        rotation = (await running.told())["rotation"]
        assert (rotation["state"], rotation["rotations"], rotation["problem"]) == ("idle", 2, None)
        labels = f'{{target="{TARGET}"}}'
        assert await running.metric(f"tokenmonitor_rotations_total{labels}") == 2.0
        assert await running.metric(f"tokenmonitor_live_keys{labels}") == 1.0
        assert await running.metric(f"tokenmonitor_token_accepted{labels}") == 1.0
        assert await running.metric(f"tokenmonitor_login_failures_total{labels}") == 0.0
        assert await running.metric(f"tokenmonitor_rotation_consecutive_failures{labels}") == 0.0
        assert await running.metric(f'tokenmonitor_rotation_state{{target="{TARGET}",state="idle"}}') == 1.0
        assert await running.metric(f"tokenmonitor_rotation_last_success_timestamp_seconds{labels}") is not None
        _, page = await running.get("/", Accept="text/html")
        assert second in page
        status, health = await running.get("/healthz")
        assert (status, health.startswith(f"{TARGET} valid since")) == (200, True)


async def test_events_tell_of_the_refusal_the_rotation_and_its_end(world: Outside) -> None:
    async with service(world.settings(world.password_target())) as running:
        first = await in_use(running, world, 1)
        await until(lambda: len(world.events()) == 3, seen=lambda: reasons(world))
        assert sorted(reasons(world)) == ["TokenAccepted", "TokenRefused", "TokenRotated"]
        world.argocd.revoke_key(ACCOUNT, first)
        second = await in_use(running, world, 2)
        # That it is accepted again is the same as before, in the same words: a series, which is written once a minute.
        await until(lambda: len(world.events()) == 5, seen=lambda: reasons(world))
        assert sorted(reasons(world)[3:]) == ["TokenRefused", "TokenRotated"]
        rotated = str(max(world.events("TokenRotated"), key=lambda event: str(event["eventTime"]))["message"])
        assert second in rotated
        assert first in rotated
        about = {(event["involvedObject"]["kind"], event["involvedObject"]["name"]) for event in world.events()}
        assert about == {("Secret", SECRET)}


async def test_the_account_has_no_session_left_and_no_failed_login(world: Outside) -> None:
    async with service(world.settings(world.password_target())) as running:
        await in_use(running, world, 1)
        sessions = [token for token in world.argocd.issued if session_id(token) is not None]
        assert len(sessions) == 1
        await until(lambda: all(world.argocd.session_ended(session_id(token) or "") for token in sessions))


async def test_a_cause_that_a_new_key_does_not_mend_makes_none(world: Outside) -> None:
    async with service(world.settings(world.password_target())) as running:
        key_id = await in_use(running, world, 1)
        issued = len(world.argocd.issued)
        world.argocd.disable_account(ACCOUNT)
        await until(lambda: running.status() is Status.ACCOUNT_DISABLED)
        await until(lambda: "account_disabled" in running.rotation().waiting_for)
        world.argocd.enable_account(ACCOUNT)
        await until(lambda: running.status() is Status.VALID)
        assert world.keys() == {key_id}
        assert len(world.argocd.issued) == issued


async def test_a_consumer_is_never_refused_while_keys_are_replaced_on_demand(world: Outside) -> None:
    target = world.password_target(rotation=RotationSettings(grace=0.3, settle=0.0))
    async with service(world.settings(target)) as running:
        await in_use(running, world, 1)
        for number in range(2, 5):
            running.daemon.demand(TARGET)
            await in_use(running, world, number)
        assert set(running.report().failures_by_status.values()) <= {0}
        assert "TokenRefused" not in reasons(world)[3:]


async def test_while_it_has_to_wait_it_says_what_for(world: Outside) -> None:
    world.delete_secret("argocd-initial-admin-secret")
    async with service(world.settings(world.password_target())) as running:

        async def says_so() -> object:
            rotation = (await running.told())["rotation"]
            return rotation is not None and "no password" in str(rotation["waiting_for"])

        await until_told(says_so)
        status, health = await running.get("/healthz")
        assert (status, " missing since" in health) == (503, True)


def session_id(token: str) -> str | None:
    """The id of a session's token; None for a key's."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims["jti"]) if str(claims["sub"]).endswith(":login") else None


async def test_a_password_with_letters_beyond_ascii_is_sent_as_it_was_written(world: Outside) -> None:
    world.change_password("pässwörd")
    world.tell_password("pässwörd")
    async with service(world.settings(world.password_target())) as running:
        await until(lambda: running.rotation().rotations == 1)
