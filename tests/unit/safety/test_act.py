# SPDX-License-Identifier: Apache-2.0
"""Every line of the safety rules, with an attack on it."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import msgspec
import pytest

from innerwarden.model.verb import (
    VERBS,
    BlockAddress,
    CapturePackets,
    CollectForensics,
    KillProcessTree,
    PauseContainer,
    QuarantineFile,
    RateLimitAddress,
    StopProcessTree,
    SuspendSudo,
    Verb,
)
from innerwarden.safety import HostFacts, Policy, may_act
from innerwarden.safety.sessions import Session

#: 1 > sshd 10 > session 20 > shell 21; 1 > responder 30 > its child 31; 2 > kernel thread 5; 1 > web 40 > 41.
PARENTS = {2: 0, 5: 2, 10: 1, 20: 10, 21: 20, 30: 1, 31: 30, 40: 1, 41: 40, 50: 10, 51: 50}
HOST = HostFacts(
    own_addresses=frozenset({ip_address("203.0.113.7"), ip_address("2001:db8::7")}),
    gateways=frozenset({ip_address("203.0.113.1")}),
    resolvers=frozenset({ip_address("9.9.9.9")}),
    sessions=(
        Session(user="alice", pid=20, address=ip_address("198.51.100.20")),
        Session(user="mallory", pid=50, address=ip_address("198.51.100.66")),
    ),
    own_pids=frozenset({30}),
    parents=PARENTS,
    kernel_threads=frozenset({2, 5}),
    sudoers=frozenset({"alice"}),
)
POLICY = Policy(never=(ip_network("192.0.2.128/25"),))
ATTACKER = "198.51.100.99"


def rule(verb: Verb, policy: Policy = POLICY, host: HostFacts = HOST) -> str:
    verdict = may_act(verb, host, policy)
    assert verdict.allowed is (verdict.rule == "none")
    assert verdict.reason
    return verdict.rule


@pytest.mark.parametrize("kind", [BlockAddress, RateLimitAddress])
@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        (ATTACKER, "none"),
        ("8.8.8.8", "none"),
        ("2a00:1450:4001:80b::200e", "none"),
        ("2001:db8::bad", "none"),
        # What is no single address.
        ("198.51.100.0/24", "not_an_address"),
        ("198.51.100.99/32", "not_an_address"),
        ("0.0.0.0/0", "not_an_address"),
        ("", "not_an_address"),
        (" 198.51.100.99", "not_an_address"),
        ("198.51.100.99; reboot", "not_an_address"),
        ("198.51.100.099", "not_an_address"),
        ("0x7f000001", "not_an_address"),
        ("2130706433", "not_an_address"),
        ("localhost", "not_an_address"),
        ("fe80::1%eth0", "not_an_address"),
        ("2001:db8::bad%eth0", "not_an_address"),
        ("١٩٢.٠.٢.١", "not_an_address"),
        # This machine.
        ("127.0.0.1", "loopback"),
        ("127.8.9.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("203.0.113.7", "own_address"),
        ("::ffff:203.0.113.7", "own_address"),
        ("2001:DB8:0::7", "own_address"),
        ("64:ff9b::203.0.113.7", "own_address"),
        ("2002:cb00:7107::1", "own_address"),
        # What it needs.
        ("203.0.113.1", "gateway"),
        ("::ffff:203.0.113.1", "gateway"),
        ("9.9.9.9", "resolver"),
        ("168.63.129.16", "cloud_control"),
        ("169.254.169.254", "cloud_control"),
        ("::ffff:169.254.169.254", "cloud_control"),
        ("64:ff9b::a9fe:a9fe", "cloud_control"),
        ("100.100.100.200", "cloud_control"),
        ("fd00:ec2::254", "cloud_control"),
        # Nobody in particular.
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("169.254.7.7", "link_local"),
        ("fe80::1", "link_local"),
        # People.
        ("198.51.100.20", "operator_session"),
        ("::ffff:198.51.100.20", "operator_session"),
        # The operator's word.
        ("192.0.2.200", "never"),
        ("192.0.2.100", "none"),
        ("10.1.2.3", "private"),
        ("192.168.1.1", "private"),
        ("172.31.255.1", "private"),
        ("172.32.0.1", "none"),
        ("100.64.1.1", "private"),
        ("fd12::1", "private"),
        ("::ffff:10.1.2.3", "private"),
    ],
)
def test_addresses(kind: type[BlockAddress], address: str, wanted: str) -> None:
    try:
        assert rule(kind(address=address)) == wanted
    except ValueError:
        assert wanted == "not_an_address"


def test_private_addresses_only_with_the_operator_s_word() -> None:
    policy = Policy(allow_private=True)
    assert rule(BlockAddress(address="10.1.2.3"), policy) == "none"
    assert rule(BlockAddress(address="100.64.0.9"), policy) == "none"
    assert rule(BlockAddress(address="169.254.169.254"), policy) == "cloud_control"
    assert rule(BlockAddress(address="127.0.0.1"), policy) == "loopback"


def test_named_operators_are_kept_and_others_are_not() -> None:
    policy = Policy(operators=frozenset({"alice"}))
    assert rule(BlockAddress(address="198.51.100.20"), policy) == "operator_session"
    assert rule(BlockAddress(address="198.51.100.66"), policy) == "none"
    assert rule(BlockAddress(address="198.51.100.66")) == "operator_session"


def test_trust_by_the_longest_prefix() -> None:
    policy = Policy(
        trusted=((ip_network("198.51.100.0/24"), "office"), (ip_network("198.51.100.96/28"), "printer")),
        distrusted=(ip_network("198.51.100.64/26"),),
    )
    assert rule(BlockAddress(address="198.51.100.130"), policy) == "trusted"
    assert rule(BlockAddress(address="198.51.100.70"), policy) == "none"
    assert rule(BlockAddress(address=ATTACKER), policy) == "trusted"
    assert rule(BlockAddress(address="::ffff:198.51.100.130"), policy) == "trusted"


@pytest.mark.parametrize("kind", [KillProcessTree, StopProcessTree])
@pytest.mark.parametrize(
    ("pid", "wanted"),
    [
        (40, "none"),
        (41, "none"),
        (999, "none"),
        (1, "init"),
        (0, "init"),
        (-1, "init"),
        (2, "kernel_thread"),
        (5, "kernel_thread"),
        (30, "own_process"),
        (31, "own_process"),
        (10, "operator_session"),
        (20, "operator_session"),
        (21, "none"),
    ],
)
def test_processes(kind: type[KillProcessTree], pid: int, wanted: str) -> None:
    assert rule(kind(pid=pid, start_ns=7)) == wanted


def test_what_runs_us_is_ours() -> None:
    host = msgspec.structs.replace(HOST, parents={**PARENTS, 30: 29, 29: 1})
    assert rule(KillProcessTree(pid=29, start_ns=1), host=host) == "own_process"


def test_a_process_without_a_start_time_may_be_another_one() -> None:
    assert rule(KillProcessTree(pid=41, start_ns=0)) == "init"


def test_an_intruder_s_session_may_be_ended_once_operators_are_named() -> None:
    policy = Policy(operators=frozenset({"alice"}))
    assert rule(KillProcessTree(pid=50, start_ns=1), policy) == "none"
    assert rule(KillProcessTree(pid=10, start_ns=1), policy) == "operator_session"


def test_a_circle_of_parents_ends() -> None:
    host = msgspec.structs.replace(HOST, parents={40: 41, 41: 40})
    assert rule(KillProcessTree(pid=40, start_ns=1), host=host) == "none"


@pytest.mark.parametrize(
    ("user", "wanted"),
    [
        ("bob", "none"),
        ("root", "root"),
        ("", "root"),
        ("../x", "root"),
        ("a b", "root"),
        ("alice", "last_sudoer"),
    ],
)
def test_sudo(user: str, wanted: str) -> None:
    assert rule(SuspendSudo(user=user)) == wanted


def test_an_operator_keeps_sudo() -> None:
    host = msgspec.structs.replace(HOST, sudoers=frozenset({"alice", "bob"}))
    assert rule(SuspendSudo(user="alice"), host=host) == "none"
    assert rule(SuspendSudo(user="alice"), Policy(operators=frozenset({"alice"})), host) == "operator"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/tmp/x", "none"),
        ("/home/u/.cache/miner", "none"),
        ("/etc/cron.d/surprise-nobody-packaged", "none"),
        ("/usr/bin/surprise-nobody-packaged", "none"),
        ("/usr/bin/dpkg", "package_file"),
        ("/bin/ls", "package_file"),
        ("/etc/passwd", "essential_file"),
        ("/etc/pam.d/common-auth", "essential_file"),
        ("/etc/ssh/sshd_config", "essential_file"),
        ("/etc/cron.d/e2scrub_all", "package_file"),
        ("/proc/1/exe", "system_place"),
        ("/boot/vmlinuz", "system_place"),
        ("/dev/sda", "system_place"),
        ("/devious/x", "none"),
        ("/var/lib/innerwarden/state.db", "own_file"),
        ("/var/lib/innerwarden", "own_file"),
        ("/var/lib/innerwardens/x", "none"),
        ("/tmp/../etc/passwd", "not_a_path"),
        ("/tmp/./x", "not_a_path"),
        ("tmp/x", "not_a_path"),
        ("", "not_a_path"),
        ("/tmp/x\0y", "not_a_path"),
    ],
)
def test_files(path: str, wanted: str) -> None:
    policy = Policy(kept_paths=("/var/lib/innerwarden",))
    assert rule(QuarantineFile(path=path, inode=1, dev=1), policy) == wanted


@pytest.mark.parametrize(
    ("container", "wanted"),
    [("a" * 12, "none"), ("0123456789abcdef" * 4, "none"), ("a" * 11, "not_a_container"),
     ("--all aaaaaaaaaaaa", "not_a_container"), ("A" * 12, "not_a_container")],
)  # fmt: skip
def test_containers(container: str, wanted: str) -> None:
    assert rule(PauseContainer(container_id=container, runtime="docker")) == wanted


def test_looking_is_allowed_where_acting_is_not() -> None:
    assert rule(CollectForensics(pid=20, start_ns=1)) == "none"
    assert rule(CapturePackets(address="127.0.0.1")) == "none"
    assert rule(CollectForensics(pid=0, start_ns=1)) == "not_a_process"


def test_every_verb_has_a_rule_and_an_unknown_one_is_refused() -> None:
    class Reboot(Verb, frozen=True, kw_only=True, tag="reboot"):
        pass

    assert rule(Reboot()) == "unknown_verb"
    judged = {
        BlockAddress: {"address": ATTACKER},
        RateLimitAddress: {"address": ATTACKER},
        CapturePackets: {"address": ATTACKER},
        KillProcessTree: {"pid": 41, "start_ns": 1},
        StopProcessTree: {"pid": 41, "start_ns": 1},
        CollectForensics: {"pid": 41, "start_ns": 1},
        SuspendSudo: {"user": "bob"},
        QuarantineFile: {"path": "/tmp/x", "inode": 1, "dev": 1},
        PauseContainer: {"container_id": "a" * 12, "runtime": "docker"},
    }
    assert set(judged) == set(VERBS)
    for kind, values in judged.items():
        assert rule(kind(**values)) == "none"
