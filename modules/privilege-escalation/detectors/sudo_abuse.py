# SPDX-License-Identifier: Apache-2.0
"""One account runs several commands through sudo that an intruder would run."""

from innerwarden.sdk import (
    NAMES,
    Detector,
    DetectorSpec,
    EntityRef,
    Event,
    Evidence,
    Finding,
    Severity,
    ValueCount,
    analyse_line,
    require_shell,
    traits_of,
)

spec = DetectorSpec(
    id="sudo_abuse",
    title="Suspicious commands through sudo",
    severity=Severity.MEDIUM,
    kinds=("sudo.command",),
    cooldown_s=600,
    attack=("T1548.003",),
    parameters={"window_s": 300, "command_count": 3, "critical_count": 5},
    group_key=("user",),
    summary="{user} ran {count} suspicious commands through sudo within {window_s} seconds: {detail}. "
    "The last one: {command}",
    checks=(
        "Ask {user}; when it was not them, lock the account: usermod -L {user}",
        "Undo what was changed: the evidence of this incident names each command",
    ),
    entities=("user:user",),
    blind_spots=(
        "A root shell (`sudo -i`), in which nothing is logged any more",
        "A script that does it all, unless it is named by a doubtful path",
        "sudo that logs elsewhere than to syslog",
    ),
    false_positives=("An administrator who sets up accounts, rights and jobs by hand",),
    tags=("attack.privilege-escalation",),
    maturity="test",
)

# Every command of sudo: one line for each, written by people and not by machines at any rate.
prefilter = """
any:
  command|contains: /
condition: any
"""

#: Reason -> technique. A reason alone is what administrators do.
REASONS = {
    "identity_change": "T1136.001",
    "privilege_policy_change": "T1548.003",
    "suid_manipulation": "T1548.001",
    "security_control_change": "T1562.001",
    "remote_script_execution": "T1059.004",
    "service_disruption": "T1489",
    "ssh_key_injection": "T1098.004",
    "cron_persistence": "T1053.003",
    "tmp_execution": "T1059.004",
    "destructive_command": "T1485",
    "log_tampering": "T1070",
}
#: What nobody needs in the course of ordinary work; with them a series is high instead of medium.
CRITICAL = frozenset(
    {
        "privilege_policy_change",
        "suid_manipulation",
        "security_control_change",
        "remote_script_execution",
        "ssh_key_injection",
        "destructive_command",
        "log_tampering",
    }
)
#: Two spellings of what sudo_abuse has one reason for.
SAME = {
    "encoded_script": "remote_script_execution",
    "network_shell": "remote_script_execution",
    "hidden_command": "remote_script_execution",
    "start_file_change": "cron_persistence",
}


class SudoAbuse(Detector):
    """Different suspicious commands of one account within the window."""

    def __init__(self, parameters):
        super().__init__(parameters)
        require_shell()
        self.seen = ValueCount(self.parameters["window_s"])

    def process(self, event: Event) -> Finding | None:
        user, command = event.field("user"), event.field("command")
        if not isinstance(user, str) or not isinstance(command, str):
            return None
        names = {SAME.get(trait.name, trait.name) for trait in traits_of(analyse_line(command))}
        reasons = tuple(sorted(names & REASONS.keys()))
        if not reasons:
            return None
        count = self.seen.add(user, (command, reasons), event.ts_ns)
        if count < self.parameters["command_count"]:
            return None
        return self.finding(user, count)

    def finding(self, user: str, count: int) -> Finding:
        rows = self.seen.values(user)
        reasons = sorted({reason for _, found in rows for reason in found})
        grave = [row for row in rows if CRITICAL & set(row[1])]
        severity = Severity.MEDIUM
        if grave:
            severity = Severity.CRITICAL if count >= self.parameters["critical_count"] else Severity.HIGH
        return Finding(
            severity=severity,
            count=count,
            entities=(EntityRef.user(user),),
            attack=tuple(dict.fromkeys(REASONS[reason] for reason in reasons)),
            evidence=tuple(
                Evidence(kind="command", text=f"{', '.join(NAMES[one] for one in found)}: {command}")
                for command, found in rows[-10:]
            ),
            values={"detail": ", ".join(NAMES[reason] for reason in reasons)},
        )
