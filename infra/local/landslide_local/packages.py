"""Zips of the release binaries, as Lambda takes them, and their sizes."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

from landslide_local import build, paths
from landslide_local.stages import Failure, say

ZIP_BYTES_MAX = 3 * 1024 * 1024
"""Of a function's zip: a cold start reads all of it."""
GRAPHQL_ZIP_BYTES_MAX = 9 * 512 * 1024
"""Of the one function with a GraphQL library, which no vote meets."""
EXECUTABLE = 0o100755 << 16
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # so that the same binary gives the same zip


@dataclass(frozen=True)
class Package:
    """A function's zip."""

    function: str
    binary_bytes: int
    zip_bytes: int


def make(architecture: str) -> list[Package]:
    """Builds and zips every function into target/package/ARCHITECTURE."""
    folder = paths.ROOT / "target" / "package" / architecture
    folder.mkdir(parents=True, exist_ok=True)
    return [_zip(name, binary, folder / f"{name}.zip") for name, binary in build.for_lambda(architecture)]


def show_sizes(packages: list[Package]) -> None:
    """Prints a table; fails if a zip is too large."""
    print(f"{'function':<20} {'binary bytes':>14} {'zip bytes':>14}")
    for package in packages:
        print(f"{package.function:<20} {package.binary_bytes:>14,} {package.zip_bytes:>14,}")
    too_large = [package.function for package in packages if package.zip_bytes > _bytes_max(package.function)]
    if too_large:
        raise Failure(f"larger than they may be, zipped: {', '.join(too_large)}")


def _bytes_max(function: str) -> int:
    return GRAPHQL_ZIP_BYTES_MAX if function == "graphql" else ZIP_BYTES_MAX


def _zip(name: str, binary: Path, target: Path) -> Package:
    entry = zipfile.ZipInfo("bootstrap", LONG_AGO)
    entry.external_attr = EXECUTABLE
    entry.compress_type = zipfile.ZIP_DEFLATED
    contents = binary.read_bytes()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(entry, contents, compresslevel=9)
    say(f"    {target.relative_to(paths.ROOT)}")
    return Package(name, len(contents), target.stat().st_size)
