"""The configuration: any text is a configuration that can be shown again, or an error that names its keys."""

import re
from pathlib import Path
from random import Random

from bridge.config import effective, parse_config
from bridge.errors import ConfigError
from tests.fuzz.hunt import Judge, Target, told

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENT = {
    name: f"a-value-of-{name.lower()}-with-more-than-32-bytes"
    for name in ("BRIDGE_SECRET", "CLIENT_KEY", "RAPIDAPI_KEY")
}
NOWHERE = Path("/nonexistent-folder-of-the-fuzzing/bridge.toml")

FULL = b"""
[listen]
bind = ["127.0.0.1:8080"]
public_url = "https://bridge.example"
trusted_proxies = ["10.0.0.0/8"]
allowed_origins = ["https://desk.example"]
[auth]
secret = { env = "BRIDGE_SECRET" }
jwks_url = "https://idp.example/keys"
issuer = "https://idp.example"
audience = "bridge"
default_topics = ["*"]
api_keys = [{ key = { env = "CLIENT_KEY" }, sub = "alice", ttl_seconds = 1800 }]
[limits]
linger_seconds = 30
pending_bytes_per_connection = 8388608
[feeds.liquidity]
dialect = "liquidity"
transports = ["sse", "polling"]
url = "https://api.example"
token = { env = "RAPIDAPI_KEY" }
proxy = "http://user:a-password-of-the-proxy@proxy.example:3128"
[feeds.tv]
dialect = "tradingview"
transports = ["websocket"]
url = "https://ws.example"
token_url = "https://api.example/api/token/generate"
api_key = { env = "RAPIDAPI_KEY" }
[dialects.tradingview]
hosts = ["ws.example"]
limits = { sse_connections_per_user = 2 }
[instruments]
strict = true
[instruments."BTC-USD"]
liquidity = { sse = "BTC", websocket = "BTC-USD", rest = "BTC" }
tradingview = "COINBASE:BTCUSD"
feeds = ["liquidity", "tv"]
"""


PAIR = re.compile(r'([\w.-]+) = "([^"]*)"')
KEEPS_A_SECRET = re.compile(r"(^|\.)(secret|key|api_key|tenant_token|proxy|token|token\.value)$")


def _configuration(_: Random) -> Judge:
    def judge(data: bytes) -> str:
        try:
            config = parse_config(data.decode("utf-8", "replace"), NOWHERE, ENVIRONMENT)
        except ConfigError as error:
            for problem in error.problems:
                told(ConfigError(problem), *ENVIRONMENT.values())
            return "named mistakes" if error.problems else "mistakes without a name"
        for key, value in PAIR.findall(effective(config)):
            if KEEPS_A_SECRET.search(key):  # who takes an `account` from the environment wants to see what is in force
                assert value not in ENVIRONMENT.values(), key
        return "configuration"

    return judge


def targets() -> list[Target]:
    """Return this family's."""
    files = [ROOT / "config" / "bridge.toml", ROOT / "bridge" / "cli" / "demo.toml"]
    return [Target("configuration", [FULL, *(file.read_bytes() for file in files)], _configuration, inputs=8)]
