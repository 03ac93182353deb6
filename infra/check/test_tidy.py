"""Shows that each rule of tidy.py can fail, and that it lets pass what is right. Run as `python infra/check/test_tidy.py`."""

import unittest
from collections.abc import Callable, Iterator
from pathlib import Path

import tidy

CRATE = '[package]\nname = "landslide-one"\n'
TIDY = {
    "README.md": "# One\n\nSee [two](docs/two.md#a-heading-twice-1), `docs/two.md` and [below](#one).\n",
    "docs/two.md": "# A heading, `twice`\n## A heading, `twice`\n\n| a row | of a table |\n\n```sh\n[code](gone)\n```\n",
    "one/Cargo.toml": CRATE + '[dependencies]\nserde.workspace = true\nquiet = "1" # it switches a feature off\n',
    "one/src/lib.rs": "//! Crate one. And more.\nmod a;\nmod b;\nstruct Root;\nimpl Root { fn new() {} }\n",
    "one/src/a.rs": "//! Module a.\nuse serde::Serialize;\nuse crate::{b::{self, B}, Root};\n",
    "one/src/b.rs": "//! Module b.\n#[cfg(test)]\nmod tests { use crate::a; fn f() { if true {} } }\n",
}
"""A repository without a problem."""


class TidyTest(unittest.TestCase):
    def fails(self, rule: Callable[[tidy.Tree], Iterator[str]], path: str, text: str, problem: str) -> None:
        problems = list(rule(TIDY | {path: text}))
        self.assertEqual(list(rule(TIDY)), [], "the tree without a problem")
        self.assertTrue(any(problem in found for found in problems), f"{problem!r} not in {problems}")

    def holds(self, rule: Callable[[tidy.Tree], Iterator[str]], path: str, text: str) -> None:
        self.assertEqual(list(rule(TIDY | {path: text})), [])

    def test_a_long_line(self) -> None:
        line = "word " * 25
        self.fails(tidy.long_lines, "docs/x.md", f"# X\n{line}\n", "docs/x.md:2: 125 columns")
        self.fails(tidy.long_lines, "docs/x.md", f"```\n```\n{line}\n", "docs/x.md:3:")
        self.holds(tidy.long_lines, "docs/x.md", f"| {line} |\n```sh\n{line}\n```\n[x](https://{'a' * 120})\n`{line}`\n")

    def test_a_link_that_leads_to_nothing(self) -> None:
        self.fails(tidy.dead_links, "docs/x.md", "\n[a\nb](../gone.md)", "docs/x.md:3: ../gone.md leads to nothing")
        self.fails(tidy.dead_links, "docs/x.md", "[a](two.md#nowhere)", "docs/two.md has no such heading")
        self.fails(tidy.dead_links, "docs/x.md", "[a](#nowhere)", "docs/x.md has no such heading")
        self.holds(tidy.dead_links, "docs/x.md", "[a](../one) [b](../one/src/a.rs#L1) `[c](gone)` [d](https://x.org/y)")

    def test_a_path_that_is_not_there(self) -> None:
        self.fails(tidy.dead_paths, "docs/x.md", "in `shared/gone.rs`", "docs/x.md:1: shared/gone.rs is not there")
        self.fails(tidy.dead_paths, "one/src/b.rs", "// see docs/gone.md", "one/src/b.rs:1: docs/gone.md is not there")
        self.holds(tidy.dead_paths, "one/src/b.rs", "// see docs/two.md. Or docs/two, of https://x.org/docs/gone.html")

    def test_a_name_that_is_not_in_the_code(self) -> None:
        self.fails(tidy.dead_names, "docs/x.md", "a `a::Gone`", "docs/x.md:1: a::Gone is not in the code")
        self.fails(tidy.dead_names, "docs/x.md", "a `b::Serialize`", "b::Serialize is not in the code")
        self.holds(tidy.dead_names, "docs/x.md", "`a::Serialize` and `one::a::Serialize` and `one::a`, not `a::<b>`")
        self.fails(tidy.dead_names, "docs/x.md", "at most `GONE_MAX`", "docs/x.md:1: GONE_MAX is not in the code")
        self.fails(tidy.dead_names, "docs/x.md", "`Root::gone`", "Root::gone is not in the code")
        self.fails(tidy.dead_names, "docs/x.md", "`Serialize::Root`", "Serialize::Root is not in the code")
        self.holds(tidy.dead_names, "docs/x.md", "`Root::new`, `AWS::Lambda::Function`")
        self.assertEqual(list(tidy.dead_names({"Cargo.lock": 'name = "serde-json"\n', "x.md": "`serde_json::Value`"})), [])

    def test_words_that_make_a_reader_guess(self) -> None:
        says = {
            "it is made anew": "anew",
            "Whoever asks": "Whoever",
            "so many votes": "so many",
            "such a vote": "such a",
            "it comes to 3": "comes to",
            "until it is felt": "felt",
            "gives the dead letters back": "gives the dead letters back",
            "a vote that is taken back": "taken back",
            "voters of whom": "of whom",
            "comes\nto 3": "comes to",
        }
        self.assertEqual(len({word.lower() for word in says.values()}), len(tidy.WORDS))
        for text, word in says.items():
            for path in ("docs/x.md", "infra/x.py", "template.yaml", "one/Cargo.toml", "one/src/b.rs"):
                with self.subTest(text, path=path):
                    self.fails(tidy.words, path, text, f'{path}:1: "{word}"')
        self.fails(tidy.words, "one/src/b.rs", "/// It comes\n    /// to 3.", '"comes /// to"')
        self.fails(tidy.words, "Makefile", "x: ## so many", "Makefile:1:")
        self.fails(tidy.words, "run", "#!/bin/sh\n# so many", "run:2:")
        self.holds(tidy.words, "one/src/b.rs", "const CHANGE_FELT_MS: u64 = 1;")

    def test_what_is_generated_is_judged_where_it_is_written(self) -> None:
        generated = "<!-- generated: modules -->\nanew\n<!-- end: modules -->"
        self.holds(tidy.words, "ARCHITECTURE.md", generated)
        self.fails(tidy.words, "ARCHITECTURE.md", f"{generated}\nanew", "ARCHITECTURE.md:4:")

    def test_a_reference_to_what_a_reader_cannot_open(self) -> None:
        design = ("DESIGN 10", "section 7 of the design", "the design (section 1)")
        absolute = "/".join(("", "work", "main", "x"))
        for text in (*design, "issue 7", "Issue #7", "../shared/reviews/a.md", absolute):
            with self.subTest(text):
                self.fails(tidy.outside_references, "one/src/b.rs", f"// {text}", "one/src/b.rs:1:")
        temporary, url = ("/".join(("", "tmp")), "/".join(("https:", "", "x.org", "work", "a")))
        self.fails(tidy.outside_references, "docs/x.md", f"look into {temporary}/x", "docs/x.md:1:")
        self.holds(tidy.outside_references, "one/src/b.rs", f"// issues/10 of {url}, tests use {temporary}")

    def test_modules_that_need_each_other(self) -> None:
        needs = "one: a, b need each other (a → b; b → a)"
        for code in ("use crate::a::A;", "use super::a;", "fn f() { crate::a::f() }", "use crate::{c, a::{self, A}};"):
            with self.subTest(code):
                self.fails(tidy.circles, "one/src/b.rs", code, needs)
        self.holds(tidy.circles, "one/src/b.rs", 'fn f() { "crate::a::f" } // crate::a::f')
        self.holds(tidy.circles, "one/src/b.rs", "use crate::Root; use super::Other; use crate::b::c;")

    def test_modules_that_need_each_other_through_their_folders(self) -> None:
        self.fails(tidy.circles, "one/src/b/inner.rs", "use super::super::a::A;", "one: a, b need each other")
        tree = TIDY | {"one/src/lib.rs": "pub use a::Kept;", "one/src/b.rs": "use crate::Kept;"}
        self.assertIn("a, b need each other", "".join(tidy.circles(tree)))
        tree = TIDY | {"one/src/b/x.rs": "use super::y::Y;", "one/src/b/y.rs": "use crate::b::x;"}
        self.assertIn("b::x, b::y need each other", "".join(tidy.circles(tree)))
        tree = TIDY | {"one/src/b.rs": "use self::x::X;", "one/src/b/x.rs": "use super::Y;"}
        self.assertEqual(list(tidy.circles(tree)), [], "a child may use its parent")

    def test_an_unused_dependency(self) -> None:
        manifest = CRATE + "[dev-dependencies]\nserde.workspace = true\nun-used.workspace = true\n"
        self.fails(tidy.unused_dependencies, "one/Cargo.toml", manifest, "one/Cargo.toml:5: un-used is used in no source file")
        root = '[workspace.dependencies]\nserde = "1"\nquiet = "1"\ngone = "1"\n'
        self.fails(tidy.unused_dependencies, "Cargo.toml", root, "Cargo.toml:4: gone is asked for by no crate")

    def test_a_block_that_is_out_of_date(self) -> None:
        blocks = "".join(f"<!-- generated: {name} -->\n\n<!-- end: {name} -->\n" for name in tidy.GENERATED)
        stale = "ARCHITECTURE.md:1: the block 'crates' is out of date"
        self.fails(tidy.stale_blocks, "ARCHITECTURE.md", blocks, stale)
        self.fails(tidy.stale_blocks, "ARCHITECTURE.md", "# A", "no block `<!-- generated: modules -->`")
        self.holds(tidy.stale_blocks, "ARCHITECTURE.md", tidy.write_blocks(TIDY | {"ARCHITECTURE.md": blocks}))

    def test_the_blocks(self) -> None:
        tree = TIDY | {"shared/Cargo.toml": '[package]\nname = "s"\n[dependencies]\nlandslide-one.workspace = true\n'}
        self.assertIn("    shared --> one\n", tidy.crates_diagram(tree))
        tree = {path.replace("one/", "cli/"): text for path, text in TIDY.items()}
        self.assertIn("| **`cli/`** | Crate one. |\n| `a` | Module a. |\n| `b` |", tidy.module_list(tree))

    def test_a_known_problem_waits_and_leaves_when_it_is_mended(self) -> None:
        tree = TIDY | {"docs/x.md": "anew", "ARCHITECTURE.md": ""}
        known = ('docs/x.md:*: "anew"', "ARCHITECTURE.md: no block")
        self.assertEqual(list(tidy.judge(tree, known)), [])
        self.assertIn('docs/x.md:2: "felt"', "".join(tidy.judge(tree | {"docs/x.md": "anew\nfelt"}, known)))
        self.assertIn("is mended", "".join(tidy.judge(TIDY | {"docs/x.md": "new"}, ("docs/x.md:1:",))))

    def test_every_rule_is_tried_here(self) -> None:
        source = Path(__file__).read_text(encoding="utf-8")
        self.assertEqual([rule.__name__ for rule in tidy.RULES if f"tidy.{rule.__name__}" not in source], [])


if __name__ == "__main__":
    unittest.main()
