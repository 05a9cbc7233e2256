"""The configuration: `load_config` reads it, `Config` is what every other part of the server is built from."""

from server.config.load import ConfigError, find_config_file, load_config
from server.config.sections import Config, HttpSection, LimitsSection, LogSection, MediaSection, SipSection
from server.config.values import Bind, PortRange

__all__ = [
    "Bind",
    "Config",
    "ConfigError",
    "HttpSection",
    "LimitsSection",
    "LogSection",
    "MediaSection",
    "PortRange",
    "SipSection",
    "find_config_file",
    "load_config",
]
