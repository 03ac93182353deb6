"""What ships starts on Lambda: it asks for no glibc newer than Amazon Linux 2023's. With binaries of the C compiler."""

import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from landslide_local import build, glibc
from landslide_local.stages import Failure


class GlibcTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def program(self, needs: dict[str, str], place: str = "bootstrap") -> Path:
        """A program that asks libc.so.6 for these symbols (by name, with their versions), and for nothing else."""
        libc, versions = self.folder / "libc.c", self.folder / "versions"
        libc.write_text("".join(f"int {name}(void) {{ return 0; }}\n" for name in needs))
        versions.write_text("".join(f"{version} {{ {name}; }};\n" for name, version in needs.items()))
        main, binary = self.folder / "main.c", self.folder / place
        main.write_text("".join(f"int {name}(void);\n" for name in needs) + "void _start(void) {\n")
        main.write_text(main.read_text() + "".join(f"  {name}();\n" for name in needs) + "}\n")
        binary.parent.mkdir(parents=True, exist_ok=True)
        stub, quiet = self.folder / "libc.so.6", ["-nostdlib", "-w", "-fno-builtin"]
        self.compile([*quiet, "-shared", "-Wl,-soname,libc.so.6", f"-Wl,--version-script={versions}", libc, "-o", stub])
        self.compile([*quiet, main, stub, "-s", "-o", binary])
        return binary

    def compile(self, arguments: list[object]) -> None:
        subprocess.run(["cc", *map(str, arguments)], check=True)

    def test_a_binary_that_needs_2_38_is_refused_by_function_version_and_symbol(self) -> None:
        binary = self.program({"__isoc23_strtol": "GLIBC_2.38", "malloc": "GLIBC_2.2.5"})
        with self.assertRaisesRegex(Failure, r"cast-vote needs GLIBC_2\.38 \(__isoc23_strtol\),.* is 2\.34: .*make package"):
            glibc.require("cast-vote", binary)

    def test_a_binary_that_needs_2_34_is_taken(self) -> None:
        binary = self.program({"__libc_start_main": "GLIBC_2.34", "malloc": "GLIBC_2.2.5"})
        self.assertEqual(glibc.needs(binary), {"GLIBC_2.34": ["__libc_start_main"], "GLIBC_2.2.5": ["malloc"]})
        glibc.require("cast-vote", binary)

    def test_a_feature_of_a_newer_loader_is_refused(self) -> None:
        binary = self.program({"relocated": "GLIBC_ABI_DT_RELR"})
        with self.assertRaisesRegex(Failure, "GLIBC_ABI_DT_RELR"):
            glibc.require("cast-vote", binary)

    def test_a_static_program_needs_none(self) -> None:
        main, binary = self.folder / "main.c", self.folder / "bootstrap"
        main.write_text("void _start(void) {}\n")
        self.compile(["-static", "-nostdlib", main, "-o", binary])
        self.assertEqual(glibc.needs(binary), {})

    def release_build(self, architecture: str, host: str, needs: dict[str, str]) -> list[str]:
        """Arguments of cargo, which is a stub here: what it has built is there already."""
        with (
            mock.patch.multiple(
                build,
                LAMBDA=self.folder,
                functions=lambda: ["cast-vote"],
                host_architecture=lambda: host,
                _require_rust_target=mock.DEFAULT,
            ),
            mock.patch.object(build.venvs, "ensure"),
            mock.patch.object(build, "_cargo") as cargo,
        ):
            self.program(needs, "cast-vote/bootstrap")
            build.for_lambda(architecture)
        return cargo.call_args[0][0]

    def test_what_ships_is_linked_by_zig_against_2_34_whatever_the_host(self) -> None:
        for host in ("arm64", "x86_64"):
            for architecture, triple in (("arm64", "aarch64-unknown-linux-gnu"), ("x86_64", "x86_64-unknown-linux-gnu")):
                arguments = self.release_build(architecture, host, {"malloc": "GLIBC_2.17"})
                self.assertEqual(arguments[arguments.index("--target") + 1], f"{triple}.2.34")
                self.assertEqual(arguments[arguments.index("--compiler") + 1], "cargo-zigbuild")

    def test_a_release_build_that_needs_more_fails(self) -> None:
        with self.assertRaisesRegex(Failure, "cast-vote needs GLIBC_2.38"):
            self.release_build("x86_64", "x86_64", {"__isoc23_sscanf": "GLIBC_2.38"})


if __name__ == "__main__":
    unittest.main()
