"""Every message that Liquidity's page prints is among our samples, word for word, and no other is said to be."""

import json
import re

from tests.dialects.exact import exact_json
from tests.dialects.liquidity.samples import DOC_MESSAGES, DOC_WS_FORM, SAMPLES

ERRORS = tuple(message for message in DOC_MESSAGES if b'"error"' in message)
"""Written by the conversation, see `test_conversation`; the form is a pattern and no message."""


def printed_messages(page: str) -> list[str]:
    """Return every JSON object on the page: what stands behind `data:`, and what begins with a brace on its own line."""
    starts = re.finditer(r"^(?:data: )?(?=\{\n?\")", page, re.MULTILINE)
    return [page[at.end() :][: json.JSONDecoder().raw_decode(page[at.end() :])[1]] for at in starts]


def test_the_samples_are_the_pages_messages_word_for_word(vendor_page):
    assert printed_messages(vendor_page("liquidity")) == [message.decode() for message in DOC_MESSAGES]


def test_every_printed_message_is_read_by_its_receiver_and_written_by_its_sender():
    read = [sample.frame for sample in SAMPLES.heard if sample.yields] + [sample.text for sample in SAMPLES.requested]
    written = [message.data for sample in SAMPLES.said for message in sample.messages]
    asked = [sample.text for sample in SAMPLES.requested if sample.subscribes or sample.unsubscribes]
    for message in DOC_MESSAGES:
        assert message in read
        if message not in (DOC_WS_FORM, *ERRORS):
            assert exact_json(message) in [exact_json(text) for text in (*written, *asked)]
