"""`make figures`: runs commands that measure or compute, and writes what they print into docs/figures.md.

Each figure has a block there, between `<!-- figure: NAME -->` and `<!-- end: NAME -->`; nothing else of the page is touched.
"""

import os
import platform
import re
import subprocess
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from landslide_local import paths
from landslide_local.stages import Failure, say

PAGE = paths.ROOT / "docs" / "figures.md"
SEEDS = 20_000
COLUMNS = 120
"""As many as tidy lets a line of text have."""


def tables(printed: str) -> str:
    """Tables in Markdown, and the lines of text before them."""
    wanted = []
    for part in re.split(r"\n\s*\n", printed.strip()):
        lines = [line for line in part.splitlines() if line.startswith("|")]
        before = part.splitlines()[: next((n for n, line in enumerate(part.splitlines()) if line.startswith("|")), 0)]
        wanted += ["\n".join([*before, *([""] if before and lines else []), *lines])] if lines else []
    return "\n\n".join(wanted)


def last_table(printed: str) -> str:
    """The last table in Markdown, without the text around it."""
    return re.findall(r"(?:^\|.*\n?)+", printed, re.M)[-1].strip() if "|" in printed else ""


def whole(printed: str) -> str:
    """All of it, as it stands on a terminal."""
    lines = [line.rstrip() for line in printed.strip("\n").splitlines()]
    return "\n".join(["```text", *lines, "```"]) if printed.strip() else ""


@dataclass(frozen=True)
class Figure:
    """What one block holds."""

    command: tuple[str, ...]
    """Arguments of make."""
    pick: Callable[[str], str]
    may_fail: bool = False
    """Whether the command also fails because the page says something else than it computes."""


FIGURES = {
    "costs": Figure(("costs",), tables, may_fail=True),
    "viral": Figure(("viral",), last_table),
    "budgets": Figure(("test-budgets",), whole),
    "sim": Figure(("sim", f"SEEDS={SEEDS}"), whole),
    "sim-mutants": Figure(("sim-mutants",), whole),
    "mutants": Figure(("mutants",), whole),
    "chaos": Figure(("chaos",), whole),
    "demo": Figure(("demo",), whole),
    "load": Figure(("load",), whole),
    "size": Figure(("size",), whole),
    "bench": Figure(("bench",), tables),
    "sharing": Figure(("sharing",), whole),
    "analytics": Figure(("test-analytics", "ARGS=--nocapture rates::"), whole),
}


def write(names: list[str], page: Path = PAGE, run: Callable[[Figure], str] | None = None) -> None:
    """Renews the blocks of these figures, one after the other, so that one that fails leaves the others written."""
    if unknown := [name for name in names if name not in FIGURES]:
        raise Failure(f"no figure {', '.join(unknown)}; there are {', '.join(FIGURES)}")
    for name in names:
        figure = FIGURES[name]
        if not (picked := figure.pick((run or _run)(figure))):
            raise Failure(f"`make {' '.join(figure.command)}` printed no figures")
        page.write_text(_with_block(page.read_text(), name, f"{_heading(figure)}\n\n{picked}"))
        say(f"    {page.name}: {name}")


def _run(figure: Figure) -> str:
    """What a command prints, which is shown as it comes."""
    command = ["make", "--no-print-directory", "--silent", *figure.command]
    printed = []
    with subprocess.Popen(command, cwd=paths.ROOT, stdout=subprocess.PIPE, text=True, env=_environment()) as process:
        for line in process.stdout or []:
            print(line, end="", flush=True)
            printed.append(line)
    if process.returncode != 0 and not figure.may_fail:
        raise Failure(f"`make {' '.join(figure.command)}` failed, so its figures stay as they are")
    return "".join(printed)


def _environment() -> dict[str, str]:
    """This one, without what the make that called us would tell the next one to do."""
    return {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}}


def _heading(figure: Figure) -> str:
    """By which command, when, of which commit, on what."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=paths.ROOT, check=True, capture_output=True, text=True
    )
    when = datetime.now(UTC).date().isoformat()
    machine = f"{os.cpu_count()} processors, {platform.machine()}, {platform.system()} {platform.release()}"
    heading = f"`make {' '.join(figure.command)}`, {when}, at `{commit.stdout.strip()}`, {machine}:"
    return textwrap.fill(heading, COLUMNS, break_long_words=False, break_on_hyphens=False)


def _with_block(page: str, name: str, contents: str) -> str:
    block = re.compile(rf"(<!-- figure: {name} -->\n).*?(\n<!-- end: {name} -->)", re.S)
    if not block.search(page):
        raise Failure(f"docs/figures.md has no block `<!-- figure: {name} -->` … `<!-- end: {name} -->`")
    return block.sub(lambda match: match[1] + contents + match[2], page)
