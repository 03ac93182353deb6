"""Guards of the places in LocalStack that adapters patch."""

import inspect
from collections.abc import Callable


class PlaceChanged(Exception):
    """LocalStack is not the one that an adapter was written for. Ends the program at its start."""


def require(place: Callable, parameters: list[str], *fragments: str) -> None:
    """Fails unless `place` takes these parameters and its source holds these fragments of code."""
    found = list(inspect.signature(place).parameters)
    name = f"{place.__module__}.{place.__qualname__}"
    if found != parameters:
        raise PlaceChanged(f"{name} takes {found} now, not {parameters}: read it, and change its adapter")
    source = inspect.getsource(place)
    for fragment in fragments:
        if fragment not in source:
            raise PlaceChanged(f"{name} does not say `{fragment}` any more: read it, and change its adapter")
