# SPDX-License-Identifier: Apache-2.0
"""All that a module author imports.

A Python detector is one file: `spec = DetectorSpec(...)`, `prefilter` (the text of a Sigma detection, or
None for every event of the spec's kinds) and one subclass of `Detector`.
"""

from innerwarden_core import registered_domain

from innerwarden.lineage import descends_from, session_of
from innerwarden.model.detector import Detector, DetectorSpec, Finding
from innerwarden.model.entity import EntityRef, EntityType
from innerwarden.model.event import Event
from innerwarden.model.finding import Evidence, Process, ProcessRef
from innerwarden.model.incident import Incident
from innerwarden.model.severity import Severity
from innerwarden.shell import (
    NAMES,
    Analysis,
    Command,
    Pipeline,
    Redirection,
    Trait,
    analyse_argv,
    analyse_line,
    analyse_script,
    downloaded,
    ran,
    script_beginning,
    tools,
    traits_of,
)
from innerwarden.shell import require as require_shell
from innerwarden.windows import EventCount, Sequence, ValueCount

__all__ = [
    "NAMES",
    "Analysis",
    "Command",
    "Detector",
    "DetectorSpec",
    "EntityRef",
    "EntityType",
    "Event",
    "EventCount",
    "Evidence",
    "Finding",
    "Incident",
    "Pipeline",
    "Process",
    "ProcessRef",
    "Redirection",
    "Sequence",
    "Severity",
    "Trait",
    "ValueCount",
    "analyse_argv",
    "analyse_line",
    "analyse_script",
    "descends_from",
    "downloaded",
    "ran",
    "registered_domain",
    "require_shell",
    "script_beginning",
    "session_of",
    "tools",
    "traits_of",
]
