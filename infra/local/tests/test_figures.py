"""`make figures` writes what commands print, and nothing else."""

import re
import tempfile
import unittest
from pathlib import Path

from landslide_local import figures, paths
from landslide_local.stages import Failure

PAGE = (
    "# Figures\n\n<!-- figure: costs -->\nold\n<!-- end: costs -->\n\nProse.\n\n<!-- figure: sim -->\nold\n<!-- end: sim -->\n"
)


class FiguresTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.page = Path(folder.name) / "figures.md"
        self.page.write_text(PAGE)

    def test_a_block_is_replaced_and_the_rest_stays(self) -> None:
        figures.write(["costs"], self.page, lambda _: "| a |\n| --- |\n| 1 |\npage SAYS OTHERWISE\n")
        written = self.page.read_text()
        self.assertRegex(
            written, r"<!-- figure: costs -->\n`make costs`, \d{4}-.*:\n\n\| a \|\n\| --- \|\n\| 1 \|\n<!-- end: costs -->"
        )
        self.assertIn("Prose.\n\n<!-- figure: sim -->\nold\n", written)

    def test_what_a_terminal_shows_is_kept_as_it_is(self) -> None:
        figures.write(["sim"], self.page, lambda _: "\n  20,000  seeds \nlost 0, double 0\n")
        self.assertIn("```text\n  20,000  seeds\nlost 0, double 0\n```\n<!-- end: sim -->", self.page.read_text())

    def test_tables_keep_the_lines_before_them(self) -> None:
        printed = "building\n\nFloor: 66\n\n| a |\n|---|\n\n2 paths\n| b |\n|---|\n\n3 of the targets missed\n"
        self.assertEqual(figures.tables(printed), "| a |\n|---|\n\n2 paths\n\n| b |\n|---|")

    def test_nothing_printed_is_a_failure(self) -> None:
        for name in ["costs", "sim"]:
            with self.assertRaisesRegex(Failure, "printed no figures"):
                figures.write([name], self.page, lambda _: "\n")
        self.assertEqual(self.page.read_text(), PAGE)

    def test_an_unknown_figure_and_a_missing_block_are_named(self) -> None:
        with self.assertRaisesRegex(Failure, "no figure speed; there are costs"):
            figures.write(["costs", "speed"], self.page, lambda _: "| a |")
        with self.assertRaisesRegex(Failure, "no block `<!-- figure: viral -->`"):
            figures.write(["viral"], self.page, lambda _: "| a |")

    def test_the_page_has_a_block_for_each_figure_and_no_other(self) -> None:
        blocks = re.findall(r"<!-- figure: (\S+) -->", figures.PAGE.read_text())
        self.assertEqual(sorted(blocks), sorted(figures.FIGURES))

    def test_each_figure_is_a_verb_of_the_makefile(self) -> None:
        verbs = set(re.findall(r"^([a-z-]+):", (paths.ROOT / "Makefile").read_text(), re.M))
        self.assertEqual({figure.command[0] for figure in figures.FIGURES.values()} - verbs, set())


if __name__ == "__main__":
    unittest.main()
