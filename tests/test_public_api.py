"""The names that others may rely on. A change here is a change that users see, and goes into the CHANGELOG."""

import importlib
from importlib.metadata import version

import pytest

import bridge
from bridge import errors

FACES = {
    "bridge.model": """
        AccountId Bar BookDelta BookLevel BookReplacement BookSnapshot Cause Code Covered FeedHealth
        FeedName FeedStatus Gap Goaway InstrumentId Interval Levels LogEvent MICROSECONDS MILLISECONDS
        MarketEvent OrderUpdate Problem QUOTE_FIELDS Quote QuotePatch Retry SECONDS Side Stream Topic
        TopicKind TopicRefused Trade Uncovered UnixNanos UpstreamEvent Verdict Want Wishes decimal_text exact
        rfc3339 topic_of unix_nanos
    """,
    "bridge.dialects.contract": """
        Action Answer Asked ClientLimits Comment Conversation Credential CredentialEnding Decoder Dialect
        Encoder EncoderOptions Endpoint EndpointKind ErrorBody ErrorSaid Frame Health Heartbeat HttpAnswer
        HttpRequest Lane Manner Message Mint Missed Outcome Parameter Passage Place Profile Question
        QuestionKind Ready Refusal Refused Renew Reply Request Requests Signal Site Spelling StateAnswer
        StateQuestion Subscribe SubscriptionsLost SymbolTable Transport TransportProfile Unknown Unsubscribe
        VendorError read_comment
    """,
    "bridge.tape": """
        Tape TapeEvent generate read_tape
    """,
    "bridge.config": """
        BrokerSettings Config Listed changed_keys effective load_config parse_config
    """,
    "bridge.errors": """
        BridgeError ConfigError Mistake Mistakes SubscriberProtocolError TransportLost Unspeakable VendorProtocolError
        VendorRefused
    """,
}


@pytest.mark.parametrize("name", FACES)
def test_a_module_gives_away_exactly_its_names(name):
    module = importlib.import_module(name)
    given = getattr(module, "__all__", None) or [k for k, v in vars(module).items() if isinstance(v, type)]
    assert sorted(given) == sorted(FACES[name].split())
    assert all(hasattr(module, each) for each in given)


@pytest.mark.parametrize("name", FACES)
def test_every_class_given_away_says_what_it_is(name):
    module = importlib.import_module(name)
    for each in FACES[name].split():
        thing = getattr(module, each)
        if isinstance(thing, type):
            assert thing.__doc__, f"{name}.{each}"


def test_the_installed_version_is_the_packages_own():
    assert version("feedbridge") == bridge.__version__


def test_every_error_of_ours_is_a_bridge_error():
    given = (getattr(errors, name) for name in FACES["bridge.errors"].split())
    assert all(issubclass(one, errors.BridgeError) for one in given if one is not errors.Mistakes)
