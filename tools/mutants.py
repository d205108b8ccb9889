# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do the pure tests notice when planning goes wrong? Change the code at random places, one at a time, and run them.

A mutant is one change: a comparison turned round, a condition negated, `and` in place of `or`, a call left out, None returned,
a number one larger. It is killed if a test of tests/unit fails, and survives if none does. Those that survive are listed, with
the code before and after.

usage: python tools/mutants.py [--count N] [--seed SEED] [--jobs N] [PATH-BELOW-MODULE_UTILS...]
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import contextlib
import pathlib
import random
import subprocess
import sys
import tempfile
import typing as t

from tree import copy_tree

ROOT = pathlib.Path(__file__).resolve().parent.parent
UTILS = "plugins/module_utils"
PLANNING = (
    "_plan.py",
    "_run.py",
    "_converge.py",
    "_xml/*.py",
    "_objects/*.py",
    *(f"_objects/{noun}/*.py" for noun in ("domain", "network", "node_device", "nwfilter", "pool", "secret", "volume")),
)
# What carries steps out, or reads: proven on a real libvirt.
OTHERS = (
    *("connection", "export", "formats", "info", "operations", "permissions", "storage"),
    *("agent", "cloud_init", "describe", "documents", "history", "installer", "inventory", "iso", "monitor", "nested"),
    *("ready", "restart", "running_devices", "shutdown", "statistics", "steps", "replug", "passthrough"),
    *("copying", "download", "fetch", "image", "leftover", "records", "sending", "signature", "staging", "stream"),
)
TURNED = {
    ast.Eq: "!=", ast.NotEq: "==", ast.Lt: ">=", ast.LtE: ">", ast.Gt: "<=", ast.GtE: "<",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip


class Mutant(t.NamedTuple):
    """One change of one file: the characters from ``start`` to ``end`` become ``text``."""

    path: str
    line: int
    start: int
    end: int
    text: str

    def apply(self, source: str) -> str:
        return source[: self.start] + self.text + source[self.end :]


def mutants(path: str, source: str) -> t.Iterator[Mutant]:
    """All changes of a file that this tool knows."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def place(line: int, column: int) -> int:
        text = source[starts[line - 1] : starts[line]]
        return starts[line - 1] + len(text.encode()[:column].decode())

    for node in _code(ast.parse(source)):
        start, end = place(node.lineno, node.col_offset), place(node.end_lineno, node.end_col_offset)
        for text in _changed(node, source[start:end]):
            mutant = Mutant(path, node.lineno, start, end, text)
            with contextlib.suppress(SyntaxError):  # within an f-string Python 3.11 doesn't say where something stands
                ast.parse(mutant.apply(source))
                yield mutant


def _code(tree: ast.Module) -> t.Iterator[t.Any]:
    """What stands in functions; no annotations, and nothing that is for the type checker alone."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for statement in function.body:
                yield from (node for node in ast.walk(statement) if isinstance(node, (ast.expr, ast.stmt)))


def _changed(node: t.Any, text: str) -> t.Iterator[str]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield f"(({ast.unparse(node.left)}) {TURNED[type(node.ops[0])]} ({ast.unparse(node.comparators[0])}))"
    elif isinstance(node, ast.BoolOp):
        word = " or " if isinstance(node.op, ast.And) else " and "
        yield f"({word.join(f'({ast.unparse(one)})' for one in node.values)})"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield f"({ast.unparse(node.operand)})"
    elif isinstance(node, ast.IfExp):
        yield f"({ast.unparse(node.orelse)} if {ast.unparse(node.test)} else {ast.unparse(node.body)})"
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "pass"
    elif isinstance(node, ast.Return) and node.value is not None and text != "return None":
        yield "return None"
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield str(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield str(node.value + 1)


def files(patterns: t.Sequence[str]) -> list[pathlib.Path]:
    found = {path for pattern in patterns for path in (ROOT / UTILS).glob(pattern)}
    return sorted(path for path in found if path.stem not in OTHERS)


class Tree:
    """A copy of the working tree to change."""

    def __init__(self, place: pathlib.Path) -> None:
        self.place = copy_tree(place)
        space = self.place / ".build" / "collections" / "ansible_collections" / "metal"
        space.mkdir(parents=True)
        (space / "kvm").symlink_to(self.place)

    def survives(self, mutant: Mutant) -> bool:
        """Whether all pure tests pass with it. First those that say the most in the shortest time."""
        file = self.place / mutant.path
        source = file.read_text(encoding="utf-8")
        file.write_text(mutant.apply(source), encoding="utf-8")
        try:
            return self.passes("tests/unit/plans", "tests/unit/xml", "tests/unit/test_run.py") and self.passes(
                "tests/unit", "--ignore=tests/unit/host"
            )
        finally:
            file.write_text(source, encoding="utf-8")

    def passes(self, *tests: str) -> bool:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        try:
            done = subprocess.run(command, cwd=self.place, capture_output=True, text=True, check=False, timeout=900)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("paths", nargs="*", default=PLANNING)
    asked = parser.parse_args()
    known = {path: path.read_text(encoding="utf-8") for path in files(asked.paths)}
    every = [one for path, text in known.items() for one in mutants(str(path.relative_to(ROOT)), text)]
    drawn = random.Random(asked.seed).sample(every, min(asked.count, len(every)))
    print(f"{len(drawn)} of {len(every)} mutants of {len(known)} files, seed {asked.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        trees = [Tree(pathlib.Path(place, str(number))) for number in range(asked.jobs)]
        if not trees[0].passes("tests/unit", "--ignore=tests/unit/host"):
            raise SystemExit("the tests fail without a mutant")
        with concurrent.futures.ThreadPoolExecutor(asked.jobs) as pool:
            shares = [drawn[number :: asked.jobs] for number in range(asked.jobs)]
            alive = [one for found in pool.map(_survivors, trees, shares) for one in found]
    killed = len(drawn) - len(alive)
    print(f"{killed} of {len(drawn)} killed")
    return 0 if killed >= 0.9 * len(drawn) else 1


def _survivors(tree: Tree, share: list[Mutant]) -> list[Mutant]:
    alive = []
    for mutant in share:
        if tree.survives(mutant):
            alive.append(mutant)
            source = (tree.place / mutant.path).read_text(encoding="utf-8")
            before = " ".join(source[mutant.start : mutant.end].split())
            print(f"survives: {mutant.path}:{mutant.line}: {before}  ->  {mutant.text}", flush=True)
    return alive


if __name__ == "__main__":
    sys.exit(main())
