"""Find out whose code an error came out of."""

from __future__ import annotations

from collections.abc import Iterable

from sampan.plugin.index import Claim


def culprit(error: BaseException, suspects: Iterable[Claim]) -> Claim | None:
    """Return the claim in whose code the error was raised, or whose code called what raised it; None for nobody's.

    A plugin's code is its module, and the modules beside and below it in a package of its own.
    """
    claims = list(suspects)
    found, trace = None, error.__traceback__
    while trace is not None:
        found = _owner(trace.tb_frame.f_globals.get("__name__", ""), claims) or found
        trace = trace.tb_next
    return found


def _owner(module: str, claims: list[Claim]) -> Claim | None:
    exact = next((claim for claim in claims if claim.module == module), None)
    return exact or next((claim for claim in claims if f"{module}.".startswith(_package(claim.module))), None)


def _package(module: str) -> str:
    parent = module.rpartition(".")[0]
    return f"{parent or module}."
