"""Whose orders: `<feed>/<name>`, and the private accounts of users who bring a vendor's own token, which nothing can grant.

A private account is `<feed>/~<issuer hash>.<subject>`. It is made here from what the vendor vouches for and from nothing else:
claims, API keys and the configuration may name any account but one of these. It is also the name of the feed that brings its
orders, which is opened with that user's token and serves nobody else.
"""

import hashlib
from urllib.parse import quote

from bridge.model.units import AccountId, FeedName

PRIVATE = "/~"
"""What no account has that somebody wrote down."""

ISSUER_DIGITS = 12
"""Hex digits of the issuer's hash: issuers are a vendor's few, named by who signs, so 48 bits keep them apart."""

MAX_SUBJECT = 255
"""Characters of a subject as it is spelled here; OpenID Connect allows as many in the subject itself."""


def private_account(feed: FeedName, issuer: str, subject: str) -> AccountId:
    """Return the account of a vendor's user: plain ASCII, with no `/` beyond the first; different users' are different.

    Raises:
        ValueError: the subject is empty, too long or no text.
    """
    spelled = quote(subject, safe="")
    if not 0 < len(spelled) <= MAX_SUBJECT:
        msg = f"a subject has 1 to {MAX_SUBJECT} characters, percent-encoded"
        raise ValueError(msg)
    return AccountId(f"{feed}{PRIVATE}{hashlib.sha256(issuer.encode()).hexdigest()[:ISSUER_DIGITS]}.{spelled}")


def is_private(name: str) -> bool:
    """Whether an account, or a feed's name, is a private one; whoever reads one from outside refuses it then."""
    return PRIVATE in name


def vendor_feed(account: str) -> FeedName:
    """Return the configured feed that an account belongs to."""
    return FeedName(account.partition("/")[0])


def order_feed(account: AccountId) -> FeedName:
    """Return the feed that brings an account's orders: of a private account, the one that has its name."""
    return FeedName(account) if is_private(account) else vendor_feed(account)
