# SPDX-License-Identifier: Apache-2.0
"""Alert of Suricata, as grave as its recipe says."""

from innerwarden.sdk import Detector, DetectorSpec, Event, Finding, Severity

spec = DetectorSpec(
    id="suricata_alert",
    title="Alert of Suricata",
    severity=Severity.MEDIUM,
    kinds=("tool.alert",),
    group_key=("rule_id", "src_ip", "dst_ip"),
    cooldown_s=600,
    attack=("T1071",),
    summary="Suricata reports ({alert_severity}) {rule_message}: {src_ip} to {dst_ip} port {dst_port}.",
    checks=("The flow: grep {src_ip} /var/log/suricata/eve.json",),
    entities=("ip:src_ip", "user:user", "container:container_ref"),
    blind_spots=("Encrypted traffic, and rules of class 3 and above",),
    false_positives=("Scanners that reach a service without that weakness",),
    tags=("attack.execution",),
    maturity="test",
)

prefilter = """
alert:
  tool: suricata
  alert_rank|gte: 3
condition: alert
"""


class SuricataAlert(Detector):
    """The tool has judged already; its word is passed on with the severity that the recipe gives it."""

    def process(self, event: Event) -> Finding | None:
        severity = event.field("alert_severity")
        rule = event.field("rule_message")
        return Finding(
            severity=Severity(str(severity)),
            title=f"Suricata: {rule}",
        )
