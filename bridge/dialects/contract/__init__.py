"""What a dialect is: how one party spells market data, in both directions, as plain functions without I/O or clock.

| part of a dialect folder | supplies | used by |
|---|---|---|
| `dialect.py` | `Dialect`: the object below that holds the rest together | app, by its name |
| `messages.py` | the party's messages as typed structs | its neighbours only |
| `symbols.py` | `Spelling`: which of our ids it accepts and how it spells them | `SymbolTable` |
| `requests.py` | `Requests`: what we send it, and reading what its clients send | upstream, its conversation |
| `decode.py` | `Decoder`: its messages → our events and signals | upstream |
| `encode.py` | `Encoder`: our events → its messages | downstream |
| `conversation.py` | `Conversation`: the server's side of its protocol | downstream |

`profile` has the vocabulary common to both halves, `client` the half in which we are the party's client, `comments` what is
read from an event stream's comments where a party does not say, `question` what it is asked once, `site` where it lives,
`server` the half in which we answer as if we were the party, `encoder` what of it all clients share, `manner` what an operator
may say of that, `published` what the specifications tell of it.
"""

from bridge.dialects.contract.client import (
    Asked,
    Comment,
    CredentialEnding,
    Decoder,
    Frame,
    Health,
    Heartbeat,
    HttpRequest,
    Missed,
    Passage,
    Ready,
    Refused,
    Requests,
    Signal,
    SubscriptionsLost,
    Unknown,
    VendorError,
)
from bridge.dialects.contract.comments import read_comment
from bridge.dialects.contract.dialect import Dialect
from bridge.dialects.contract.encoder import Encoder, EncoderOptions, Message
from bridge.dialects.contract.manner import Manner
from bridge.dialects.contract.profile import (
    ClientLimits,
    Lane,
    Profile,
    Spelling,
    SymbolTable,
    Transport,
    TransportProfile,
)
from bridge.dialects.contract.published import ErrorBody, ErrorSaid, Parameter, Place
from bridge.dialects.contract.question import Answer, Outcome, Question, QuestionKind
from bridge.dialects.contract.server import (
    Action,
    Conversation,
    Endpoint,
    EndpointKind,
    HttpAnswer,
    Mint,
    Refusal,
    Renew,
    Reply,
    Request,
    StateAnswer,
    StateQuestion,
    Subscribe,
    Unsubscribe,
)
from bridge.dialects.contract.site import Credential, Site

__all__ = [
    "Action",
    "Answer",
    "Asked",
    "ClientLimits",
    "Comment",
    "Conversation",
    "Credential",
    "CredentialEnding",
    "Decoder",
    "Dialect",
    "Encoder",
    "EncoderOptions",
    "Endpoint",
    "EndpointKind",
    "ErrorBody",
    "ErrorSaid",
    "Frame",
    "Health",
    "Heartbeat",
    "HttpAnswer",
    "HttpRequest",
    "Lane",
    "Manner",
    "Message",
    "Mint",
    "Missed",
    "Outcome",
    "Parameter",
    "Passage",
    "Place",
    "Profile",
    "Question",
    "QuestionKind",
    "Ready",
    "Refusal",
    "Refused",
    "Renew",
    "Reply",
    "Request",
    "Requests",
    "Signal",
    "Site",
    "Spelling",
    "StateAnswer",
    "StateQuestion",
    "Subscribe",
    "SubscriptionsLost",
    "SymbolTable",
    "Transport",
    "TransportProfile",
    "Unknown",
    "Unsubscribe",
    "VendorError",
    "read_comment",
]
