"""The roof: the only part that sees both wings. It examines a configuration, and builds and runs a bridge or a simulator."""

from bridge.app.examination import examine
from bridge.app.house import (
    SIMULATED_ACCOUNT,
    Running,
    Simulation,
    made_up_secret,
    mint,
    run_bridge,
    run_simulator,
)
from bridge.app.plaintext import plain_upstream
from bridge.app.reload import Prepared, Reloader, prepare
from bridge.downstream.access.tokens import TokenGrant

__all__ = [
    "SIMULATED_ACCOUNT",
    "Prepared",
    "Reloader",
    "Running",
    "Simulation",
    "TokenGrant",
    "examine",
    "made_up_secret",
    "mint",
    "plain_upstream",
    "prepare",
    "run_bridge",
    "run_simulator",
]
