# SPDX-License-Identifier: Apache-2.0
"""What every test shares: markers that cannot run here skip with the reason, and the memory line at the end.

A skip always names what is missing and how to get it, so that a green run says what it did not test.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from innerwarden import paths
from tests.faults import results


def kernel_obstacle() -> str | None:
    """Why a test of the real kernel cannot run here, or None."""
    if os.geteuid() != 0:
        return "needs root: run `sudo make test`"
    if not Path("/sys/kernel/btf/vmlinux").exists():
        return "this kernel has no BTF (/sys/kernel/btf/vmlinux)"
    if not paths.bpf_object().exists():
        return f"no kernel object for this machine ({paths.bpf_object().name}): run `make bpf`"
    return None


def browser_obstacle() -> str | None:
    """Why a test in a browser cannot run here, or None."""
    if any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        return None
    return "needs Chromium: apt-get install chromium"


def long_obstacle() -> str | None:
    """Why a test that takes a minute or more does not run, or None."""
    return None if os.environ.get("IW_FAULTS_JSON") else "takes a minute or more: run `make test-faults`"


def pytest_configure(config: pytest.Config) -> None:
    """Register what the fault tests need."""
    results.register(config)


OBSTACLES = {"kernel": kernel_obstacle, "browser": browser_obstacle, "long": long_obstacle}


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Give every test of a marker that cannot run here its reason to skip."""
    reasons = {marker: obstacle() for marker, obstacle in OBSTACLES.items()}
    for item in items:
        for marker, reason in reasons.items():
            if reason is not None and item.get_closest_marker(marker) is not None:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterable[None]:
    """Refuse a skip without a reason: it would hide what was not tested."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped:").strip()
        if not reason or reason == "unconditional skip":
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid}: a skip must say why"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what sensor and agent weigh, once, when `make test` asks for it."""
    if os.environ.get("IW_PRINT_RSS") != "1" or "PYTEST_XDIST_WORKER" in os.environ:
        return
    from bench import memory

    terminalreporter.section("memory")
    terminalreporter.write_line(memory.report(seconds=4.0))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's root."""
    return Path(__file__).resolve().parents[1]
