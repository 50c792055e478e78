"""All targets, family by family."""

from tests.fuzz import claims, clients, configuration, decoders, grammar, requests

TARGETS = [
    target for family in (decoders, clients, grammar, requests, claims, configuration) for target in family.targets()
]
