"""The names that others may rely on: the model's, the dialects' contract's, the tapes', the configuration's."""

import importlib

import pytest

import bridge

FACES = {
    "bridge.model": 45,
    "bridge.dialects.contract": 45,
    "bridge.tape": 4,
    "bridge.config": 6,
}
"""Module → how many names it gives away; a change here is a change that users see, and goes into the CHANGELOG."""


@pytest.mark.parametrize("name", FACES)
def test_a_face_gives_away_exactly_its_names(name):
    module = importlib.import_module(name)
    assert len(module.__all__) == len(set(module.__all__))
    assert all(hasattr(module, each) for each in module.__all__)
    public = {each for each in vars(module) if not each.startswith("_") and each in module.__all__}
    assert public == set(module.__all__)
    assert len(module.__all__) == FACES[name]


@pytest.mark.parametrize("name", FACES)
def test_everything_given_away_says_what_it_is(name):
    module = importlib.import_module(name)
    for each in module.__all__:
        thing = getattr(module, each)
        if isinstance(thing, type):
            assert thing.__doc__, f"{name}.{each}"


def test_the_version_is_one():
    from importlib.metadata import version

    assert version("feedbridge") == bridge.__version__


def test_the_errors_say_whose_fault_it_is():
    from bridge import errors

    ours = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]
    assert {e.__name__ for e in ours} == {
        "BridgeError",
        "ConfigError",
        "VendorProtocolError",
        "VendorRefused",
        "TransportLost",
        "SubscriberProtocolError",
        "Unspeakable",
    }
    assert all(issubclass(e, errors.BridgeError) for e in ours)
