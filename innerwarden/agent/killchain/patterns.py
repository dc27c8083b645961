# SPDX-License-Identifier: Apache-2.0
"""The eight patterns of an intrusion over findings: each step any of some detectors, in order of event time.

What one sensor detector sees whole (`reverse_shell`, `exploit_sequence`, `sensitive_read_then_connect`) needs no
pattern; a pattern ties together what several detectors told of one process tree. Nothing is said of half a pattern.
"""

from __future__ import annotations

import msgspec

from innerwarden.agent import derived
from innerwarden.model.severity import Severity

CODE = frozenset({"executable_stack", "code_from_memory_file", "library_from_open_directory"})
INJECTS = frozenset({"ptrace_injection", "process_memory_write"})
LISTENS = frozenset({"c2_non_standard_port", "listener_of_doubtful_program"})
NETWORK_SHELL = frozenset({"reverse_shell"})
SHELL = frozenset({"reverse_shell", "web_server_shell", "system_user_interactive", "process_tree"})
SECRETS = frozenset(
    {
        *("shadow_file_read", "secret_file_read", "browser_store_read", "credential_harvest"),
        *(
            "environment_harvest",
            "private_key_search",
            "kernel_keyring_read",
            "process_memory_read",
            "data_archive",
        ),
    }
)
CONNECTS = frozenset(
    {
        *("c2_port_connect", "c2_callback", "threat_intel", "shell_network_connect"),
        *("tls_from_writable_place", "dns_c2", "dns_null_query", "dns_tunneling"),
    }
)
SENDS = CONNECTS | {"encoded_dns_name", "data_exfiltration", "data_encoding", "lateral_egress_scp_rsync"}


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    """`steps` are in order; two steps are never the same finding. `covers`: patterns that it says better. What it is
    called and how grave it is at least stands in the table of what the agent derives."""

    id: str
    steps: tuple[tuple[str, frozenset[str]], ...]
    window_s: int = 3600
    covers: frozenset[str] = frozenset()

    @property
    def detector(self) -> str:
        return f"killchain_{self.id}"

    @property
    def title(self) -> str:
        return derived.of(self.detector).title

    @property
    def severity(self) -> Severity:
        """At least; a worse part makes it worse."""
        return derived.of(self.detector).severity


PATTERNS = (
    Pattern(
        id="reverse_shell",
        steps=(
            ("connection out", CONNECTS | {"interpreter_network_one_liner"}),
            ("shell on the network", NETWORK_SHELL),
        ),
    ),
    Pattern(
        id="bind_shell",
        steps=(("waiting for connections", LISTENS), ("shell on the network", NETWORK_SHELL)),
    ),
    Pattern(
        id="code_inject",
        steps=(("another process taken over", INJECTS), ("code without a file", CODE)),
    ),
    Pattern(
        id="exploit_shell",
        steps=(("code without a file", CODE), ("shell", SHELL)),
    ),
    Pattern(
        id="inject_shell",
        steps=(("another process taken over", INJECTS), ("shell", SHELL)),
    ),
    Pattern(
        id="exploit_c2",
        steps=(("code without a file", CODE), ("connection out", CONNECTS)),
    ),
    Pattern(
        id="full_exploit",
        steps=(
            ("code without a file", CODE),
            ("another process taken over", INJECTS),
            ("connection out", CONNECTS),
        ),
        covers=frozenset({"exploit_c2"}),
    ),
    Pattern(
        id="data_exfil",
        steps=(("secrets gathered", SECRETS), ("a way out", SENDS)),
    ),
)
