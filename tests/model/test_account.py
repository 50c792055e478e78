import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model import FeedName
from bridge.model.account import is_private, order_feed, private_account, vendor_feed

DESK = FeedName("desk")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def test_a_vendors_user_has_an_account_of_issuer_and_subject():
    digits = hashlib.sha256(b"https://id").hexdigest()[:12]
    assert private_account(DESK, "https://id", "alice") == f"desk/~{digits}.alice"
    assert private_account(DESK, "https://id", "a/b\n~é%") == f"desk/~{digits}.a%2Fb%0A~%C3%A9%25"


@given(TEXT, TEXT)
def test_different_subjects_have_different_accounts_of_plain_characters(one, other):
    accounts = [private_account(DESK, "i", subject) for subject in (one, other)]
    assert (accounts[0] == accounts[1]) == (one == other)
    for account in accounts:
        assert account.isascii()
        assert account.isprintable()
        assert account.count("/") == 1
        assert is_private(account)
        assert order_feed(account) == account
        assert vendor_feed(account) == DESK


def test_different_issuers_and_feeds_have_different_accounts():
    accounts = [private_account(FeedName(feed), issuer, "alice") for feed in ("a", "b") for issuer in ("", "x", "y")]
    assert len(set(accounts)) == 6


@pytest.mark.parametrize("subject", ["", "a" * 256, "é" * 50, "\ud800"])
def test_a_subject_that_cannot_be_spelled_within_the_bound_has_none(subject):
    with pytest.raises(ValueError):  # noqa: PT011 - of the standard library for what is no text
        private_account(DESK, "i", subject)


def test_an_account_that_was_written_down_belongs_to_its_feed():
    assert order_feed("desk/acme-1") == vendor_feed("desk/acme-1") == "desk"
    assert not is_private("desk/acme~1")
