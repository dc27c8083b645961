# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.sbom FILE`: what the product consists of, as CycloneDX 1.5 in JSON, and under which licences.

Python packages are those of requirements/runtime.lock as they are installed here; besides them what is compiled in,
and the libraries of the system that are loaded.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tomllib
import uuid
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from innerwarden import __version__

ROOT = Path(__file__).resolve().parents[1]
TABLE = tomllib.loads((ROOT / "requirements/licences.toml").read_text(encoding="utf-8"))
SUFFIXES = ROOT / "core/data/public_suffix_list.dat"
#: Debian package, licence, what it is loaded for.
SYSTEM = (
    ("libbpf1", "LGPL-2.1-only OR BSD-2-Clause", "loads the kernel programs"),
    ("libssl3", "Apache-2.0", "signatures of modules; Python's hashlib"),
    ("python3", "PSF-2.0", "runs all but the kernel programs"),
)

Json = dict[str, Any]


def locked() -> dict[str, tuple[str, list[str]]]:
    """Package -> version and SHA-256 of every file that may be installed; packages of other systems are left out."""
    found: dict[str, tuple[str, list[str]]] = {}
    name = ""
    for line in (ROOT / "requirements/runtime.lock").read_text(encoding="utf-8").splitlines():
        if pin := re.match(r"([a-z0-9.-]+)==([^ ;\\]+)", line):
            here = " ; " not in line or Requirement(line.rstrip(" \\")).marker.evaluate()  # type: ignore[union-attr]
            name = pin[1] if here else ""
            if here:
                found[name] = (pin[2], [])
        elif name and (digest := re.search(r"--hash=sha256:([0-9a-f]{64})", line)):
            found[name][1].append(digest[1])
    return found


def licence_of(package: str, about: metadata.PackageMetadata) -> str:
    """An SPDX expression, or what the package says where nobody has looked at that yet."""
    if package in TABLE["packages"]:
        return str(TABLE["packages"][package])
    if expression := about.get("License-Expression"):
        return str(expression)
    classifiers = [one for one in about.get_all("Classifier") or [] if one.startswith("License ::")]
    said = [*classifiers, str(about.get("License") or "").strip()]
    known = {TABLE["means"].get(one, one) for one in said if one in TABLE["means"] or one in TABLE["allowed"]}
    return " AND ".join(sorted(known)) if known else " / ".join(filter(None, said)) or "nothing"


def is_allowed(expression: str) -> bool:
    """Of alternatives one, of what holds together all. No parentheses: such an expression is looked at by a person."""
    alternatives = [part.split(" AND ") for part in expression.split(" OR ")]
    return any(all(one.strip() in TABLE["allowed"] for one in together) for together in alternatives)


def refused() -> list[str]:
    """A sentence for every package whose licence is not allowed."""
    expressions = {name: licence_of(name, metadata.metadata(name)) for name in locked()}
    return [
        f"{name}: {expression!r} is not in requirements/licences.toml"
        for name, expression in expressions.items()
        if not is_allowed(expression)
    ]


def document() -> Json:
    """The same for the same lock, machine and version: no time stamp, and a serial number made of the content."""
    packages = locked()
    components = [_package(name, *packages[name]) for name in sorted(packages)]
    components += [*_compiled_in(), *(_system(*one) for one in SYSTEM)]
    own = {"type": "application", "bom-ref": "innerwarden", "name": "innerwarden", "version": __version__}
    own_licences = [{"license": {"id": one}} for one in ("Apache-2.0", "GPL-2.0-only", "MPL-2.0")]
    parts: Json = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {**own, "licenses": own_licences}},
        "components": components,
        "dependencies": _dependencies(packages, [one["bom-ref"] for one in components]),
    }
    digest = hashlib.sha256(msgspec.json.encode(parts)).hexdigest()
    return {**parts, "serialNumber": f"urn:uuid:{uuid.UUID(digest[:32], version=4)}"}


def _package(name: str, version: str, digests: list[str]) -> Json:
    url = f"https://pypi.org/project/{name}/{version}/"
    hashes = [{"alg": "SHA-256", "content": one} for one in digests]
    return {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "licenses": [{"expression": licence_of(name, metadata.metadata(name))}],
        "externalReferences": [{"type": "distribution", "url": url, "hashes": hashes}],
    }


def _compiled_in() -> list[Json]:
    found = re.search(r"^// VERSION: (\S+)", SUFFIXES.read_text(encoding="utf-8"), re.MULTILINE)
    out = [_file("public-suffix-list", SUFFIXES, "MPL-2.0", found[1] if found else "")]
    for path in sorted((ROOT / "bpf/objects").glob("*/*.bpf.o")):
        out.append(_file(f"{path.parent.name}-{path.name}", path, "GPL-2.0-only", __version__))
    return out


def _file(name: str, path: Path, licence: str, version: str) -> Json:
    return {
        "type": "file",
        "bom-ref": name,
        "name": str(path.relative_to(ROOT)),
        "version": version,
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}],
        "licenses": [{"license": {"id": licence}}],
    }


def _system(name: str, licence: str, why: str) -> Json:
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True, text=True, check=False
    )
    out: Json = {"type": "library", "bom-ref": f"pkg:deb/debian/{name}", "name": name, "description": why}
    if asked.returncode == 0 and asked.stdout:
        out["version"] = asked.stdout
    return {**out, "purl": f"pkg:deb/debian/{name}", "licenses": [{"expression": licence}]}


def _dependencies(packages: dict[str, tuple[str, list[str]]], every: list[str]) -> list[Json]:
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    others = [ref for ref in every if not ref.startswith("pkg:pypi/")]
    out = [{"ref": "innerwarden", "dependsOn": [*_refs(asked, packages), *others]}]
    for name, (version, _) in sorted(packages.items()):
        depends_on = _refs(metadata.requires(name) or [], packages)
        out.append({"ref": f"pkg:pypi/{name}@{version}", "dependsOn": depends_on})
    return out


def _refs(lines: list[str], packages: dict[str, tuple[str, list[str]]]) -> list[str]:
    wanted = [Requirement(line) for line in lines]
    names = {
        canonicalize_name(one.name)
        for one in wanted
        if one.marker is None or one.marker.evaluate({"extra": ""})
    }
    return [f"pkg:pypi/{name}@{packages[name][0]}" for name in sorted(names) if name in packages]


def main() -> int:
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    made = document()
    target.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n")
    print(f"{target}: {len(made['components'])} components")
    for text in (problems := refused()):
        print(text, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
