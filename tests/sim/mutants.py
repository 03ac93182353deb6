"""Shows that the simulation can fail: breaks the product, one patch of `mutants/` after the other, and runs it.

Each patch is applied to a copy of the checkout in `target/mutants`, built there and run over seeds as `make sim` does.
The copy has a target of its own: cargo can't tell its packages from the checkout's, and would take what one built for
the other's. One that is not caught, does not apply or does not build fails the whole.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATCHES = ROOT / "tests/sim/mutants"
WORK = ROOT / "target/mutants"
TREE = WORK / "tree"
TARGET = WORK / "target"


def main() -> int:
    arguments = parse()
    patches = sorted(PATCHES.glob("*.patch"))
    if arguments.only:
        patches = [patch for patch in patches if patch.stem in arguments.only]
    copy_checkout()
    print(f"{'mutant':<28} {'caught at seed':>14} {'seeds tried':>12}  what the check said", flush=True)
    rows = [(patch, try_mutant(patch, arguments.seeds, arguments.start)) for patch in patches]
    caught = sum(is_caught for _, is_caught in rows)
    print(f"caught {caught} of {len(rows)} mutants within {arguments.seeds:,} seeds")
    return 0 if rows and caught == len(rows) else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4000, help="how many seeds each mutant has to survive")
    parser.add_argument("--start", type=int, default=1, help="the first of them")
    parser.add_argument("only", nargs="*", help="names of the mutants to try; all, if none is given")
    return parser.parse_args()


def copy_checkout() -> None:
    """Copies the files of the checkout as they are now; those that are the same keep their times, so that cargo
    builds no more than it must."""
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\0")
    files = {name for name in listed if name and (ROOT / name).is_file()}
    for name in files:
        source, copy = ROOT / name, TREE / name
        if not copy.exists() or copy.read_bytes() != source.read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
    for copy in sorted(TREE.rglob("*"), reverse=True):  # a folder after what is in it
        if copy.is_file() and str(copy.relative_to(TREE)) not in files:
            copy.unlink()
        elif copy.is_dir() and not any(copy.iterdir()):
            copy.rmdir()  # cargo would take an empty folder of shared/ for a package


def try_mutant(patch: Path, seeds: int, start: int) -> bool:
    apply(patch)
    try:
        binary = build()
        if binary is None:
            print(f"{patch.stem:<28} {'DOES NOT BUILD':>14}", flush=True)
            return False
        outcome = run(binary, seeds, start)
    finally:
        apply(patch, "--reverse")
    failed = re.search(r"^seed (\d+) breaks a promise: .*\n +(.*)", outcome, re.MULTILINE)
    tried = re.search(r"^ *([\d,]+)  seeds$", outcome, re.MULTILINE)
    last = outcome.rstrip().rpartition("\n")[2]
    seed, said = (failed[1], f"{last}; {failed[2]}") if failed else ("NOT CAUGHT", last)
    print(f"{patch.stem:<28} {seed:>14} {tried[1] if tried else '?':>12}  {said[:150]}", flush=True)
    return failed is not None


def apply(patch: Path, *flags: str) -> None:
    """Applies a patch to the copy, which git must not take for a part of the repository around it."""
    git("apply", "--whitespace=nowarn", *flags, str(patch), cwd=TREE)


def build() -> Path | None:
    command = ["cargo", "build", "--quiet", "--profile", "fast", "--bin", "landslide-sim"]
    done = subprocess.run(command, cwd=TREE, env=os.environ | {"CARGO_TARGET_DIR": str(TARGET)}, check=False)
    return None if done.returncode else TARGET / "fast/landslide-sim"


def run(binary: Path, seeds: int, start: int) -> str:
    command = [str(binary), "--seeds", str(seeds), "--start", str(start), "--no-shrink"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def git(*arguments: str, cwd: Path) -> str:
    return run_command(["git", *arguments], cwd=cwd, env=os.environ | {"GIT_CEILING_DIRECTORIES": str(WORK)})


def run_command(command: list[str], cwd: Path, env: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
