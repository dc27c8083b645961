# SPDX-License-Identifier: Apache-2.0
"""A file is fetched, made executable and run (ATT&CK T1105, T1222.002, T1204.002)."""

from innerwarden.agent.correlate.rule import ChainRule, Join, Step
from innerwarden.model.severity import Severity

RULE = ChainRule(
    id="download_chmod_execute",
    title="A downloaded file was made executable and run",
    severity=Severity.HIGH,
    window_s=900,
    steps=(
        Step(name="download", detectors=frozenset({"download_tool"}), join=(Join.PROCESS,)),
        Step(
            name="made executable",
            detectors=frozenset({"chmod_executable"}),
            join=(Join.PATH, Join.PROCESS),
        ),
        Step(
            name="run",
            detectors=frozenset({"suspicious_exec_origin", "new_suid_execution"}),
            join=(Join.PATH, Join.PROCESS),
        ),
    ),
    checks=(
        "Keep a copy of the file and its SHA-256 before it is removed",
        "Look at where it was fetched from and at what it started and connected to",
    ),
    blind_spots=(
        "A file that is executed by an interpreter never needs the mode change",
        "Steps by processes that share neither a near ancestor nor the path",
    ),
    false_positives=("An installer that an administrator downloads and runs by hand",),
)
