# SPDX-License-Identifier: Apache-2.0
"""Imports point one way (DESIGN: rooms). Every import statement counts, those inside functions too."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "innerwarden"
CORE = ROOT / "core/innerwarden_core"

LEAVES = {
    "lineage",
    "errors",
    "paths",
    "clock",
    "net",
    "log",
    "users",
    "windows",
    "stopping",
    "files",
    "peer",
    "unreadable",
}
#: room -> the rooms of `innerwarden` that it may import, its own besides. `core` is the native package.
ALLOWED: dict[str, set[str]] = {
    "model": set(),
    **{leaf: {"model"} | LEAVES for leaf in LEAVES},
    "config": {"model"} | LEAVES,
    "shell": {"model"} | LEAVES,
    "sdk": {"core", "model", "shell"} | LEAVES,
    "libbpf": {"core", "model"} | LEAVES,
    "trust": {"core", "model", "config"} | LEAVES,
    "rules": {"core", "model", "config", "sdk"} | LEAVES,
    "logs": {"model"} | LEAVES,
    "modules": {"core", "model", "config", "sdk", "libbpf", "rules", "trust", "logs"} | LEAVES,
    "canary": {"core", "model", "libbpf"} | LEAVES,
    "malware": {"libbpf"} | LEAVES,
    "sensor": {
        "core",
        "model",
        "config",
        "sdk",
        "libbpf",
        "rules",
        "trust",
        "modules",
        "canary",
        "logs",
        "malware",
        "switches",
    }
    | LEAVES,
    "switches": {"model", "config"} | LEAVES,
    "xdp": {"model", "config", "libbpf", "switches"} | LEAVES,
    "safety": {"model", "config", "trust"} | LEAVES,
    "agent": {"core", "model", "config", "sdk", "rules", "trust", "modules", "safety"} | LEAVES,
    "responder": {"model", "config", "trust", "safety", "libbpf", "switches", "xdp"} | LEAVES,
}
#: These know every room: the command line and what starts it.
ANYTHING = {"ctl", "__main__"}
#: Every room of the agent stores and reads through it; nothing else of a sibling may be used.
AGENT_SHARED = {"state"}
AGENT_ROOMS = {p.name for p in (PACKAGE / "agent").iterdir() if p.is_dir() and p.name != "__pycache__"}
COMPOSITION_ROOTS = {"innerwarden.sensor.main", "innerwarden.agent.main"}

#: What the root process that faces the kernel must never load: network clients, servers, AI.
FORBIDDEN_IN_SENSOR = {
    *("aiohttp", "anthropic", "asyncio", "falcon", "flask", "ftplib", "http", "httpx", "numpy", "ollama"),
    *("openai", "requests", "smtplib", "socketserver", "ssl", "torch", "transformers", "urllib3", "waitress"),
    *("websockets", "xmlrpc"),
    "yara",  # a parser in C that meets hostile bytes: only the process without rights has it
}


@dataclass(frozen=True)
class Import:
    """One imported name as seen from one file."""

    file: Path
    line: int
    module: str
    """The importing module's dotted name."""
    target: str
    """Dotted name of what is imported, down to the module where it is one of ours."""
    for_types: bool = False
    """Inside `if TYPE_CHECKING:`, so nothing is loaded."""

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.target}"


def dotted(path: Path, top: Path) -> str:
    parts = path.relative_to(top).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def resolve(base: str, name: str) -> str:
    """`from base import name`: the submodule when there is one, else the base itself."""
    if not base.startswith("innerwarden"):
        return base
    top = ROOT / "core" if base.startswith("innerwarden_core") else ROOT
    candidate = top / base.replace(".", "/") / name
    is_module = candidate.is_dir() or candidate.with_suffix(".py").exists()
    return f"{base}.{name}" if is_module else base


def imports_of(path: Path, module: str) -> Iterator[Import]:
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    guarded = {
        id(node)
        for guard in ast.walk(tree)
        if isinstance(guard, ast.If) and ast.unparse(guard.test).endswith("TYPE_CHECKING")
        for node in ast.walk(guard)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, module, alias.name, id(node) in guarded)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                yield Import(path, node.lineno, module, resolve(base, alias.name), id(node) in guarded)


def all_imports() -> list[Import]:
    found: list[Import] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        found.extend(imports_of(path, dotted(path, ROOT)))
    return found


IMPORTS = all_imports()


def room_of(module: str) -> str:
    """`innerwarden.agent.state.read` -> agent; the package itself -> "" ; innerwarden_core -> core."""
    if module == "innerwarden_core" or module.startswith("innerwarden_core."):
        return "core"
    return module.split(".")[1] if "." in module else ""


def ours(target: str) -> bool:
    return target.split(".", maxsplit=1)[0] in ("innerwarden", "innerwarden_core")


def test_every_room_has_a_rule() -> None:
    rooms = {room_of(i.module) for i in IMPORTS} - {""}
    assert rooms <= set(ALLOWED) | ANYTHING, "give the new room its line in ALLOWED"


def test_imports_point_one_way() -> None:
    wrong = []
    for item in IMPORTS:
        room, target = room_of(item.module), room_of(item.target)
        if not ours(item.target) or room in ANYTHING or target in ("", room):
            continue
        if room == "model" and target == "core" and item.for_types:
            continue
        if target not in ALLOWED.get(room, set()):
            wrong.append(str(item))
    assert not wrong, "\n".join(wrong)


def test_a_room_of_the_agent_never_imports_its_sibling() -> None:
    wrong = []
    for item in IMPORTS:
        source, target = item.module.split("."), item.target.split(".")
        if source[:2] != ["innerwarden", "agent"] or target[:2] != ["innerwarden", "agent"]:
            continue
        if len(source) < 3 or len(target) < 3 or item.module == "innerwarden.agent.main":
            continue
        from_room, to_room = source[2], target[2]
        if from_room in AGENT_ROOMS and to_room in AGENT_ROOMS - {from_room} - AGENT_SHARED:
            wrong.append(str(item))
    assert not wrong, "\n".join(wrong)


def test_only_the_command_line_imports_a_composition_root() -> None:
    wrong = [str(i) for i in IMPORTS if i.target in COMPOSITION_ROOTS and room_of(i.module) not in ANYTHING]
    assert not wrong, "\n".join(wrong)


def test_core_never_imports_innerwarden() -> None:
    pattern = re.compile(r"^\s*(?:from|import|cimport)\s+innerwarden(?!_core)\b", re.MULTILINE)
    wrong = [
        f"{path.relative_to(ROOT)}: {match.group().strip()}"
        for path in sorted(CORE.rglob("*"))
        if path.suffix in (".py", ".pyx", ".pxd", ".pxi", ".pyi")
        for match in pattern.finditer(path.read_text(encoding="utf-8"))
    ]
    assert not wrong, "\n".join(wrong)


def test_shipped_modules_import_only_the_sdk_and_the_standard_library() -> None:
    wrong = []
    for path in sorted((ROOT / "modules").rglob("*.py")):
        if "tests" in path.relative_to(ROOT / "modules").parts:
            continue
        for item in imports_of(path, path.stem):
            if item.target != "innerwarden.sdk" and item.target.split(".")[0] not in sys.stdlib_module_names:
                wrong.append(str(item))
    assert not wrong, "\n".join(wrong)


def test_ctypes_stays_in_libbpf() -> None:
    wrong = [str(i) for i in IMPORTS if i.target.split(".")[0] == "ctypes" and room_of(i.module) != "libbpf"]
    assert not wrong, "\n".join(wrong)


def test_sql_stays_in_the_state_room() -> None:
    wrong = [
        str(i)
        for i in IMPORTS
        if i.target.split(".")[0] in ("apsw", "sqlite3") and ".agent.state" not in f".{i.module}"
    ]
    assert not wrong, "\n".join(wrong)


def test_sensor_source_names_no_network_or_ai_library() -> None:
    rooms = ALLOWED["sensor"] | {"sensor"}
    wrong = [
        str(i)
        for i in IMPORTS
        if room_of(i.module) in rooms
        and i.target.split(".")[0] in FORBIDDEN_IN_SENSOR
        and (room_of(i.module), i.target) != ("malware", "yara")
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", ["innerwarden.sensor.main"])
def test_the_sensor_loads_no_network_or_ai_library(module: str) -> None:
    """Third-party packages count as well, so look at what the process really has in memory."""
    script = f"import sys, {module}\nprint(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert run.returncode == 0, run.stderr
    assert not set(run.stdout.split()) & FORBIDDEN_IN_SENSOR


def test_a_wrong_import_is_noticed(tmp_path: Path) -> None:
    """The walker itself: relative, nested and aliased imports are all seen."""
    path = tmp_path / "probe.py"
    path.write_text(
        "from .. import errors\nfrom innerwarden import agent as a\n"
        "def f():\n    import innerwarden.agent.main as m\n"
    )
    targets = {i.target for i in imports_of(path, "innerwarden.sensor.probe")}
    assert targets == {"innerwarden.errors", "innerwarden.agent", "innerwarden.agent.main"}
