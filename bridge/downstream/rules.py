"""What a running house can be told to do otherwise: all of it at once, for nothing comes between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.downstream.contract import House, ServedDialect
from bridge.downstream.door.certificates import Contexts
from bridge.downstream.settings import AuthSettings, LimitSettings, ListenSettings
from bridge.model import FeedName


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a reload may change; see `House`."""

    listen: ListenSettings
    auth: AuthSettings
    limits: LimitSettings
    served: Sequence[ServedDialect]
    instruments: Mapping[str, Sequence[FeedName]]
    certificates: Contexts | None


def adopt(house: House, rules: Rules) -> None:
    """Have a house go by other rules from now on, and tell who follows them."""
    house.listen, house.auth, house.limits = rules.listen, rules.auth, rules.limits
    house.served, house.instruments, house.certificates = rules.served, rules.instruments, rules.certificates
    house.admission.adopt(rules.auth)
    for learn in house.followers:
        learn()
