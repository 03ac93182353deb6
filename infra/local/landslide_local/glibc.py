"""Which glibc a binary needs. Lambda's loader ends a process whose libc lacks a version that the binary asks for."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from elftools.elf.elffile import ELFFile

from landslide_local.stages import Failure

NEWEST = (2, 34)
"""The glibc of Amazon Linux 2023, which `provided.al2023` is."""
PREFIX = "GLIBC_"
SYMBOLS_SHOWN_MAX = 3


def require(function: str, binary: Path) -> None:
    """Fails if the binary would not start on Lambda."""
    too_new = {version: names for version, names in needs(binary).items() if not _is_there(version)}
    if not too_new:
        return
    asked = "; ".join(f"{version} ({', '.join(names[:SYMBOLS_SHOWN_MAX])})" for version, names in sorted(too_new.items()))
    raise Failure(
        f"{function} needs {asked}, and Lambda's glibc is {text(NEWEST)}: it would end before its first request, and every "
        f"answer would be 503. Build it by `make package`, which links against {text(NEWEST)} by zig. If it was built so, "
        "something has led the build around zig: look for CARGO_TARGET_*_LINKER, RUSTFLAGS and CC in the environment and in "
        "~/.cargo/config.toml."
    )


def needs(binary: Path) -> Mapping[str, list[str]]:
    """Versions of glibc that the loader will look for, each with the symbols that need it."""
    with binary.open("rb") as file:
        elf = ELFFile(file)
        needed = elf.get_section_by_name(".gnu.version_r")
        if needed is None:  # a static program
            return {}
        names = {one["vna_other"]: one.name for _, versions in needed.iter_versions() for one in versions}
        symbols = defaultdict(list, {name: [] for name in names.values() if name.startswith(PREFIX)})
        versions = elf.get_section_by_name(".gnu.version")
        for number, symbol in enumerate(elf.get_section_by_name(".dynsym").iter_symbols()):
            version = names.get(versions.get_symbol(number)["ndx"], "")
            if version in symbols:
                symbols[version].append(symbol.name)
        return dict(symbols)


def _is_there(version: str) -> bool:
    try:
        return tuple(map(int, version.removeprefix(PREFIX).split("."))) <= NEWEST
    except ValueError:  # GLIBC_PRIVATE, or a feature of the loader, such as GLIBC_ABI_DT_RELR of 2.36
        return False


def text(version: tuple[int, ...]) -> str:
    """As others write it: 2.34."""
    return ".".join(map(str, version))
