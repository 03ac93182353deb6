"""Judges what a machine can judge of how the repository is written: words, links, lines, and the shape of its imports.

    python infra/check/tidy.py [--write]

Reads the files that git knows, with the standard library alone. One line a problem, `path:line: what and what to do`; the
exit status is 1 if there is one. `--write` renews the generated blocks of ARCHITECTURE.md first. `test_tidy.py` shows each
rule fail.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[2]
Tree = dict[str, str]
"""Every text file of the repository, by its path."""

COLUMNS_MAX = 120
"""Of a line of Markdown, as of a line of code. Rows of tables, code blocks and what can't be broken are exempt."""

WORDS = {
    r"\banew\b": "again",
    r"\bwhoever\b": "anyone who, or the one who",
    r"\bso many\b": "say how many, or leave it out",
    r"\bsuch an?\b": "name it",
    r"\bc(?:omes?|ame) to\b": "is, reaches, ends, sums to",
    r"\bfelt\b": "takes effect, propagates",
    r"\bg(?:ive|ives|ave|iven|iving)(?: \w+){0,3}? back\b": "return, hand on",
    r"\bt(?:ake|akes|ook|aken|aking)(?: \w+){0,3}? back\b": "retract, undo",
    r"\bof whom\b": "split the sentence",
}
"""Words that make a reader guess, and what to say in their place."""

NOT_YET: tuple[str, ...] = ()
"""How problems begin that are known and wait to be mended, `*` for anything. One that is mended has to leave this list."""

OUTSIDE = {
    r"\bDESIGN\b": "say what is decided, in docs/ or an ADR",
    r"\bsections? \d+(?:\.\d+)* of the design\b|\bthe design \(section": "link the page in docs/ that says so",
    r"\b[Ii]ssues? #?\d+\b": "say what was asked, not where",
    r"\bshared/(?:reviews|STYLE|LOCAL-CLOUDS)\b": "it is not in the repository",
    r"(?<![\w.$}])/(?:work|home|root)/\w": "an absolute path of one machine",
}
"""References to what a reader of the repository can't open."""

OUTSIDE_OF_DOCUMENTS = OUTSIDE | {r"(?<![\w.$}])/tmp\b": "an absolute path of one machine"}

PROSE = {".md", ".rs", ".py", ".yaml", ".yml", ".toml", ".mjs", ".sh", ".txt", ""}
"""Suffixes of files that people write text in; Makefile and `run` have none."""

OWN = ("infra/check/tidy.py", "infra/check/test_tidy.py")
"""They have to name what they forbid."""

TOP_FOLDERS = r"(?:cli|docs|functions|infra|shared|tests)"
ARCHITECTURE = "ARCHITECTURE.md"
CHILDREN_LISTED = 6
"""A module with at least this many children has them listed in ARCHITECTURE.md, one by one."""


# --- Markdown


def _without_code_blocks(text: str) -> str:
    """The same lines, with those of code blocks empty."""
    lines, fence = [], ""
    for line in text.split("\n"):
        mark = re.match(r"\s*(```+|~~~+)", line)
        if fence:
            lines.append("")
            if mark and mark[1].startswith(fence):
                fence = ""
        elif mark:
            lines.append("")
            fence = mark[1]
        else:
            lines.append(line)
    return "\n".join(lines)


def _without_code(text: str) -> str:
    """As above, and without code between backticks; every character stays at its offset."""
    return re.sub(r"`[^`\n]*`", lambda match: " " * len(match[0]), _without_code_blocks(text))


def _documents(tree: Tree) -> Iterator[tuple[str, str]]:
    return ((path, text) for path, text in tree.items() if path.endswith(".md"))


def _line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def long_lines(tree: Tree) -> Iterator[str]:
    for path, text in _documents(tree):
        for number, line in enumerate(_without_code_blocks(text).split("\n"), 1):
            one_word = re.sub(r"`[^`]*`", lambda code: "x" * len(code[0]), line)
            unbreakable = max((len(word) for word in one_word.split()), default=0) > COLUMNS_MAX - 20
            if len(line) > COLUMNS_MAX and not line.lstrip().startswith("|") and not unbreakable:
                yield f"{path}:{number}: {len(line)} columns, {COLUMNS_MAX} at most: break the line"


def _anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    anchors: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.*?)\s*#*$", _without_code_blocks(text), re.M):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        repeated = [f"{anchor}-{count}" for count in range(1, 10)]
        anchors.add(next(name for name in [anchor, *repeated] if name not in anchors))
    return anchors


def dead_links(tree: Tree) -> Iterator[str]:
    folders = {str(parent) for path in tree for parent in PurePosixPath(path).parents}
    for path, text in _documents(tree):
        for match in re.finditer(r"\]\(([^)\s]+)\)", _without_code(text)):
            target, _, anchor = match[1].partition("#")
            if re.match(r"[a-z]+:", match[1]):
                continue
            where = f"{path}:{_line_of(text, match.start())}: "
            file = _joined(path, target) if target else path
            if file not in tree and file not in folders:
                yield f"{where}{match[1]} leads to nothing"
            elif anchor and file.endswith(".md") and anchor not in _anchors(tree[file]):
                yield f"{where}{match[1]}: {file} has no such heading"


def _joined(path: str, target: str) -> str:
    parts: list[str] = []
    for part in [*PurePosixPath(path).parent.parts, *PurePosixPath(target).parts]:
        if part == "..":
            parts = parts[:-1] if parts and parts[-1] != ".." else [*parts, part]
        elif part != ".":
            parts.append(part)
    return "/".join(parts) or "."


def dead_paths(tree: Tree) -> Iterator[str]:
    """Paths of this repository in the text of documents, and documents that anything else names."""
    folders = {str(parent) for path in tree for parent in PurePosixPath(path).parents}
    for path, text in _prose(tree):
        if path.endswith(".md"):
            names = re.finditer(rf"`({TOP_FOLDERS}/[\w./-]*\w)/?(?:`|:\d)", _without_code_blocks(text))
        else:
            names = re.finditer(r"(?<![\w/])(docs/[\w./-]*\w)", text)
        for match in names:
            name = match[1]
            near = [name, _joined(path, name), f"{name}.md"]
            adr = re.fullmatch(r"docs/adr/\d{4}", name) and any(file.startswith(name) for file in tree)
            generated = re.search(r"/(?:node_modules|target|\.state|\.venv)", name)
            if not adr and not generated and not any(file in tree or file in folders for file in near):
                yield f"{path}:{_line_of(text, match.start())}: {name} is not there"


def dead_names(tree: Tree) -> Iterator[str]:
    """Names of the code in documents: `domain::lane::LANES_MAX` has to be in that module, `Rules::voter` in some file,
    and so has a limit, as `LANES_MAX`."""
    code = {path.replace("/src/", "/"): text for path, text in tree.items() if path.endswith(".rs")}
    others = {name.replace("-", "_") for name in re.findall(r'^name = "(.*)"$', tree.get("Cargo.lock", ""), re.M)}
    for path, text in _documents(tree):
        for match in re.finditer(r"`(\w+(?:::\w+)+)`", _without_code_blocks(text)):
            *modules, name = match[1].split("::")
            if modules[0] not in {"AWS", *others} and not _is_named(modules, name, code):
                yield f"{path}:{_line_of(text, match.start())}: {match[1]} is not in the code"
        for match in re.finditer(r"`([A-Z][A-Z0-9_]*_(?:MAX|MIN|MS))`", _without_code_blocks(text)):
            if not any(match[1] in file for file in code.values()):
                yield f"{path}:{_line_of(text, match.start())}: {match[1]} is not in the code"


def _is_named(modules: list[str], name: str, code: Tree) -> bool:
    if modules[0][0].isupper():
        uses = [text for text in code.values() if re.search(rf"\b{modules[0]}\b", text)]
        declared = any(re.search(rf"\b(?:struct|enum|trait|type) {modules[0]}\b", text) for text in uses)
        return declared and any(re.search(rf"\b{name}\b", text) for text in uses)
    parent, child = (re.compile(rf"(?:^|/){'/'.join(way)}(?:/mod)?\.rs$") for way in (modules, [*modules, name]))
    return any(child.search(path) or (parent.search(path) and re.search(rf"\b{name}\b", text)) for path, text in code.items())


# --- words


def _prose(tree: Tree) -> Iterator[tuple[str, str]]:
    for path, text in tree.items():
        name = PurePosixPath(path)
        shell = name.suffix == "" and (text.startswith("#!") or name.name == "Makefile")
        if path not in OWN and name.suffix in PROSE and (name.suffix or shell):
            yield path, _without_generated(text) if path == ARCHITECTURE else text


def _without_generated(text: str) -> str:
    """The same lines, with those of generated blocks empty: they are judged where they are written."""
    return re.sub(r"<!-- generated: .*?<!-- end: ", lambda block: "\n" * block[0].count("\n"), text, flags=re.S)


def words(tree: Tree) -> Iterator[str]:
    for path, text in _prose(tree):
        yield from _found(path, text, WORDS)


def outside_references(tree: Tree) -> Iterator[str]:
    for path, text in _prose(tree):
        yield from _found(path, text, OUTSIDE_OF_DOCUMENTS if path.endswith(".md") else OUTSIDE)


def _found(path: str, text: str, patterns: dict[str, str]) -> Iterator[str]:
    """Also where a phrase goes on in the next line of a paragraph or a comment."""
    for pattern, instead in patterns.items():
        spaced = pattern.replace(" ", r"(?: |[ \t]*\n[ \t]*(?:///?!?|#)?[ \t]*)")
        for match in re.finditer(spaced, text, re.IGNORECASE if patterns is WORDS else 0):
            yield f'{path}:{_line_of(text, match.start())}: "{" ".join(match[0].split())}" ({instead})'


# --- crates


def _crates(tree: Tree) -> dict[str, dict[str, Any]]:
    """Every package's Cargo.toml, by its folder."""
    manifests = {path: tomllib.loads(text) for path, text in tree.items() if PurePosixPath(path).name == "Cargo.toml"}
    return {str(PurePosixPath(path).parent): data for path, data in manifests.items() if "package" in data}


def _files_of(folder: str, crates: dict[str, dict[str, Any]], tree: Tree) -> list[str]:
    """A crate's Rust files, without those of crates in folders below."""
    inner = [other for other in crates if other.startswith(folder + "/")]
    return [
        path
        for path in tree
        if path.endswith(".rs") and path.startswith(folder + "/") and not any(path.startswith(other + "/") for other in inner)
    ]


DEPENDENCIES = ("dependencies", "dev-dependencies", "build-dependencies")


def unused_dependencies(tree: Tree) -> Iterator[str]:
    crates = _crates(tree)
    asked: set[str] = set()
    for folder, manifest in crates.items():
        path, used = f"{folder}/Cargo.toml", "\n".join(tree[file] for file in _files_of(folder, crates, tree))
        for name in {name for table in DEPENDENCIES for name in manifest.get(table, {})}:
            asked.add(name)
            if not re.search(rf"\b{name.replace('-', '_')}\b", used) and not _explained(tree[path], name):
                where = f"{path}:{_line_naming(tree[path], name)}"
                yield f"{where}: {name} is used in no source file: remove it, or say why in a comment on its line"
    root = tomllib.loads(tree.get("Cargo.toml", ""))
    for name in root.get("workspace", {}).get("dependencies", {}):
        if name not in asked:
            yield f"Cargo.toml:{_line_naming(tree['Cargo.toml'], name)}: {name} is asked for by no crate: remove it"


def _line_naming(manifest: str, name: str) -> int:
    match = re.search(rf"^{name}\b", manifest, re.M)
    return _line_of(manifest, match.start()) if match else 1


def _explained(manifest: str, name: str) -> bool:
    return re.search(rf"^{name}\b.*#", manifest, re.M) is not None


# --- modules

Node = TypeVar("Node", str, tuple[str, ...])
Module = tuple[str, ...]
"""`domain::lane` is `("domain", "lane")`, the crate itself `()`."""


def _roots(folder: str, manifest: dict[str, Any], files: list[str]) -> set[str]:
    """The folders in which a crate's targets begin."""
    targets = [manifest.get("lib", {}), *(target for kind in ("bin", "test", "bench") for target in manifest.get(kind, []))]
    named = {str(PurePosixPath(folder) / target["path"]) for target in targets if "path" in target}
    usual = {f"{folder}/src/lib.rs", f"{folder}/src/main.rs"} & set(files)
    return {str(PurePosixPath(path).parent) for path in named | usual}


def _modules(folder: str, manifest: dict[str, Any], files: list[str]) -> Iterator[dict[Module, str]]:
    """The modules of each target of a crate, with their files; lib.rs and main.rs of one folder count as one target."""
    for root in sorted(_roots(folder, manifest, files)):
        modules: dict[Module, str] = {}
        for path in files:
            if path.startswith(root + "/"):
                parts = PurePosixPath(path[len(root) + 1 :]).with_suffix("").parts
                name = parts[:-1] if parts[-1] in ("mod", "lib", "main") else parts
                if name not in modules or parts[-1] == "lib":
                    modules[name] = path
        yield modules


def _code(text: str) -> str:
    """Rust without comments, strings and modules of tests."""
    literals = r'//[^\n]*|/\*.*?\*/|\br(#*)".*?"\1|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\''
    text = re.sub(literals, " ", text, flags=re.S)
    while match := re.search(r"#\[cfg\(test\)\]\s*(?:pub(?:\([^)]*\))? )?mod \w+ \{", text):
        depth, end = 1, match.end()
        while depth and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        text = text[: match.start()] + text[end:]
    return text


def _use_leaves(tree: str) -> Iterator[list[str]]:
    """`a::{b, c::D}` is `a::b` and `a::c::D`."""
    match = re.match(r"\s*((?:\w+\s*::\s*)*)\{", tree)
    if match is None:
        if path := re.match(r"\s*(\w+(?:\s*::\s*(?:\w+|\*))*)", tree):
            yield re.split(r"\s*::\s*", path[1])
        return
    prefix = [part for part in re.split(r"\s*::\s*", match[1].strip()) if part]
    depth, item, position = 0, "", match.end()
    while position < len(tree):
        character = tree[position]
        if depth == 0 and character in ",}":
            yield from (prefix + leaf for leaf in _use_leaves(item))
            item = ""
            if character == "}":
                return
        else:
            depth += {"{": 1, "}": -1}.get(character, 0)
            item += character
        position += 1


def _references(module: Module, code: str) -> Iterator[tuple[list[str], str]]:
    """Paths from the crate's root that a module names; with the word `pub` where it exports them itself."""
    for match in re.finditer(r"(pub(?:\([^)]*\))? )?(use )?\b(crate|self|super)\s*::\s*((?:super\s*::\s*)*)", code):
        ups = match[4].count("super") + (match[3] == "super")
        base = [] if match[3] == "crate" else list(module[: len(module) - ups] if ups else module)
        rest = code[match.end() :]
        whole = rest[: rest.find(";")] if match[2] else rest
        for leaf in _use_leaves(whole) if match[2] or rest.lstrip().startswith("{") else _first_leaf(rest):
            yield base + leaf, match[1] or ""


def _first_leaf(rest: str) -> Iterator[list[str]]:
    if path := re.match(r"\s*(\w+(?:\s*::\s*\w+)*)", rest):
        yield re.split(r"\s*::\s*", path[1])


def imports(modules: dict[Module, str], tree: Tree) -> dict[Module, set[Module]]:
    """Which modules of a crate each of them names, through re-exports, tests left out."""
    product = {name: path for name, path in modules.items() if not {"tests", "testing"} & set(name)}
    code = {name: _code(tree[path]) for name, path in product.items()}
    exports: dict[Module, dict[str, list[str]]] = {}
    for name, text in code.items():
        own = "|".join(child[-1] for child in product if child and child[:-1] == name)
        text = re.sub(rf"(pub(?:\([^)]*\))? use )(?={own or '$^'})", r"\1self::", text)
        exports[name] = {path[-1]: path for path, pub in _references(name, text) if pub}
    graph: dict[Module, set[Module]] = {name: set() for name in product}
    for name, text in code.items():
        for path, _ in _references(name, text):
            graph[name].add(_resolved(path, product, exports))
    return graph


def _resolved(path: list[str], modules: dict[Module, str], exports: dict[Module, dict[str, list[str]]]) -> Module:
    for _ in range(4):
        length = next(length for length in range(len(path), -1, -1) if tuple(path[:length]) in modules)
        module = tuple(path[:length])
        if length == len(path) or path[length] not in exports[module]:
            return module
        path = [*exports[module][path[length]], *path[length + 1 :]]
    return module


def circles(tree: Tree) -> Iterator[str]:
    """Siblings that need each other, at any depth: a module counts with all that is in its folder."""
    crates = _crates(tree)
    for folder, manifest in crates.items():
        for modules in _modules(folder, manifest, _files_of(folder, crates, tree)):
            graph = imports(modules, tree)
            for parent in {name[:-1] for name in graph if name}:
                rooms: dict[Module, dict[Module, str]] = {}
                depth = len(parent) + 1
                for source, targets in graph.items():
                    for target in targets:
                        inside = source[: len(parent)] == parent == target[: len(parent)]
                        if inside and len(source) >= depth <= len(target) and source[:depth] != target[:depth]:
                            rooms.setdefault(source[:depth], {})[target[:depth]] = f"{'::'.join(source)} → {'::'.join(target)}"
                for knot in _knots({room: set(targets) for room, targets in rooms.items()}):
                    names = ", ".join("::".join(room) for room in sorted(knot))
                    edges = sorted(rooms[a][b] for a in knot for b in rooms.get(a, {}) if b in knot)
                    yield f"{folder}: {names} need each other ({'; '.join(edges)}): move what both need below them"


def _knots(graph: dict[Node, set[Node]]) -> Iterator[set[Node]]:
    """Strongly connected components of more than one node."""
    reach = {node: _reachable(node, graph) for node in graph}
    done: set[Node] = set()
    for node in sorted(graph):
        knot = {other for other in reach[node] if node in reach.get(other, set())}
        if len(knot) > 1 and node not in done:
            done |= knot
            yield knot


def _reachable(start: Node, graph: dict[Node, set[Node]]) -> set[Node]:
    found: set[Node] = set()
    ahead = [start]
    while ahead:
        for node in graph.get(ahead.pop(), set()) - found:
            found.add(node)
            ahead.append(node)
    return found


# --- what ARCHITECTURE.md repeats


def _local_dependencies(tree: Tree) -> dict[str, set[str]]:
    """Which crates of the repository each ships or runs with, by their folders; what only tests need is left out."""
    crates = _crates(tree)
    folders = {manifest["package"]["name"]: folder for folder, manifest in crates.items()}
    return {
        folder: {folders[name] for name in manifest.get("dependencies", {}) if name in folders}
        for folder, manifest in crates.items()
    }


def crates_diagram(tree: Tree) -> str:
    """The crates and who uses whom, as Mermaid; functions that are used alike are one box."""
    needs = _local_dependencies(tree)
    direct = {
        crate: {need for need in found if not any(need in _reachable(other, needs) for other in found - {need})}
        for crate, found in needs.items()
    }
    alike: dict[Any, list[str]] = {}
    for crate in sorted(needs):
        users = frozenset(user for user, found in direct.items() if crate in found)
        kind = (frozenset(direct[crate]), users) if crate.startswith("functions/") else crate
        alike.setdefault(kind, []).append(crate)
    box = {crate: group[0] for group in alike.values() for crate in group}
    lines = ["```mermaid", "graph LR"]
    for group in alike.values():
        names = "<br>".join([group[0], *(crate.removeprefix("functions/") for crate in group[1:])])
        lines.append(f'    {_identifier(group[0])}["{names}"]')
    edges = sorted({(box[crate], box[need]) for crate in direct for need in direct[crate]})
    lines += [f"    {_identifier(user)} --> {_identifier(used)}" for user, used in edges]
    return "\n".join([*lines, "```"])


def _identifier(crate: str) -> str:
    return re.sub(r"\W", "_", crate)


def module_list(tree: Tree) -> str:
    """A line a module: the first sentence of its own documentation."""
    crates, parts = _crates(tree), []
    for folder in sorted(crates, key=lambda folder: (not folder.startswith("shared"), folder.startswith("tests"), folder)):
        files = _files_of(folder, crates, tree)
        for modules in _modules(folder, crates[folder], files):
            if () in modules and not modules[()].endswith(("/tests/cli/main.rs", "/benches/paths.rs")):
                parts.append(_rows_of(folder, modules, tree))
    rows = "\n".join(row for part in parts for row in part)
    return f"| where | what |\n|---|---|\n{rows}"


def _rows_of(folder: str, modules: dict[Module, str], tree: Tree) -> Iterator[str]:
    listed = {name for name in modules if name and not {"tests", "benches"} & set(name)}
    yield f"| **`{folder}/`** | {_first_sentence(tree[modules[()]])} |"
    for name in sorted(listed):
        siblings = sum(other[:-1] == name[:-1] for other in listed)
        if len(name) == 1 or (len(name) == 2 and siblings >= CHILDREN_LISTED):
            yield f"| `{'::'.join(name)}` | {_first_sentence(tree[modules[name]])} |"


def _first_sentence(text: str) -> str:
    paragraph = re.match(r"(?://![^\n]*\n)+", text + "\n")
    words = " ".join(line[3:].strip() for line in (paragraph[0] if paragraph else "").split("\n\n")[0].splitlines())
    sentence = re.match(r"(.*?[^.]\.)(?:\s|$)", words)
    return (sentence[1] if sentence else words).replace("|", r"\|")


GENERATED: dict[str, Callable[[Tree], str]] = {"crates": crates_diagram, "modules": module_list}


def stale_blocks(tree: Tree) -> Iterator[str]:
    if ARCHITECTURE not in tree:
        return
    for name, wanted in _blocks(tree).items():
        found = _block(name).search(tree[ARCHITECTURE])
        if found is None:
            yield f"{ARCHITECTURE}: no block `<!-- generated: {name} -->` … `<!-- end: {name} -->`"
        elif found[2] != wanted:
            yield (
                f"{ARCHITECTURE}:{_line_of(tree[ARCHITECTURE], found.start())}: the block {name!r} is out of date: "
                f"`make tidy ARGS=--write` puts this there, or paste it:\n{wanted}"
            )


def _blocks(tree: Tree) -> dict[str, str]:
    return {name: make(tree) for name, make in GENERATED.items()}


def _block(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- generated: {name} -->\n)(.*?)(\n<!-- end: {name} -->)", re.S)


def write_blocks(tree: Tree) -> str:
    text = tree[ARCHITECTURE]
    for name, wanted in _blocks(tree).items():
        text = _block(name).sub(lambda match, wanted=wanted: match[1] + wanted + match[3], text)
    return text


# --- all of it

RULES: list[Callable[[Tree], Iterator[str]]] = [
    long_lines,
    dead_links,
    dead_paths,
    dead_names,
    words,
    outside_references,
    circles,
    unused_dependencies,
    stale_blocks,
]


def read_tree() -> Tree:
    """What git keeps, or would keep. What is no text has none."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True
    )
    tree = {}
    for path in sorted(set(listed.stdout.decode().split("\0")) - {""}):
        try:
            tree[path] = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            tree[path] = ""  # a picture, which documents lead to
        except (FileNotFoundError, IsADirectoryError):
            continue
    return tree


def judge(tree: Tree, not_yet: tuple[str, ...]) -> Iterator[str]:
    """All problems but the known ones, and known ones that are gone."""
    problems = [problem for rule in RULES for problem in rule(tree)]
    yield from (problem for problem in problems if not any(fnmatchcase(problem, f"{known}*") for known in not_yet))
    for known in not_yet:
        if not any(fnmatchcase(problem, f"{known}*") for problem in problems):
            yield f"infra/check/tidy.py: {known!r} is mended: take it out of NOT_YET"


def main() -> int:
    tree = read_tree()
    if "--write" in sys.argv:
        tree[ARCHITECTURE] = write_blocks(tree)
        (ROOT / ARCHITECTURE).write_text(tree[ARCHITECTURE], encoding="utf-8")
    problems = list(judge(tree, NOT_YET))
    print("\n".join(problems) if problems else f"tidy: {len(RULES)} rules hold")
    if NOT_YET:
        print(f"tidy: {len(NOT_YET)} known problems wait")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
