# SPDX-License-Identifier: Apache-2.0
"""The TOML definition of a native detector: its spec, and which registered code it runs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
from innerwarden_core import NATIVE_DETECTORS, NativeDetector

from innerwarden.errors import RuleError
from innerwarden.model.detector import DetectorSpec, check_templates
from innerwarden.modules.manifest import Read, line_of, on_disk, toml_line
from innerwarden.unreadable import toml

#: The engine's parameter that the spec says as `cooldown_s`.
COOLDOWN = "cooldown_s"


class NativeSpec(msgspec.Struct, frozen=True, kw_only=True):
    native: str
    spec: DetectorSpec


def read_native(path: Path, module: str, text_of: Read = on_disk) -> NativeSpec:
    """Raises RuleError with file and line. Parameters that the file leaves out take the code's defaults."""
    try:
        text = text_of(path)
        tree = toml(text)
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"{path}:1: cannot be read: {error}", "Make it a UTF-8 text file") from error
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{path}:{toml_line(error)}: {error}", "Correct the TOML there") from error
    native = tree.pop("native", None)
    if not isinstance(native, str) or native not in NATIVE_DETECTORS:
        known = ", ".join(sorted(NATIVE_DETECTORS))
        raise RuleError(
            f"{path}:{line_of(text, 'native')}: unknown native detector {native!r}", f"There is {known}"
        )
    try:
        spec = msgspec.convert({**tree, "form": "native", "module": module}, DetectorSpec)
        check_templates(spec)
    except ValueError as error:
        raise RuleError(f"{path}:1: {error}", "See docs/module-authoring.md for a detector's keys") from error
    defaults = NATIVE_DETECTORS[native]
    for name in spec.parameters:
        if name not in defaults:
            raise RuleError(
                f"{path}:{line_of(text, name)}: no parameter {name!r}", f"It has {', '.join(defaults)}"
            )
    if spec.id != path.stem:
        raise RuleError(f"{path}:{line_of(text, 'id')}: id {spec.id!r} is not the file's name")
    parameters = {**defaults, **spec.parameters}
    parameters.pop(COOLDOWN, None)
    return NativeSpec(native=native, spec=msgspec.structs.replace(spec, parameters=parameters))


def build(native: NativeSpec, spec: DetectorSpec) -> NativeDetector:
    """The engine's object for the spec as overridden. Raises ValueError for a value that it refuses."""
    parameters = dict(spec.parameters)
    if COOLDOWN in NATIVE_DETECTORS[native.native]:
        parameters[COOLDOWN] = spec.cooldown_s
    return NativeDetector(spec.id, native.native, parameters)
