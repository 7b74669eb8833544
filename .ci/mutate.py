"""Mutation testing of some files by some tests, in a copy of the last commit.

    .venv/bin/python .ci/mutate.py --sample 20 skae/noises.py --tests tests/test_noises.py

Each mutant differs in one place: a number (also a constant of the module) is doubled or halved, a
sign, comparison, operator or truth value changes, an argument or a call is lost. The tests that
run the changed line are run against it, fastest first. Mutants that no test notices are shown.
"""

import argparse
import ast
import functools
import importlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

OPERATORS = {
    **{"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="},
    **{"is": "is not", "is not": "is", "in": "not in", "not in": "in"},
    **{"+": "-", "-": "+", "*": "/", "/": "*", "//": "*", "**": "*", "%": "//"},
    **{"and": "or", "or": "and"},
}
SYMBOLS = {
    **{ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="},
    **{ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in"},
    **{ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//"},
    **{ast.Pow: "**", ast.Mod: "%", ast.And: "and", ast.Or: "or"},
}
EXTREMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum"}
# A mutant is an endless loop if its tests take this many times as long as without it.
SLOWDOWN, MIN_SECONDS = 10, 60
PLUGIN = """
import collections, json
durations = collections.Counter()
def pytest_runtest_logreport(report):
    durations[report.nodeid] += report.duration
def pytest_sessionfinish(session):
    with open("durations.json", "w") as file:
        json.dump(durations, file)
"""


class Source:
    """A file and the places where it can be changed."""

    def __init__(self, path):
        self.text = Path(path).read_bytes()
        starts = [0]
        for line in self.text.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        self.starts = starts
        self.tree = ast.parse(self.text)
        self.mutants = []  # (line, begin, end, replacement)
        self._visit(self.tree)

    def begin(self, node):
        return self.starts[node.lineno - 1] + node.col_offset

    def end(self, node):
        return self.starts[node.end_lineno - 1] + node.end_col_offset

    def mutated(self, mutant):
        _, begin, end, replacement = mutant
        return self.text[:begin] + replacement.encode() + self.text[end:]

    def lines_of(self, line):
        """Return the lines of the statement at a line, and the names that it gives a value."""
        first, last, names = line, line, set()
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.stmt) or not node.lineno <= line <= node.end_lineno:
                continue
            if not hasattr(node, "body"):
                first, last = node.lineno, node.end_lineno
                targets = getattr(node, "targets", [getattr(node, "target", None)])
                targets = [each for target in targets if target for each in ast.walk(target)]
                names = {each.id for each in targets if isinstance(each, ast.Name)}
        return range(first, last + 1), names

    def _replace(self, node, replacement):
        self.mutants.append((node.lineno, self.begin(node), self.end(node), replacement))

    def _replace_between(self, left, right, symbol):
        begin, end = self.end(left), self.begin(right)
        between = self.text[begin:end].decode()
        if symbol in between and "#" not in between:
            changed = between.replace(symbol, OPERATORS[symbol], 1)
            self.mutants.append((left.end_lineno, begin, end, changed))

    def _visit(self, node):
        # Texts of errors, annotations, and defaults, which are a matter of the public contract.
        skipped = (ast.Raise, ast.arguments, ast.JoinedStr)
        if isinstance(node, skipped):
            return
        getattr(self, f"_mutate_{type(node).__name__}", lambda node: None)(node)
        for field, child in ast.iter_fields(node):
            for each in child if isinstance(child, list) else [child]:
                if isinstance(each, ast.AST) and field not in ("annotation", "returns"):
                    self._visit(each)

    def _mutate_Constant(self, node):
        if isinstance(node.value, bool):
            self._replace(node, str(not node.value))
        elif isinstance(node.value, (int, float)):
            self._replace(node, repr(2 * node.value or 1))
            if node.value not in (0, 1):
                half = node.value // 2 if isinstance(node.value, int) else node.value / 2
                self._replace(node, repr(half))

    def _mutate_UnaryOp(self, node):
        if isinstance(node.op, (ast.Not, ast.USub)):
            self._replace(node, ast.unparse(node.operand))

    def _mutate_Compare(self, node):
        if len(node.ops) == 1:
            symbol = SYMBOLS[type(node.ops[0])]
            self._replace_between(node.left, node.comparators[0], symbol)

    def _mutate_BinOp(self, node):
        if type(node.op) in SYMBOLS:
            self._replace_between(node.left, node.right, SYMBOLS[type(node.op)])

    def _mutate_BoolOp(self, node):
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._replace_between(left, right, SYMBOLS[type(node.op)])

    def _mutate_AugAssign(self, node):
        if type(node.op) in SYMBOLS:
            self._replace_between(node.target, node.value, SYMBOLS[type(node.op)])

    def _mutate_IfExp(self, node):
        # Comparisons are mutated themselves.
        if not isinstance(node.test, (ast.Compare, ast.UnaryOp)):
            self._replace(node.test, f"not ({ast.unparse(node.test)})")

    _mutate_If = _mutate_While = _mutate_IfExp

    def _mutate_Expr(self, node):
        if isinstance(node.value, ast.Call):
            self._replace(node, "pass")

    def _mutate_Call(self, node):
        name = getattr(node.func, "id", getattr(node.func, "attr", None))
        if name in EXTREMES:
            changed = ast.unparse(node.func).removesuffix(name) + EXTREMES[name]
            self._replace(node.func, changed)

    def _mutate_keyword(self, node):
        if isinstance(node.value, (ast.Name, ast.Attribute, ast.Call)):
            self._replace(node.value, "None")


parse = functools.cache(Source)


def run_without_mutants(tests):
    """Return the seconds of each test, and the tests that run each line of each file."""
    Path("durations_plugin.py").write_text(PLUGIN)
    options = ["-q", "-p", "durations_plugin", "-p", "no:cacheprovider"]
    options += ["--cov=skae", "--cov-context=test", "--cov-report="]
    environment = {**os.environ, "PYTHONPATH": ".", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-m", "pytest", *options, *tests], env=environment, check=True)
    return read_coverage()


def read_coverage():
    from coverage import CoverageData

    data = CoverageData()
    data.read()
    covered = {
        os.path.relpath(file): {
            line: {context.partition("|")[0] for context in contexts if context}
            for line, contexts in data.contexts_by_lineno(file).items()
        }
        # Templates of pages are measured as well.
        for file in data.measured_files()
        if file.endswith(".py")
    }
    return json.loads(Path("durations.json").read_text()), covered


def tests_of(file, source, line, covered):
    """Return the tests that run a line or, of a constant, the lines that name it."""
    lines, names = source.lines_of(line)
    tests = set().union(*(covered[file].get(line, set()) for line in lines))
    seen = set()
    # Statements of a module are run at its import, by no test.
    while names and not tests:
        seen |= names
        uses = re.compile("|".join(rf"\b{name}\b" for name in names))
        names = set()
        for other, contexts in covered.items():
            parsed = parse(other)
            for number, text in enumerate(parsed.text.decode().splitlines(), start=1):
                if uses.search(text):
                    lines, further = parsed.lines_of(number)
                    tests |= set().union(*(contexts.get(line, set()) for line in lines))
                    names |= further - seen
    return tests


def within(tests, durations, limit):
    """Return the fastest tests, as many as take less time than the limit, and their time."""
    chosen, seconds = [], 0.0
    for test in sorted(tests, key=lambda test: durations.get(test, 0.0)):
        if chosen and seconds + durations.get(test, 0.0) > limit:
            break
        seconds += durations.get(test, 0.0)
        chosen.append(test)
    return chosen, seconds


def is_caught(tests, seconds):
    """Run tests in a fork: torch and others are imported already, skae is not."""
    child = os.fork()
    if not child:
        import pytest

        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        signal.alarm(int(max(MIN_SECONDS, SLOWDOWN * seconds)))
        os._exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))
    # 5: there was no test to run. A signal, such as that of the alarm, has a negative number.
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) not in (0, 5)


def describe(file, source, mutant):
    line, begin, end, replacement = mutant
    first, last = source.starts[line - 1], source.text.find(b"\n", end)
    changed = source.text[first:begin] + replacement.encode() + source.text[end:last]
    was = source.text[first:last].decode()
    return f"{file}:{line}\n- " + was.strip() + "\n+ " + changed.decode().strip()


def mutate(file, durations, covered, arguments):
    source = Source(file)
    mutants = source.mutants
    if arguments.sample and arguments.sample < len(mutants):
        mutants = random.Random(f"{arguments.seed}{file}").sample(mutants, arguments.sample)
    counts = defaultdict(int)
    for mutant in sorted(mutants):
        tests = tests_of(file, source, mutant[0], covered)
        tests, seconds = within(tests, durations, arguments.seconds)
        Path(file).write_bytes(source.mutated(mutant))
        caught = bool(tests) and is_caught(tests, seconds)
        counts["caught" if caught else "survived"] += 1
        if not caught:
            print(describe(file, source, mutant), f"# {len(tests)} tests", flush=True)
    Path(file).write_bytes(source.text)
    print(f"{file}: {counts['caught']} of {len(mutants)} caught, of {len(source.mutants)} possible")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--tests", nargs="+", required=True)
    parser.add_argument("--sample", type=int, default=0, help="mutants a file; 0: all")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--seconds", type=float, default=20, help="of tests for each mutant")
    arguments = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as copy:
        subprocess.run(["git", "clone", "--quiet", root, copy], check=True)
        os.chdir(copy)
        # Before scipy is imported, see tests/conftest.py. A thread pool does not survive a fork.
        os.environ |= {"SCIPY_ARRAY_API": "1", "OMP_NUM_THREADS": "1"}
        sys.dont_write_bytecode = True
        sys.path.insert(0, copy)
        durations, covered = run_without_mutants(arguments.tests)
        for slow in ("sklearn", "skorch", "torch"):
            importlib.import_module(slow)
        for file in arguments.files:
            mutate(file, durations, covered, arguments)


if __name__ == "__main__":
    main()
