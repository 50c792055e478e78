"""What schemathesis is told beside the document: one 5xx is an honest answer, and no refusal may be kept.

Read by its command line (SCHEMATHESIS_HOOKS), in a process of its own.
"""

import schemathesis


@schemathesis.hook
def filter_query(context, query):
    """Leave out what is only slow: long polls, and polls of orders alone, which wait 2 s for what may never come."""
    del context
    asked = query or {}
    topics = asked.get("subscribe")
    only_orders = isinstance(topics, list) and set(map(str, topics)) == {"order"}
    return not only_orders and str(asked.get("wait", "0")) not in {str(number) for number in range(1, 61)}


@schemathesis.check
def no_server_error_but_the_honest_one(context, response, case):
    """Nothing but 503, which says when to come back, or how the feeds are."""
    del context
    if response.status_code < 500:
        return
    assert response.status_code == 503, response.text
    if case.path != "/readyz":
        assert "retry-after" in response.headers, "a 503 says when to come back"


@schemathesis.check
def refusals_are_not_kept(context, response, case):
    """No refusal may be stored by caches; every answer differs by `Origin`."""
    del context, case
    if response.status_code >= 400:
        assert response.headers.get("cache-control") == ["no-store"], response.headers
    assert "Origin" in ", ".join(response.headers.get("vary", [])), response.headers
