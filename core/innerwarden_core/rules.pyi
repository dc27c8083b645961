# SPDX-License-Identifier: Apache-2.0
"""Definitions for Engine.configure; see the package."""

from innerwarden_core import FIELDS as FIELDS
from innerwarden_core import OPERATORS as OPERATORS
from innerwarden_core import Correlation as Correlation
from innerwarden_core import NativeDetector as NativeDetector
from innerwarden_core import Predicate as Predicate
from innerwarden_core import Rule as Rule

DERIVED: tuple[str, ...]
FIELD_NAMES: dict[int, str]
OPERATOR_NAMES: dict[int, str]
CORRELATION_KINDS: tuple[str, ...]
CONDITIONS: tuple[str, ...]

def field_shape(field: int) -> str:
    """text, ip or number: what the field holds in every kind that has it. Raises ValueError for no field."""

def has_field(kind: int, field: int) -> bool:
    """Whether a record of the kind can have the field: its own, its process's, or what follows from those."""

def check_field(field: object, what: str) -> int:
    """`field` when it is a field id; else ValueError that says `what` it was meant for."""
