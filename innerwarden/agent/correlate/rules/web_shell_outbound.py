# SPDX-License-Identifier: Apache-2.0
"""A web server starts a shell, and the shell or its children connect out (ATT&CK T1505.003, T1190, T1071)."""

from innerwarden.agent.correlate.rule import ChainRule, Join, Step
from innerwarden.model.severity import Severity

RULE = ChainRule(
    id="web_shell_outbound",
    title="A shell started by a web server connected out",
    severity=Severity.CRITICAL,
    window_s=1800,
    steps=(
        Step(
            name="shell from the web server",
            detectors=frozenset({"web_server_shell"}),
            join=(Join.PROCESS,),
        ),
        Step(
            name="outbound connection",
            detectors=frozenset({"shell_network_connect", "reverse_shell", "download_tool"}),
            join=(Join.PROCESS,),
        ),
    ),
    checks=(
        "Find the request that started the shell in the web server's access log",
        "Look for new or changed files below the web root",
    ),
    blind_spots=("A connection that the web server process itself makes",),
    false_positives=("A web application that calls a shell script which fetches something",),
)
