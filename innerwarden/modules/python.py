# SPDX-License-Identifier: Apache-2.0
"""Loading a Python detector file: `spec`, `prefilter` and one subclass of Detector."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import msgspec

from innerwarden.errors import RuleError
from innerwarden.model.detector import Detector, DetectorSpec, check_templates

#: The only package outside the standard library that a detector may import.
SDK = "innerwarden.sdk"


class PythonModule(msgspec.Struct, frozen=True, kw_only=True):
    spec: DetectorSpec
    prefilter: str | None
    detector: Callable[[Mapping[str, int]], Detector]


def load_python(path: Path, module: str) -> PythonModule:
    """Run the file and take its three parts. Raises RuleError with file and line."""
    return load_text(str(path), path.stem, path.read_text("utf-8"), module)


def load_text(path: str, stem: str, text: str, module: str) -> PythonModule:
    """The same of a file's text; `path` is only for messages."""
    problems = import_problems(path, text)
    if problems:
        raise RuleError(problems[0], f"Import only {SDK} and the standard library")
    loaded = _run(path, stem, text, module)
    spec = getattr(loaded, "spec", None)
    if not isinstance(spec, DetectorSpec):
        raise RuleError(f"{path}:1: the file has no `spec = DetectorSpec(...)`", "Add it")
    classes = [
        value
        for value in vars(loaded).values()
        if isinstance(value, type) and issubclass(value, Detector) and value is not Detector
    ]
    if len(classes) != 1:
        raise RuleError(f"{path}:1: {len(classes)} subclasses of Detector", "Define exactly one")
    prefilter = getattr(loaded, "prefilter", None)
    check_parts(path, stem, spec, prefilter)
    return PythonModule(
        spec=msgspec.structs.replace(spec, form="python", module=module),
        prefilter=prefilter,
        detector=classes[0],
    )


def check_parts(path: str, stem: str, spec: DetectorSpec, prefilter: object) -> None:
    """Raises RuleError for a spec that is not the file's, or a prefilter that is no text."""
    if spec.id != stem:
        raise RuleError(f"{path}:1: id {spec.id!r} is not the file's name", "Make them equal")
    if not spec.kinds:
        raise RuleError(f"{path}:1: the spec names no kinds", "Name at least one")
    try:
        check_templates(spec)
    except ValueError as error:
        raise RuleError(f"{path}:1: {error}", "Name plain fields in braces; double other braces") from error
    if prefilter is not None and not isinstance(prefilter, str):
        raise RuleError(f"{path}:1: prefilter is neither text nor None", "Write a Sigma detection")


def _run(path: str, stem: str, text: str, module: str) -> ModuleType:
    loaded = ModuleType(f"innerwarden_modules.{module.replace('-', '_')}.{stem}")
    loaded.__file__ = path
    try:
        exec(compile(text, path, "exec"), vars(loaded))  # noqa: S102 - to run a detector's file is its purpose
    except Exception as error:
        # A module is a border: whatever its code raises is reported, and the others load.
        line = error.lineno if isinstance(error, SyntaxError) else _line(error, path)
        raise RuleError(
            f"{path}:{line or 1}: {type(error).__name__}: {error}", "Correct the file there"
        ) from error
    return loaded


def _line(error: BaseException, path: str) -> int | None:
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def import_problems(path: str | Path, text: str) -> list[str]:
    """Imports beyond the SDK and the standard library, as `file:line: text`."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return [f"{path}:{getattr(error, 'lineno', None) or 1}: {getattr(error, 'msg', error)}"]
    out = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "."] if not node.level else ["."]
        else:
            continue
        for name in names:
            if name != SDK and name.split(".")[0] not in sys.stdlib_module_names:
                out.append(f"{path}:{node.lineno}: imports {name}")
    return out
