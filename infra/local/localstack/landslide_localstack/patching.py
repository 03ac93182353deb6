"""Patches of LocalStack's functions that end the program where the function has changed.

The lock pins LocalStack, so a place changes only with the pin: to move it, read the named function again and renew
the digest.
"""

import hashlib
import inspect
from collections.abc import Callable
from typing import Any

from localstack.utils.patch import Patch, create_patch_proxy, get_defining_object

DIGEST_LENGTH = 12
"""Hexadecimal digits of a source's SHA-256 that a patch names."""


def digest(target: Callable) -> str:
    """What identifies a function's source."""
    return hashlib.sha256(inspect.getsource(target).encode()).hexdigest()[:DIGEST_LENGTH]


def expect(target: Callable, source: str) -> None:
    """Ends the program unless a function's source has this digest."""
    found = digest(target)
    if found != source:
        place = f"{target.__module__}.{target.__qualname__}"
        raise SystemExit(
            f"{place} of LocalStack has changed: read it, mend its patch and let that expect {found!r}, not {source!r}"
        )


def patch(target: Callable, source: str, where: Any = None) -> Callable[[Callable], Callable]:
    """Replaces a function by the decorated one, whose first argument is then the original.

    `source` is the digest of the original; `where` is the module that uses it, if it imported it by name.
    """
    expect(target, source)

    def replace(replacement: Callable) -> Callable:
        Patch(where or get_defining_object(target), target.__name__, create_patch_proxy(target, replacement)).apply()
        return replacement

    return replace
