# SPDX-License-Identifier: Apache-2.0
"""Change found by osquery, as grave as its recipe says."""

from innerwarden.sdk import Detector, DetectorSpec, Event, Finding, Severity

spec = DetectorSpec(
    id="osquery_change",
    title="Change found by osquery",
    severity=Severity.MEDIUM,
    kinds=("tool.alert",),
    group_key=("rule_message", "host_name", "message"),
    cooldown_s=600,
    attack=("T1543",),
    summary="osquery found something new by {rule_message} on {host_name}: {message}",
    checks=("Ask osquery for the whole table: osqueryi",),
    entities=("ip:src_ip", "user:user", "container:container_ref"),
    blind_spots=("Queries that are not scheduled, and rows that come and go between two runs",),
    false_positives=("Software that is installed or updated",),
    tags=("attack.execution",),
    maturity="test",
)

prefilter = """
alert:
  tool: osquery
  alert_rank|gte: 3
condition: alert
"""


class OsqueryChange(Detector):
    """The tool has judged already; its word is passed on with the severity that the recipe gives it."""

    def process(self, event: Event) -> Finding | None:
        severity = event.field("alert_severity")
        rule = event.field("rule_message")
        return Finding(
            severity=Severity(str(severity)),
            title=f"osquery: {rule}",
        )
