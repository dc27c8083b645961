# SPDX-License-Identifier: Apache-2.0
"""Native extensions only; everything else is in pyproject.toml.

Environment: IW_DEBUG=1 builds with bounds checks and assertions on; IW_ONLY=authlog,ring
builds just these extensions (by module name), for a quick turn while editing one of them.
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

CORE = Path("core/innerwarden_core")
DEBUG = os.environ.get("IW_DEBUG") == "1"
ONLY = set(filter(None, os.environ.get("IW_ONLY", "").split(",")))


def extensions() -> list[Extension]:
    """One extension per .pyx below core/, named after its path."""
    found = []
    for source in sorted(CORE.rglob("*.pyx")):
        if ONLY and source.stem not in ONLY:
            continue
        name = ".".join(source.relative_to("core").with_suffix("").parts)
        found.append(
            Extension(
                name,
                [str(source)],
                include_dirs=["bpf/include", str(CORE)],
                depends=["bpf/include/iw_event.h", *map(str, CORE.glob("*.h"))],
                extra_compile_args=["-O1", "-g"] if DEBUG else ["-O3", "-g0", "-fno-plt"],
            )
        )
    return found


setup(
    ext_modules=cythonize(
        extensions(),
        include_path=["core"],
        build_dir="build/cython",
        nthreads=os.cpu_count() or 1,
        language_level=3,
        compiler_directives={
            "boundscheck": DEBUG,
            "wraparound": False,
            "initializedcheck": DEBUG,
            "cdivision": True,
            "freethreading_compatible": False,
        },
    ),
)
