"""Builds the functions and the operator's program."""

import filecmp
import os
import platform
import shutil
import subprocess
from pathlib import Path

from landslide_local import paths, venvs
from landslide_local.stages import Failure, stage

PROFILE = "fast"
PROGRAMS_OF_TESTS = (
    "landslide-bench",
    "landslide-capacity",
    "landslide-floor",
    "landslide-load",
    "landslide-paths",
    "landslide-sim",
)
"""Packages of `tests/` with programs that a running stack does not need."""
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or paths.ROOT / "target").resolve()
TRIPLES = {"arm64": "aarch64-unknown-linux-gnu", "x86_64": "x86_64-unknown-linux-gnu"}
"""Rust's names of Lambda's processors."""
OPERATOR = TARGET / PROFILE / "landslide"
LAMBDA = paths.ROOT / "target" / "lambda"
"""Where template.yaml looks for NAME/bootstrap."""


def functions() -> list[str]:
    """Names of the functions: folder = package = binary."""
    return sorted(manifest.parent.name for manifest in (paths.ROOT / "functions").glob("*/Cargo.toml"))


def host_architecture() -> str:
    """The host's processor as Lambda calls it."""
    return "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"


def for_local_cloud() -> None:
    """Builds the functions and the command line for this machine.

    In one call of plain cargo and not through cargo-lambda: so functions, command line and tests share each compiled
    dependency, and the tools for cross-compiling (500 MB) are needed for `make package` only.
    """
    with stage(f"build (cargo, profile {PROFILE}; some minutes the first time)"):
        others = [word for name in PROGRAMS_OF_TESTS for word in ("--exclude", name)]
        _cargo(["build", "--profile", PROFILE, "--workspace", *others, "--bins"], {})
        for name in functions():
            _place(TARGET / PROFILE / name, LAMBDA / name / "bootstrap")


def operator_program() -> Path:
    """Builds the command line for this machine, without the functions."""
    return _program("landslide", "the operator's program")


def load_tool() -> Path:
    """Builds the load tool for this machine."""
    return _program("landslide-load", "the load tool")


def noisy_tool() -> Path:
    """Builds the tool that storms, for this machine."""
    return _program("landslide-noisy", "the tool that storms")


def _program(name: str, what: str) -> Path:
    with stage(f"build {what}"):
        _cargo(["build", "--quiet", "--profile", PROFILE, "--workspace", "--bin", name], {})
    return TARGET / PROFILE / name


def for_lambda(architecture: str) -> list[tuple[str, Path]]:
    """Builds what ships, in the release profile. Gives each function's name and binary.

    Linked by zig against Lambda's glibc also where the host's processor is the target: a newer host's own libc has
    symbols that Lambda's lacks, and a binary that asks for one does not start there.
    """
    from landslide_local import glibc  # it imports pyelftools, which is not there when this module is read

    venvs.ensure(["tools"])
    triple = TRIPLES[architecture]
    if architecture != host_architecture():
        _require_rust_target(triple)
    # Package by package, so that no feature comes in that only the command line or the tests ask for.
    packages = [flag for name in functions() for flag in ("--package", name)]
    target = ["--target", f"{triple}.{glibc.text(glibc.NEWEST)}", "--compiler", "cargo-zigbuild"]
    path = f"{paths.venv('tools') / 'bin'}{os.pathsep}{os.environ['PATH']}"
    with stage(f"release build for {architecture} (minutes)"):
        _cargo(["lambda", "build", "--release", *target, "--locked", *packages], {"PATH": path})
    built = [(name, LAMBDA / name / "bootstrap") for name in functions()]
    for name, binary in built:
        glibc.require(name, binary)
    return built


def _cargo(arguments: list[str], environment: dict[str, str]) -> None:
    try:
        done = subprocess.run(["cargo", *arguments], cwd=paths.ROOT, env={**os.environ, **environment}, check=False)
    except FileNotFoundError:
        raise Failure("cargo was not found. Install Rust with rustup; rust-toolchain.toml says which.") from None
    if done.returncode != 0:
        raise Failure(f"cargo {arguments[0]} failed; what it says is above")


def _place(source: Path, target: Path) -> None:
    if target.is_file() and filecmp.cmp(source, target, shallow=True):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)  # a new file: the old one may be running
    shutil.copy2(source, target)


def _require_rust_target(triple: str) -> None:
    done = subprocess.run(["rustup", "target", "add", triple], cwd=paths.ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{done.stderr}\nrustup could not add the target {triple}")
