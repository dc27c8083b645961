# SPDX-License-Identifier: Apache-2.0
"""The one error hierarchy: every error names the operation, the object and the way out."""

from __future__ import annotations

from collections.abc import Iterable


class InnerWardenError(Exception):
    """Base of every error that a person may read.

    `problem` says what failed and on what; `remedy` what to do about it. `exit_code` is what a
    command that ends with it returns (2 usage, 3 cannot run here).
    """

    exit_code = 3

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem}. {remedy}" if remedy else problem)
        self.problem = problem
        self.remedy = remedy


class ConfigError(InnerWardenError):
    """A configuration file is unreadable or says something that it may not."""

    exit_code = 2


class UsageError(InnerWardenError):
    """A command was called with values that make no sense together."""

    exit_code = 2


class BpfError(InnerWardenError):
    """libbpf or the kernel refused; `errno` is the kernel's reason (0 when there is none)."""

    def __init__(self, problem: str, remedy: str = "", errno: int = 0) -> None:
        super().__init__(problem, remedy)
        self.errno = errno


class LayoutError(InnerWardenError):
    """Native extension, Python layout and BPF object disagree on the record's shape."""


class UnavailableError(InnerWardenError):
    """Something this machine or this user lacks (root, BTF, libbpf, a log file)."""


class RuleError(InnerWardenError):
    """A rule cannot be compiled exactly as written; carries file and line."""

    exit_code = 1


class ModuleError(InnerWardenError):
    """A module is invalid; `problems` lists every one found, each as `file:line: text`."""

    exit_code = 1

    def __init__(self, problem: str, problems: Iterable[str], remedy: str = "") -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join([problem, *self.problems]), remedy)


class TrustError(ConfigError):
    """Trust files that cannot be taken as they are; `problems` lists every one as `file:line: text`."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(["the trust entries cannot be used", *self.problems]), "See docs/trust.md")


class StateError(InnerWardenError):
    """state.db cannot be opened, migrated or written."""


class DamagedError(StateError):
    """state.db does not hold what SQLite wrote there."""
