"""Judge a registry's answers (OCI distribution-spec v1.1, "Error Codes")."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from sampan.errors import Denied, NotFound, SampanError, Unavailable
from sampan_plugins.registries.distribution.transport import drain

if TYPE_CHECKING:
    from requests import Response


class _Problem(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""


class _Problems(msgspec.Struct, frozen=True):
    errors: tuple[_Problem, ...] = ()


class Subject(msgspec.Struct, frozen=True):
    """What was asked for, in the words messages use.

    ``what`` is the object (``manifest for HOST/NAME:TAG``), ``name`` the repository as people write it, ``host`` the
    registry, ``remedy`` what to do when access is denied, ``missing`` what a registry says of an object it lacks.
    ``pushed`` tells that it was to be pushed.
    """

    what: str
    name: str
    host: str
    remedy: str
    missing: str
    pushed: bool = False


def refusal(response: Response, subject: Subject, *, home: bool) -> SampanError:
    """Return the error an answer stands for that is not the one hoped for. The answer is drained.

    ``home`` is False when a redirect led to who answers: storage whose word is not the registry's.
    """
    status, code, detail = response.status_code, *_problem(drain(response))
    if not home:
        where = urlsplit(response.url).netloc
        return Unavailable(f"{where}, where {subject.host} redirects to, answers {status} {response.reason}".rstrip())
    if status in (401, 403) and subject.pushed:
        return Denied(detail or "denied: requested access to the resource is denied", subject.remedy)
    if status in (401, 403):
        reason = f": {detail}" if detail else ""
        return Denied(f"pull access denied for {subject.name}, repository does not exist or may require "
                      f"authentication{reason}", subject.remedy)
    if status == 404:
        return NotFound(f"{subject.what} not found: {code or subject.missing}")
    if status == 429:
        return Unavailable(f"too many requests to {subject.host}: it asks to slow down", "try again later, or log in")
    reason = f": {detail}" if detail else ""
    return Unavailable(f"{subject.host} answers {status} {response.reason or ''}".rstrip() + reason)


def _problem(content: bytes) -> tuple[str, str]:
    """Return the first error's code, in words, and code and message together; empty where there is none."""
    try:
        found = msgspec.json.decode(content, type=_Problems).errors
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return "", ""
    if not found:
        return "", ""
    code = found[0].code.lower().replace("_", " ")
    message = " ".join(found[0].message.split())[:200]
    return code, ": ".join(part for part in (code, message) if part)
