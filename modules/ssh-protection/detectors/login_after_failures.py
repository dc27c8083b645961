# SPDX-License-Identifier: Apache-2.0
"""A successful SSH login from an address that has just failed several times."""

from innerwarden.sdk import Detector, DetectorSpec, Event, EventCount, Finding, Severity

spec = DetectorSpec(
    id="login_after_failures",
    title="SSH login succeeded after failures from the same address",
    severity=Severity.HIGH,
    kinds=("ssh.login_failed", "ssh.login_success"),
    group_key=("src_ip", "user"),
    cooldown_s=600,
    parameters={"failures_count": 3, "window_s": 600},
    attack=("T1078", "T1110"),
    summary="{user} logged in over SSH from {src_ip} after {count} failed tries from that address.",
    checks=(
        "Ask {user} whether it was them; if not, end the session: loginctl terminate-user {user}",
        "Look at what the session did: innerwarden incidents --json",
    ),
    entities=("ip:src_ip", "user:user"),
    blind_spots=(
        "A guess that succeeds within the first tries",
        "A login from another address than the failures",
    ),
    false_positives=("A person who mistypes a password several times",),
    tags=("attack.initial-access",),
    maturity="test",
)

prefilter = None


class LoginAfterFailures(Detector):
    """Counts failures per address over event time; a success looks at the count and clears it."""

    def __init__(self, parameters):
        super().__init__(parameters)
        self.failures = EventCount(parameters["window_s"])

    def process(self, event: Event) -> Finding | None:
        source = event.field("src_ip")
        if source is None:
            return None
        if event.kind == "ssh.login_failed":
            times = event.field("repeat_count")
            for _ in range(min(times if isinstance(times, int) else 1, 100)):
                self.failures.add(source, event.ts_ns)
            return None
        count = self.failures.count(source, event.ts_ns)
        if count < self.parameters["failures_count"]:
            return None
        self.failures.forget(source)
        return Finding(count=count, values={"count": count})
