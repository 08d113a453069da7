"""Turn what goes wrong on the way into Sampan's errors, in plain words.

The two private classes tell the client what to do next: on Unreachable nothing was sent, so another way to the
same host may be tried at once; on Interrupted the same way may work a moment later.
"""

from __future__ import annotations

from collections.abc import Iterator

from sampan.errors import Corrupt, InvalidInput, SampanError, Unavailable


class Unreachable(Unavailable):
    """No connection came about: refused, no such host, no trusted TLS."""


class Interrupted(Unavailable):
    """A connection broke off, stalled, or made no sense in the middle."""


def translate(error: Exception, host: str) -> SampanError:
    """Return the Sampan error for one of requests or urllib3 that happened while talking to ``host``."""
    import ssl

    from requests import exceptions
    from urllib3 import exceptions as urllib3

    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Unreachable(
                f"cannot reach {host}: TLS certificate not trusted: {cause.verify_message}",
                f'for a registry you trust all the same, set [registries."{host}"] insecure = true',
            )
    if any(isinstance(cause, ssl.SSLError | exceptions.SSLError | urllib3.SSLError) for cause in causes):
        return Unreachable(f"cannot reach {host}: TLS handshake failed: {_tls_reason(causes)}", _plain_hint(host))
    if isinstance(error, exceptions.ProxyError) or any(isinstance(c, urllib3.ProxyError) for c in causes):
        return Unreachable(f"cannot reach {host}: the proxy failed: {_plain(causes)}")
    if any(isinstance(c, urllib3.NameResolutionError) for c in causes):
        return Unreachable(f"cannot reach {host}: no such host")
    if any(isinstance(c, exceptions.ConnectTimeout | urllib3.ConnectTimeoutError) for c in causes):
        # NewConnectionError derives from ConnectTimeoutError in urllib3 1; the system's own word is better.
        return Unreachable(f"cannot reach {host}: {_plain(causes, 'connection timed out')}")
    if any(isinstance(c, urllib3.NewConnectionError) for c in causes):
        return Unreachable(f"cannot reach {host}: {_plain(causes)}")
    if any(isinstance(c, exceptions.Timeout | urllib3.TimeoutError | TimeoutError) for c in causes):
        return Interrupted(f"{host} timed out: no data came")
    if isinstance(error, exceptions.InvalidURL | exceptions.MissingSchema | exceptions.InvalidSchema):
        return InvalidInput(f"{host} is not an address a registry can have")
    if isinstance(error, exceptions.ContentDecodingError | exceptions.InvalidJSONError | urllib3.DecodeError):
        return Corrupt(f"{host} sent content that cannot be decoded")
    return Interrupted(f"the connection to {host} broke: {_plain(causes, 'it ended early')}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Walk down to the root cause through ``reason``, arguments and contexts, where libraries wrap theirs."""
    pending, seen = [error], set[int]()
    while pending:
        current = pending.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = [getattr(current, "reason", None), *current.args, current.__cause__, current.__context__]
        pending += [found for found in inner if isinstance(found, BaseException)]


def _plain(causes: list[BaseException], default: str = "connection failed") -> str:
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno is not None and cause.strerror:
            return cause.strerror.lower()
    return default


def _tls_reason(causes: list[BaseException]) -> str:
    import ssl

    for cause in causes:
        reason = getattr(cause, "reason", None) if isinstance(cause, ssl.SSLError) else None
        if isinstance(reason, str):
            plain = reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
            return "the registry speaks plain HTTP" if plain else reason.lower().replace("_", " ")
    return "the peer broke it off"


def _plain_hint(host: str) -> str:
    return f'for plain HTTP or unverified TLS, set [registries."{host}"] insecure = true'
