"""The map of modules in BUILD.md, made of their own first lines; `python -m tests.support.module_map` writes it."""

import ast
import pathlib

ROOT = pathlib.Path(__file__).parents[2]
PACKAGE = ROOT / "tftransfer"
BUILD = ROOT / "BUILD.md"
BEGIN, END = "<!-- map of modules: made by `python -m tests.support.module_map` -->", "<!-- end of the map -->"
# Packages and top-level modules in the order of imports: each may import from those before it.
ORDER = (
    "tftransfer",
    "tftransfer.seeds",
    "tftransfer.similarity",
    "tftransfer.scores",
    "tftransfer.system",
    "tftransfer.cli",
    "tftransfer.models",
    "tftransfer.transfer",
    "tftransfer.data.motifs",
    "tftransfer.data.datasets",
    "tftransfer.data",
    "tftransfer.pretrained",
    "tftransfer.experiment",
    "tftransfer.records",
    "tftransfer.analysis",
    "tftransfer.training",
    "tftransfer.execution",
    "tftransfer.scheduling",
    "tftransfer.scheduling.ray",
    "tftransfer.advising",
    "tftransfer.tuning",
    "tftransfer.benchmarking",
    "tftransfer.reporting",
    "tftransfer.tensorboard_plugin",
    "tftransfer.results",
    "tftransfer.calls",
    "tftransfer.run",
    "tftransfer.sweep",
    "tftransfer.tune",
    "tftransfer.advise",
    "tftransfer.bench",
    "tftransfer.report",
    "tftransfer.describe",
    "tftransfer.advise",
    "tftransfer.cache",
    "tftransfer.export",
    "tftransfer.__main__",
)


def module_of(path: pathlib.Path) -> str:
    """Returns the dotted name of a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def home(module: str) -> str:
    """Returns the entry of `ORDER` that a module belongs to: the longest that it begins with."""
    known = [name for name in ORDER[1:] if f"{module}.".startswith(f"{name}.")]
    return max(known, key=len, default="tftransfer")


def imports_of(module: str) -> set[str]:
    """Returns the modules of the package that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in MODULES}
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return found - {module}


def first_line(module: str) -> str:
    """Returns the first line of a module's docstring, as one cell of a Markdown table."""
    text = ast.get_docstring(ast.parse(MODULES[module].read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split()).replace("|", "\\|")


def interface(package: str) -> list[str]:
    """Returns the names in `__all__` of a package, which is what other packages may import."""
    for node in ast.parse(MODULES[package].read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["__all__"]:
            return ast.literal_eval(node.value)
    return []


def table() -> str:
    """Returns the map: packages in the order of imports, in each its modules, those for other packages in bold."""
    lines = ["| module | what it answers |", "|---|---|"]
    for package in ORDER:
        lines.append(f"| **`{package.removeprefix('tftransfer.')}`** | **{first_line(package)}** |")
        inside = [module for module in MODULES if module != package and home(module) == package] * (package != ORDER[0])
        for module in inside:
            name = module.removeprefix(f"{package}.")
            shown = f"**`{name}`**" if name in interface(package) else f"`{name}`"
            lines.append(f"| &emsp;{shown} | {first_line(module)} |")
    return "\n".join(lines)


def with_map(text: str) -> str:
    """Returns the text of BUILD.md with today's map in its place."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    BUILD.write_text(with_map(BUILD.read_text(encoding="utf-8")), encoding="utf-8")
