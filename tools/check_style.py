"""Check the mechanical rules for names, prose, and layout: `python -m tools.check_style [PATH ...]`.

Prints a line per violation, and exits with 1 if there is one. CONTRIBUTING.md has the rules with their reasons.
"""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
PACKAGE = "tasuki"

MAX_FIRST_LINE = 100
MAX_FUNCTION_LINES = 60
MAX_MODULES = 15
MANY_MODULES = {"tasuki.cli"}
"""Packages that may hold more: one module a command."""

CLAUSE_AS_NOUN = re.compile(r"(What|Who|Whose|Whom|Where|Which|How|Whether|There (is|are)|One (that|who)|That|Those|It)\b")
PARTICIPLE = re.compile(
    r"(?:[A-Z][a-z]+(?:ed|wn|ld|id|ept|ought|ound|ent|een|iven|aken)|Own|Old|Ours|Gone|Busy|Behind|Began|Only|Together)"
)
NOUNS = {
    "Need",
    "Seed",
    "Feed",
    "Speed",
    "Field",
    "Grid",
    "Agent",
    "Client",
    "Comment",
    "Content",
    "Document",
    "Event",
    "Extent",
    "Segment",
}
"""Class names that end like a participle and are nouns."""

BRITISH = re.compile(
    r"\b(\w*(?:colour|behaviour|honour|favour|neighbour|labour|flavour)\w*|(?:organ|recogn|normal|serial|initial|synchron|summar|optim|minim"
    r"|maxim|real|final|character|categor|custom|visual|util)is(?:e|es|ed|ing|ation)|analys(?:e|es|ed|ing)|catalogue|centre|licence|grey"
    r"|judgement|whilst|learnt|modelled|modelling|labelled|labelling|travelled|travelling|signalled|cancelling)\b",
    re.IGNORECASE,
)
CONTRACT = re.compile(r"initialised_run|neighbouring")
"""Names that tests and users refer to, whatever their spelling."""

LAZY_IMPORTS = ("tasuki/cli/", "tasuki/__init__.py", "tasuki/hpc/__init__.py")
"""Where imports of own modules inside functions keep commands and the facade fast."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def module_name(path: Path) -> str:
    """Return the dotted name of a module of the package."""
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


def check_names_and_prose(text: str) -> Iterator[str]:
    """Yield the violations of one file: docstrings, class names, spelling, and long functions."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            line = getattr(node, "lineno", 1)
            first = (ast.get_docstring(node) or "").partition("\n")[0]
            if CLAUSE_AS_NOUN.match(first):
                yield f"{line}: the first line begins with a clause: {first[:60]!r}"
            if len(first) > MAX_FIRST_LINE:
                yield f"{line}: the first line has {len(first)} characters: {first[:60]!r}"
        if isinstance(node, ast.ClassDef) and PARTICIPLE.fullmatch(node.name) and node.name not in NOUNS:
            yield f"{node.lineno}: class {node.name} is named by a participle: name the thing"
        if isinstance(node, Function) and (lines := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES:
            yield f"{node.lineno}: {node.name} has {lines} lines: at most {MAX_FUNCTION_LINES}"
    for number, line in enumerate(text.splitlines(), 1):
        for word in BRITISH.finditer(line):
            if not CONTRACT.search(line):
                yield f"{number}: American spelling: {word[0]}"


def check_lazy_imports(path: Path, text: str) -> Iterator[str]:
    """Yield imports of own modules inside functions, but in commands and the facade."""
    if str(path.relative_to(SOURCE)).startswith(LAZY_IMPORTS):
        return
    for function in ast.walk(ast.parse(text)):
        if isinstance(function, Function):
            for node in ast.walk(function):
                if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == PACKAGE:
                    yield f"{node.lineno}: {function.name} imports {node.module} lazily: import it at the top"


def imports_of(text: str, modules: set[str]) -> set[str]:
    """Return the own modules that a file imports when it is loaded."""
    found: set[str] = set()

    def walk(body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
                walk(node.orelse)
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = (f"{node.module}.{alias.name}" for alias in node.names)
                found.update(name if name in modules else node.module for name in names)
            elif isinstance(node, (ast.If, ast.Try, ast.With)):
                walk(node.body)

    walk(ast.parse(text).body)
    return found & modules


def find_circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of files that import each other, directly or through others (Tarjan's algorithm)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    circles: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in imports[module]:
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            position = stack.index(module)
            group = stack[position:]
            del stack[position:]
            if len(group) > 1:
                circles.append(sorted(group))

    for module in imports:
        if module not in index:
            visit(module)
    return circles


def check_package(texts: dict[Path, str]) -> Iterator[str]:
    """Yield what only the whole package shows: circles between files, and packages with too many modules."""
    modules = {module_name(path) for path in texts}
    imports = {module_name(path): imports_of(text, modules) - {module_name(path)} for path, text in texts.items()}
    for circle in find_circles(imports):
        yield f"files import each other: {', '.join(circle)}"
    counts = Counter(module_name(path).rpartition(".")[0] for path in texts if path.name != "__init__.py")
    for package, count in counts.items():
        if count > MAX_MODULES and package not in MANY_MODULES:
            yield f"{package} holds {count} modules: at most {MAX_MODULES}; make a package of those that belong together"


def main(arguments: list[str]) -> int:
    """Check the package, or the paths that are named."""
    paths = [Path(one).resolve() for one in arguments] or [SOURCE / PACKAGE]
    files = sorted(file for path in paths for file in ([path] if path.is_file() else path.rglob("*.py")))
    texts = {file: file.read_text(encoding="utf-8") for file in files}
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file, text in texts.items()
        for line in [*check_names_and_prose(text), *check_lazy_imports(file, text)]
    ]
    if not arguments:
        found += check_package(texts)
    print("\n".join(found) if found else f"{len(files)} files: names, prose, and layout are as they should be")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
