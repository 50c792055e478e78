"""What a run of the Autobahn suite found, kept beside this file, and the page that is made of it.

The record says of each case what the suite says: how the peer behaved, and how it closed. A case is no failure when it is OK,
or `NON-STRICT`, `INFORMATIONAL` or `UNIMPLEMENTED` for a reason that stands here.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from tests.support.data import ROOT

RECORD = Path(__file__).parent / "record.json"
PAGE = ROOT / "docs/reference/autobahn.md"

GROUPS = {
    "1": "framing",
    "2": "pings and pongs",
    "3": "reserved bits",
    "4": "opcodes",
    "5": "fragmentation",
    "6": "UTF-8",
    "7": "closing",
    "9": "limits and performance",
    "10": "sizes of pieces",
    "12": "permessage-deflate: payloads",
    "13": "permessage-deflate: parameters",
}
"""The suite's groups, in its order."""

CASES = 517
"""How many there are in 0.8.2."""

PARTIES = {"server": "our server, judged by the fuzzing client", "client": "our client, judged by the fuzzing server"}
HARMLESS = ("OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED")
COLUMNS = (*HARMLESS, "failed")

_TOGETHER = (
    "a sound message and a broken frame come together: the suite would like the message's echo before the connection is failed. "
    "The frame is seen while the message is still on its way to the app, and RFC 6455 §7.1.7 asks for the failing alone. "
    "Where the suite sends in pieces (3.4, 4.2.5) it may arrive first: then the case is OK"
)
_DECLINED = "permessage-deflate is declined: compressed frames cannot be shared by clients, and cost memory for each"

Record = Mapping[str, Mapping[str, str]]
"""Each party's "behaviour / closing" → its cases, and `versions`: with what it was recorded."""


class Reason(NamedTuple):
    """Why cases are not simply OK.

    Attributes:
        parties: of whom.
        verdict: what the suite calls it.
        cases: patterns.
        why: for a table's cell.
    """

    parties: tuple[str, ...]
    verdict: str
    cases: tuple[str, ...]
    why: str


BOTH = tuple(PARTIES)
REASONS = (
    Reason(BOTH, "NON-STRICT", ("3.[234]", "4.[12].[345]", "5.15"), _TOGETHER),
    Reason(
        ("server",),
        "INFORMATIONAL",
        ("7.1.6",),
        "a message of 256 KiB, then a close: past the server's bound of 64 KiB a client's message ends the connection with 1009",
    ),
    Reason(
        ("client",),
        "INFORMATIONAL",
        ("7.1.6",),
        "a message of 256 KiB, then a close: the close is answered, the message is no longer echoed; RFC 6455 leaves it open",
    ),
    Reason(
        BOTH,
        "INFORMATIONAL",
        ("7.13.[12]",),
        "close codes 5000 and 65536, of which RFC 6455 says nothing: failed with 1002",
    ),
    Reason(BOTH, "UNIMPLEMENTED", ("12.*", "13.*"), _DECLINED),
)


class Case(NamedTuple):
    """One case of the record."""

    party: str
    case: str
    behaviour: str
    closing: str

    @property
    def group(self) -> str:
        """The number of its group."""
        return self.case.partition(".")[0]

    @property
    def verdict(self) -> str:
        """The worse of both, by the order of `HARMLESS`; what is not there is worst."""
        return max(self.behaviour, self.closing, key=lambda one: HARMLESS.index(one) if one in HARMLESS else 9)

    @property
    def why(self) -> str | None:
        """Why it is not OK; None = nobody knows."""
        for reason in REASONS:
            if self.verdict == reason.verdict and self.party in reason.parties and _fits(self.case, reason.cases):
                return reason.why
        return None


def cases_of(record: Record) -> Iterator[Case]:
    """Yield what the record says, party by party, in the suite's order."""
    for party in PARTIES:
        found = [
            Case(party, case, *verdicts.split(" / "))
            for verdicts, cases in record[party].items()
            for case in cases.split()
        ]
        yield from sorted(found, key=lambda one: _number(one.case))


def failures(record: Record) -> list[Case]:
    """Return the cases that are neither OK nor harmless for a known reason."""
    return [case for case in cases_of(record) if case.verdict != "OK" and case.why is None]


def compact(verdicts: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
    """Return the suite's report as the record has it: "behaviour / closing" → cases."""
    found: dict[str, list[str]] = {}
    for case in sorted(verdicts, key=_number):
        key = f"{verdicts[case]['behavior']} / {verdicts[case]['behaviorClose']}"
        found.setdefault(key, []).append(case)
    return {verdict: " ".join(cases) for verdict, cases in sorted(found.items())}


def page(record: Record) -> str:
    """Return the page, whole."""
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    found = list(cases_of(record))
    return "\n".join((HEAD.format(versions=versions), *_totals(found), BETWEEN, *_reasons(found), ""))


HEAD = """# The Autobahn suite

Our WebSocket server and the client that reads vendors' WebSockets, judged by the Autobahn test suite. `make autobahn` writes this
page anew and needs a Python 2.7 ([how](../../CONTRIBUTING.md#tests)); `tests/autobahn/test_record.py` holds it to the record.

Recorded with {versions}.

* **Server**: a test-only echo behind the bridge's own guard. Texts leave as streams do, written straight to the socket; binary
  messages through Hypercorn.
* **Client**: a feed's own connection as an echo.
"""

BETWEEN = """
No case fails. The server takes messages of 64 KiB from clients (`MAX_MESSAGE_BYTES` in `bridge/downstream/guard/terms.py`); for
group 9 alone that bound was raised to the suite's 16 MiB, which is the client's own.

## What is not simply OK

| | case | the suite says | because |
|---|---|---|---|"""


def _totals(found: list[Case]) -> Iterator[str]:
    columns = [f"{party}: {verdict}" for party in PARTIES for verdict in COLUMNS]
    yield f"| group | {' | '.join(columns)} |"
    yield "|---|" + "---:|" * len(columns)
    for group, title in GROUPS.items():
        yield _row(f"{group} {title}", [case for case in found if case.group == group])
    yield _row("**all**", found)


def _row(title: str, found: list[Case]) -> str:
    counts = Counter((case.party, case.verdict if case.verdict in HARMLESS else "failed") for case in found)
    cells = [counts[party, verdict] for party in PARTIES for verdict in COLUMNS]
    return f"| {title} | {' | '.join(str(count) if count else '' for count in cells)} |"


def _reasons(found: list[Case]) -> Iterator[str]:
    rows: dict[tuple[str, str, str], list[str]] = {}
    for case in found:
        if case.verdict != "OK":
            rows.setdefault((case.party, case.verdict, case.why or "unknown"), []).append(case.case)
    for (party, verdict, why), cases in rows.items():
        yield f"| {party} | {_shortened(cases)} | {verdict} | {why} |"


def _shortened(cases: list[str]) -> str:
    """Name the cases, whole groups by their number."""
    groups = Counter(case.partition(".")[0] for case in cases)
    if len(cases) < 20:
        return ", ".join(cases)
    return ", ".join(f"{group}.* (all {count})" for group, count in groups.items())


def _fits(case: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(case, pattern) for pattern in patterns)


def _number(case: str) -> tuple[int, ...]:
    return tuple(int(part) for part in case.split("."))


def read_record() -> Record:
    """Return what was recorded last."""
    record: Record = json.loads(RECORD.read_text("utf-8"))
    return record
