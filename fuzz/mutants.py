"""Search for faults in the Python code that no test finds.

    python fuzz/mutants.py [PATH ...] --count N --seed S [--timeout SECONDS] [--list]

Draws N single faults in modules of the package, and runs the tests of the package that contains the module
for each, in a temporary copy of the working tree. A fault is killed if a test fails, and else it survives.
After a test fails, it is repeated without the fault; if it fails again, the search ends with exit code 1.
The same seed and the same code give the same faults.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path("python/mtcnn_cpp")
MEMORY = 8 << 30  # maximum bytes of data in one process of the tests
NOT_COPIED = (".git", ".venv", "build", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache")

COMPARISONS: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Lt: ("<=", ">="),
    ast.LtE: ("<", ">"),
    ast.Gt: (">=", "<="),
    ast.GtE: (">", "<"),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),  # codespell:ignore notin
}
OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "/",
    ast.Div: "*",
    ast.FloorDiv: "/",
    ast.Mod: "//",
}
REMOVABLE = (ast.Expr, ast.AugAssign, ast.Raise, ast.Assign, ast.Delete, ast.Continue, ast.Break)
# A finder of editable installations, which would import the original modules in place of the copy.
WITHOUT_FINDER = """import sys
sys.meta_path[:] = [one for one in sys.meta_path if "ScikitBuildRedirecting" not in type(one).__name__]
"""


@dataclass(frozen=True)
class Mutant:
    """A fault: the bytes `begin` to `end` of a module are replaced.

    Attributes:
        path: The module, relative to the root of the working tree.
        line: Line of the fault, from 1.
        begin: First byte that is replaced.
        end: Byte after the last one that is replaced.
        old: Text that is replaced.
        new: Text in its place.
    """

    path: Path
    line: int
    begin: int
    end: int
    old: str
    new: str

    def apply(self, source: bytes) -> bytes:
        return source[: self.begin] + self.new.encode() + source[self.end :]

    def __str__(self) -> str:
        old, new = (" ".join(text.split()) for text in (self.old, self.new))
        shown = old if len(old) <= 60 else f"{old[:57]}..."
        return f"{self.path.as_posix()}:{self.line}: {shown} -> {new}"


def find_mutants(path: Path, source: bytes) -> list[Mutant]:
    """Return every fault that can be planted in a module, in the order of the source."""
    starts = [0]
    for text in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(text))
    found = []
    for node, new in _changes(ast.parse(source)):
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        found.append(Mutant(path, node.lineno, begin, end, source[begin:end].decode(), new))
    return sorted(found, key=lambda mutant: (mutant.begin, mutant.end, mutant.new))


def _changes(tree: ast.Module) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Yield nodes and texts that replace them."""
    for node in _executed_nodes(tree):
        if isinstance(node, ast.Compare):
            for index, operator in enumerate(node.ops):
                for text in COMPARISONS[type(operator)]:
                    yield node, f"({_compare(node, index, text)})"
        elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS and not _has_text(node):
            yield node, f"({_group(node.left)} {OPERATORS[type(node.op)]} {_group(node.right)})"
        elif isinstance(node, ast.BoolOp):
            word = " or " if isinstance(node.op, ast.And) else " and "
            yield node, f"({word.join(map(_group, node.values))})"
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield node, _group(node.operand)
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield node, str(not node.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, int):
            yield node, str(node.value + 1)
            yield node, f"({node.value - 1})"
        elif isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield node, repr(node.value * 2 if node.value else 1.0)
        elif isinstance(node, REMOVABLE):
            yield node, "pass"


def _executed_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below a node, without annotations, docstrings, f-strings and imports for types."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(
                child, (ast.Import, ast.ImportFrom, ast.JoinedStr)
            ):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.Assign) and ast.unparse(child.targets[0]) == "__all__":
                continue
            if not (isinstance(child, ast.Assign) and isinstance(child.targets[0], (ast.Name, ast.Tuple))):
                yield child  # without the assignment, a later use of the name would usually fail
            yield from _executed_nodes(child)


def _has_text(node: ast.BinOp) -> bool:
    """Return whether an operand is a text, for which another operator would only raise TypeError."""
    return any(
        isinstance(one, ast.JoinedStr) or (isinstance(one, ast.Constant) and isinstance(one.value, str))
        for one in (node.left, node.right)
    )


def _group(node: ast.expr) -> str:
    kinds = (ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Lambda, ast.NamedExpr, ast.UnaryOp)
    return f"({ast.unparse(node)})" if isinstance(node, kinds) else ast.unparse(node)


def _compare(node: ast.Compare, changed: int, text: str) -> str:
    """Return the comparison with another operator at one place."""
    parts = [_group(node.left)]
    for index, (operator, right) in enumerate(zip(node.ops, node.comparators, strict=True)):
        same = ast.unparse(ast.Compare(ast.Name("a"), [operator], [ast.Name("b")]))[2:-2]
        parts += [text if index == changed else same, _group(right)]
    return " ".join(parts)


def draw_mutants(root: Path, names: Sequence[str], count: int, seed: int) -> list[Mutant]:
    """Draw faults, each with the same probability, from modules and folders below the package.

    Raises:
        ValueError: A name is neither a module nor a folder of the package.
    """
    modules: set[Path] = set()
    for name in names or ["."]:
        path = root / PACKAGE / name
        if not path.exists():
            raise ValueError(f"{name}: expected a module or folder below {PACKAGE}, found nothing there")
        modules.update(path.rglob("*.py") if path.is_dir() else [path])
    found = [
        mutant
        for module in sorted(modules)
        for mutant in find_mutants(module.relative_to(root), module.read_bytes())
    ]
    return random.Random(seed).sample(found, min(count, len(found)))


def find_tests(root: Path, module: Path) -> list[list[str]]:
    """Return paths of the tests of a module, in groups that run one after the other.

    The groups are: files with the name of the module, the folder of the subpackage, the folder of the
    package. A module that is directly in `mtcnn_cpp` has only files.
    """
    parts = module.relative_to(PACKAGE).with_suffix("").parts
    stem = parts[-2] if parts[-1] == "__init__" and len(parts) > 1 else parts[-1]
    package = Path("tests", parts[0].lstrip("_"))
    inner = Path("tests", *(part.lstrip("_") for part in parts[:-1]))
    while inner not in (package, Path("tests"), Path()) and not (root / inner).is_dir():
        inner = inner.parent
    if len(parts) == 1:
        files = list((root / "tests").glob(f"test_{stem.strip('_')}.py"))
        package = inner = Path("tests/test_package.py")
    else:
        files = sorted((root / package).rglob(f"test_{stem.lstrip('_')}*.py"))
    groups = [[path.relative_to(root).as_posix() for path in files], [inner.as_posix()], [package.as_posix()]]
    return [group for index, group in enumerate(groups) if group and group not in groups[:index]]


class CopiedTree:
    """Runs tests in a temporary copy of the working tree.

    Args:
        root: The working tree.
        folder: An empty folder for the copy.
        timeout: Maximum seconds of one run; tests that take longer have failed.
    """

    def __init__(self, root: Path, folder: Path, timeout: float) -> None:
        self.root = folder / "tree"
        self._timeout = timeout
        shutil.copytree(root, self.root, symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))
        self._environment = os.environ | {
            "PYTHONPATH": str(self.root / "python"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        (self.root / "python" / "sitecustomize.py").write_text(WITHOUT_FINDER, encoding="utf-8")
        self._copy_core()

    def _copy_core(self) -> None:
        """Copy the compiled core and the weights of an installation, if the working tree has none."""
        package = self.root / PACKAGE
        code = "import mtcnn_cpp._core as core; print(core.__file__)"
        installed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        core = Path(installed.stdout.strip())
        if not (package / core.name).exists():
            shutil.copy(core, package)
        if not (package / "weights").exists():
            shutil.copytree(self.root / "third_party" / "weights", package / "weights")
        code = "import mtcnn_cpp; print(mtcnn_cpp.__file__)"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=self._environment, check=True
        )
        if not Path(done.stdout.strip()).is_relative_to(self.root):
            raise SystemExit(f"expected to import {package}, found {done.stdout.strip()}")

    def failure(self, mutant: Mutant | None, tests: Sequence[str]) -> str:
        """Return the first test that fails with this fault, or "" if all pass."""
        path = None if mutant is None else self.root / mutant.path
        source = b"" if path is None else path.read_bytes()
        if path is not None and mutant is not None:
            path.write_bytes(mutant.apply(source))
        try:
            code, output = self._run_tests(tests)
        finally:
            if path is not None:
                path.write_bytes(source)
        if code in (0, 5):  # 5: there are no tests
            return ""
        failed = re.search(r"^(?:FAILED|ERROR) (.*?)(?: - .*)?$", output, re.MULTILINE)
        return "timeout" if code is None else failed[1] if failed else "conftest.py"

    def _run_tests(self, tests: Sequence[str]) -> tuple[int | None, str]:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        with subprocess.Popen(
            command, cwd=self.root, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
            preexec_fn=_limit_memory,
        ) as process:  # fmt: skip
            try:
                output, _ = process.communicate(timeout=self._timeout)
            except subprocess.TimeoutExpired:
                return None, ""
            finally:  # ends also the processes that the tests have started
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, output


def find_failure(tree: CopiedTree, mutant: Mutant) -> str:
    """Return the test that kills a mutant, or "" if it survives.

    Ends the program if this test also fails without the fault.
    """
    for tests in find_tests(tree.root, mutant.path):
        failed = tree.failure(mutant, tests)
        if not failed:
            continue
        repeated = [failed.partition("[")[0]] if "::" in failed else tests
        failed_again = tree.failure(None, repeated)
        if failed_again == "timeout":
            sys.exit(f"error: {' '.join(repeated)}: too slow even without a fault; increase --timeout")
        if failed_again:
            sys.exit(f"error: {failed_again} also fails without a fault; repair it first")
        return failed
    return ""


def _limit_memory() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="modules or folders; default: the package")
    parser.add_argument("--count", type=int, default=20, help="number of faults (default: 20)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--timeout", type=float, default=600, help="maximum seconds of one run (default: 600)"
    )
    parser.add_argument("--list", action="store_true", help="print the faults, without running tests")
    parser.add_argument("--root", type=Path, default=ROOT, help="working tree (default: this one)")
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    try:
        mutants = draw_mutants(root, arguments.paths, arguments.count, arguments.seed)
    except ValueError as error:
        sys.exit(f"error: {error}")
    if arguments.list:
        print(*mutants, sep="\n")
        return
    survivors = []
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        tree = CopiedTree(root, Path(name), arguments.timeout)
        for mutant in mutants:
            failed = find_failure(tree, mutant)
            if not failed:
                survivors.append(mutant)
            print(f"killed by {failed}: {mutant}" if failed else f"survived: {mutant}", flush=True)
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} killed, {time.monotonic() - started:.0f} s")
    for mutant in survivors:
        print(f"survived: {mutant}")


if __name__ == "__main__":
    main()
