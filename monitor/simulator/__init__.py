"""A simulated Argo CD API server: the part that deals with credentials, in the words of 3.x or of 2.x.

It answers as the recorded servers do (`tests/recordings`), and where the recordings are silent as the source of
Argo CD reads. Pure state and answers come first; `app` puts them behind a socket:

    from monitor.simulator.api import Request, handle
    from monitor.simulator.app import running
    from monitor.simulator.faults import Fault, Front
    from monitor.simulator.rbac import Role
    from monitor.simulator.state import ArgoCDState

    state = ArgoCDState(clock=lambda: 1_800_000_000.0, seed=1, wording="3")
    state.create_account("ci", password="secret", role=Role.READONLY)
    token = state.mint_key("ci", "tm-1")
    handle(state, Request("GET", "/api/v1/session/userinfo", {"authorization": f"Bearer {token}"}))
    state.revoke_key("ci", "tm-1")         # ... and the next answer is {} with 200

    front = Front(state)
    async with running(front, "127.0.0.1") as url:
        front.fault = Fault.HANG           # ... and the next answer does not come

Not simulated: SSO, Dex, gRPC, applications themselves, Redis, casbin policies of the user.
Passwords are held as salted SHA-256, not bcrypt: nothing here protects anything.
"""
