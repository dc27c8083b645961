# SPDX-License-Identifier: Apache-2.0
"""Alert of Wazuh, as grave as its recipe says."""

from innerwarden.sdk import Detector, DetectorSpec, Event, Finding, Severity

spec = DetectorSpec(
    id="wazuh_alert",
    title="Alert of Wazuh",
    severity=Severity.MEDIUM,
    kinds=("tool.alert",),
    group_key=("rule_id", "host_name", "src_ip"),
    cooldown_s=600,
    attack=("T1078",),
    summary="Wazuh reports ({alert_severity}) of {host_name}: {rule_message}. {message}",
    checks=("The alert in Wazuh, by rule {rule_id}",),
    entities=("ip:src_ip", "user:user", "container:container_ref"),
    blind_spots=("Levels below 7",),
    false_positives=(
        "What Wazuh's own rules take for an attack; also what this sensor saw itself in the same log",
    ),
    tags=("attack.execution",),
    maturity="test",
)

prefilter = """
alert:
  tool: wazuh
  alert_rank|gte: 3
condition: alert
"""


class WazuhAlert(Detector):
    """The tool has judged already; its word is passed on with the severity that the recipe gives it."""

    def process(self, event: Event) -> Finding | None:
        severity = event.field("alert_severity")
        rule = event.field("rule_message")
        return Finding(
            severity=Severity(str(severity)),
            title=f"Wazuh: {rule}",
        )
