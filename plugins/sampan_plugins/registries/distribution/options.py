"""Check the plugin's options and hold them, typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sampan.contracts.plugin import Option
from sampan.errors import InvalidInput

OPTIONS = (
    Option("timeout", "30", "seconds without a byte after which a connection counts as stalled"),
    Option("connect_timeout", "10", "seconds to wait for a connection"),
    Option("retries", "5", "how often a request that failed in passing is tried again"),
    Option("backoff", "0.5", "seconds before the first retry; each further one waits twice as long"),
    Option("max_wait", "60", "the longest wait in seconds a registry may ask for by Retry-After"),
    Option("ca_file", "", "a PEM file of authorities to trust instead of the system's"),
    Option("docker_config", "", "the directory of config.json, instead of $DOCKER_CONFIG or ~/.docker"),
    Option("helper_timeout", "10", "seconds a credential helper may take"),
)


class Options(msgspec.Struct, frozen=True):
    """The options in force. Times are in seconds."""

    timeout: float = 30.0
    connect_timeout: float = 10.0
    retries: int = 5
    backoff: float = 0.5
    max_wait: float = 60.0
    ca_file: str = ""
    docker_config: str = ""
    helper_timeout: float = 10.0


def parse(table: Mapping[str, Any]) -> Options:
    """Return the options of a configuration table. Raises InvalidInput on an unknown name or a bad value."""
    known = [option.name for option in OPTIONS]
    for name in table:
        if name not in known:
            raise InvalidInput(f"registries/distribution has no option {name!r}", _nearest(name, known))
    try:
        options = msgspec.convert(dict(table), Options)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"registries/distribution: {error}") from error
    if options.timeout <= 0 or options.connect_timeout <= 0 or options.helper_timeout <= 0:
        raise InvalidInput("registries/distribution: timeouts must be greater than 0")
    if options.retries < 0 or options.backoff < 0 or options.max_wait < 0:
        raise InvalidInput("registries/distribution: retries, backoff and max_wait must not be negative")
    return options


def _nearest(name: str, known: list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, 1, 0.5)
    return f"did you mean {close[0]!r}?" if close else f"the options are {', '.join(known)}"
