"""The configuration: TOML → frozen structs, every mistake named with its key and a suggestion.

`file` reads, `convert` turns tables into structs, `rules` holds keys against one another, `show` prints what is in force.
Nothing here opens a connection; certificates and secrets are only looked at.
"""

from bridge.config.difference import changed_keys
from bridge.config.file import load_config, parse_config
from bridge.config.show import effective
from bridge.config.structs import BrokerSettings, Config, Listed

__all__ = ["BrokerSettings", "Config", "Listed", "changed_keys", "effective", "load_config", "parse_config"]
