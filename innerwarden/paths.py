# SPDX-License-Identifier: Apache-2.0
"""Every path the product uses, in one place."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import sys
from pathlib import Path

#: Where an installed package keeps things; a checkout uses the repository instead.
SYSTEM_DATA_DIR = Path("/var/lib/innerwarden")
SYSTEM_CONFIG = Path("/etc/innerwarden/config.toml")
SYSTEM_YARA = Path("/etc/innerwarden/yara")
SYSTEM_TRUST = Path("/etc/innerwarden/trust.d")
SYSTEM_MODULES = (Path("/etc/innerwarden/modules"), Path("/usr/lib/innerwarden/modules"))

PACKAGE = Path(__file__).resolve().parent
REPOSITORY = PACKAGE.parent


def operator_modules() -> Path:
    """Where the operator's own modules are installed, beside the file that says what is switched on."""
    if extra := os.environ.get("INNERWARDEN_MODULES"):
        return Path(extra)
    if os.geteuid() == 0:
        return SYSTEM_MODULES[0]
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "innerwarden/modules"


def module_state() -> Path:
    """What is switched on and off; see innerwarden.modules.state."""
    return operator_modules() / "state.json"


def shipped_modules() -> tuple[Path, ...]:
    """Directories of modules that came with the product."""
    return (SYSTEM_MODULES[1], REPOSITORY / "modules")


def shipped_rules() -> Path:
    """The rules of the shipped modules, compiled where the package was built."""
    return SYSTEM_MODULES[1].parent / "rules.cache"


def checkout_rules() -> Path:
    """The same of a checkout, compiled by `make build`: a file for each state of the compiler, which changes there."""
    digest = hashlib.blake2b(digest_size=8)
    for file in (*sorted((PACKAGE / "rules").glob("*.py")), REPOSITORY / "requirements/runtime.lock"):
        with contextlib.suppress(OSError):
            digest.update(file.read_bytes())
    return REPOSITORY / f"build/rules-{digest.hexdigest()}.cache"


def modules_dirs() -> list[Path]:
    """Directories that hold modules, in order of precedence (first wins on the same id)."""
    candidates = dict.fromkeys([operator_modules(), SYSTEM_MODULES[0], *shipped_modules()])
    return [path for path in candidates if path.is_dir()]


def yara_rules() -> list[Path]:
    """YARA rule files: those that shipped, then the operator's own below /etc/innerwarden/yara. Modules of others have
    none: whether they are on, whole and signed is not known where these are read."""
    modules = (path for place in shipped_modules() for path in sorted(place.glob("*/yara/*.yar")))
    return [*modules, *sorted(SYSTEM_YARA.glob("*.yar"))]


def bpf_object() -> Path:
    """The precompiled CO-RE object for this machine's architecture (it may not exist)."""
    return _object("innerwarden")


def probe_object() -> Path:
    """The samples that tell what a kernel takes; as `bpf_object`."""
    return _object("probe")


def _object(name: str) -> Path:
    place = Path(platform.machine()) / f"{name}.bpf.o"
    installed = PACKAGE / "objects" / place
    return installed if installed.exists() else REPOSITORY / "bpf" / "objects" / place


def default_data_dir() -> Path:
    """System directory for root, a private one below the user's state home otherwise."""
    if os.geteuid() == 0:
        return SYSTEM_DATA_DIR
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local/state")
    return Path(home) / "innerwarden"


def findings(data_dir: Path) -> Path:
    return data_dir / "findings.jsonl"


def events(data_dir: Path) -> Path:
    return data_dir / "events.jsonl"


def agent_dir(data_dir: Path) -> Path:
    """Where the agent writes. An installed system has a directory of its user's own; what root writes lies outside."""
    own = data_dir / "agent"
    return own if os.path.isdir(own) else data_dir  # noqa: PTH112 - Path.is_dir() raises where nothing may be read


def state_db(data_dir: Path) -> Path:
    return agent_dir(data_dir) / "state.db"


def agent_lock(data_dir: Path) -> Path:
    """Held while an agent runs."""
    return agent_dir(data_dir) / "agent.lock"


def own_places(data_dir: Path) -> tuple[str, ...]:
    """Directories of ours: nothing below them is anybody's target."""
    places = (data_dir, data_dir.resolve(), SYSTEM_CONFIG.parent, PACKAGE)
    return tuple(dict.fromkeys(map(str, places)))


def agent_socket(data_dir: Path) -> Path:
    """Where the agent takes commands."""
    return agent_dir(data_dir) / "agent.sock"


def sensor_state(data_dir: Path) -> Path:
    """The sensor's collector cursors."""
    return data_dir / "sensor-cursors.json"


def inventory(data_dir: Path) -> Path:
    """One file a collector: what was there at its last look."""
    return data_dir / "inventory"


def rule_cache(data_dir: Path) -> Path:
    """Compiled rules, so that the sensor imports no parser while their sources are unchanged."""
    return data_dir / "rules.cache"


def sensor_health(data_dir: Path) -> Path:
    """Hooks, rates and losses as the sensor last wrote them."""
    return data_dir / "sensor-health.json"


def responder(data_dir: Path) -> Path:
    """The responder's journal and what it keeps; root's alone."""
    return data_dir / "responder"


def canary(data_dir: Path) -> Path:
    """Where the canary acts; there only while it does."""
    return data_dir / "canary"


def own_command() -> list[str]:
    """argv prefix that starts this installation's CLI."""
    return [sys.executable, "-P", "-m", "innerwarden"]


def child_python(module: str) -> list[str]:
    """argv that runs a module of ours in a child: no site packages but the parent's own, no user's, no directory's."""
    return [sys.executable, "-S", "-s", "-P", "-m", module]


def child_environment() -> dict[str, str]:
    """All of the environment that such a child gets."""
    from importlib.util import find_spec

    core = find_spec("innerwarden_core")  # an editable installation has it where no path leads
    places = [str(REPOSITORY), *(place for place in sys.path if place)]
    if core is not None and core.origin:
        places.append(str(Path(core.origin).parent.parent))
    return {"PYTHONPATH": ":".join(places), "PYTHONDONTWRITEBYTECODE": "1"}
