# SPDX-License-Identifier: Apache-2.0
"""Alert of Falco, as grave as its recipe says."""

from innerwarden.sdk import Detector, DetectorSpec, Event, Finding, Severity

spec = DetectorSpec(
    id="falco_alert",
    title="Alert of Falco",
    severity=Severity.MEDIUM,
    kinds=("tool.alert",),
    group_key=("rule_message", "host_name", "container_ref"),
    cooldown_s=600,
    attack=("T1059",),
    summary="Falco reports ({alert_severity}): {message}",
    checks=("The rule and what it looks for: grep -A20 '{rule_message}' /etc/falco/*.yaml",),
    entities=("ip:src_ip", "user:user", "container:container_ref"),
    blind_spots=("Rules that Falco does not have, and priorities below Warning",),
    false_positives=("Whatever Falco's rules take for an attack and is none; tune the rule there",),
    tags=("attack.execution",),
    maturity="test",
)

prefilter = """
alert:
  tool: falco
  alert_rank|gte: 3
condition: alert
"""


class FalcoAlert(Detector):
    """The tool has judged already; its word is passed on with the severity that the recipe gives it."""

    def process(self, event: Event) -> Finding | None:
        severity = event.field("alert_severity")
        rule = event.field("rule_message")
        return Finding(
            severity=Severity(str(severity)),
            title=f"Falco: {rule}",
        )
