"""feedbridge: a market-data bridge.

The house, from the ground up: `model`, `book`, `bars`, `errors`, `clock`, `wire`, `tape` and `dialects` are pure and know
nothing of one another's neighbours; `upstream` brings a vendor's frames in and publishes events; `hub` orders them, keeps
what a client may still want, and offers them to subscriptions; `downstream` lets clients in and writes bytes out; `broker`
is where the ordered log lives. `app` is the roof, the only module that sees both wings; `cli` is the door.
"""

__version__ = "0.1.0"
