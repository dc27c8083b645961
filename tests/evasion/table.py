# SPDX-License-Identifier: Apache-2.0
"""The 48 evasions, how each is run, and what must tell of it. Data.

Techniques and numbers are those that docs/evasions.md shows. An act runs as a process of its own with a mark on its
command line; a finding counts only when it can be attributed by that mark.
"""

from __future__ import annotations

from tests.evasion.model import Act, Case, Expect, Place

VM, BOTH = Place.VM, Place.BOTH


def told(detector: str, *holds: str) -> tuple[Expect, ...]:
    return (Expect(detector=detector, holds=holds),)


def by_log(detector: str, *holds: str) -> tuple[Expect, ...]:
    return (Expect(detector=detector, holds=holds, marked=False),)


def files(act: str, *expects: Expect, needs: tuple[str, ...] = ()) -> Act:
    return Act(program="files", act=act, expects=expects or WATCHED, needs=needs)


def logs(act: str, detector: str, *holds: str) -> Act:
    return Act(program="logs", act=act, expects=by_log(detector, *holds))


#: A file in the directory of scheduled tasks, by its true path.
WATCHED = told("cron_persistence", "/etc/cron.d/{mark}")
#: The same under a name that does not bear the mark: the process or its ancestry tells whose act it was.
ATTRIBUTED = told("cron_persistence", "/etc/cron.d/{plain}")

CASES: tuple[Case, ...] = (
    Case(
        number=1,
        technique="A thread swaps the path between the call and the kernel's copy of it",
        answer="The path comes from the opened file, not from the argument",
        acts=(Act(program="races", act="path_swapped", expects=WATCHED, needs=("compiled",)),),
    ),
    Case(
        number=2,
        technique="A thread swaps the address before connect copies it",
        answer="The peer comes from the socket",
        acts=(
            Act(
                program="races",
                act="address_swapped",
                expects=told("reverse_shell", "127.0.0.3"),
                needs=("compiled",),
            ),
        ),
    ),
    Case(
        number=3,
        technique="userfaultfd holds the kernel's copy of an argument to widen the race",
        answer="As 1, and the use of userfaultfd is told",
        acts=(files("userfault", *told("userfaultfd_used"), *WATCHED),),
    ),
    Case(
        number=4,
        technique="Symbolic links, .., /proc/self/root, chroot, bind mounts",
        answer="Canonical path from the file's dentry; a second mount of such a directory is told",
        acts=(
            files("symlink"),
            files("dotdot"),
            files("proc_root"),
            files("chroot"),
            files("bind", *told("sensitive_bind_mount", "/etc/cron.d")),
        ),
    ),
    Case(
        number=5,
        technique="A directory's descriptor is reused before anybody looks it up",
        answer="Descriptors are resolved in the kernel, at the call",
        acts=(files("dirfd_reused"), files("rename_dirfd_reused")),
    ),
    Case(
        number=6,
        technique="openat2, creat, open_by_handle_at",
        answer="Every call that opens files is hooked",
        acts=(
            files("call_open"),
            files("call_creat"),
            files("call_openat2"),
            files("call_open_by_handle", *told("password_file_change", "/etc/passwd"), needs=("handles",)),
        ),
    ),
    Case(
        number=7,
        technique="New mount calls: fsopen, fsmount, move_mount, open_tree",
        answer="One record for every way to mount",
        acts=(
            files("open_tree", *told("sensitive_bind_mount", "/etc/cron.d")),
            files("move_mount_over_process", *told("process_hidden_by_mount", "/proc/")),
        ),
    ),
    Case(
        number=8,
        technique="splice, sendfile, copy_file_range, pwritev, process_vm_writev instead of read and write",
        answer="Rules go by opened files and sockets, not by read and write",
        acts=(
            files("sendfile", *told("sensitive_read_then_connect", "203.0.113.1")),
            files("splice", *told("sensitive_read_then_connect", "203.0.113.1")),
            files("copy_file_range"),
            files("vector_write"),
            Act(program="processes", act="vector_into_process", expects=told("process_memory_write")),
        ),
    ),
    Case(
        number=9,
        technique="io_uring opens, connects and removes without a system call",
        answer="Rings and their requests are told, by kind",
        acts=(
            Act(program="kernel", act="ring_open", expects=told("io_uring_operation"), needs=("io_uring",)),
            Act(
                program="kernel", act="ring_connect", expects=told("io_uring_operation"), needs=("io_uring",)
            ),
            Act(program="kernel", act="ring_unlink", expects=told("io_uring_operation"), needs=("io_uring",)),
        ),
    ),
    Case(
        number=10,
        technique="A ring that a kernel thread works off, so that another one seems to act",
        answer="The ring's creator is named",
        acts=(
            Act(
                program="kernel",
                act="ring_polled",
                expects=(*told("io_uring_kernel_polling"), *told("io_uring_operation")),
                needs=("io_uring",),
            ),
        ),
    ),
    Case(
        number=11,
        technique="32-bit calls (int 0x80) from a 64-bit process",
        answer="Both call tables are hooked; such a call from 64-bit code is told by itself",
        acts=(
            Act(
                program="kernel",
                act="compat_call",
                expects=(*told("compat_syscall"), *WATCHED),
                needs=("compat",),
            ),
        ),
    ),
    Case(
        number=12,
        technique="Programs run from memory, from deleted or nameless files",
        answer="Flags on the executed file itself",
        acts=(
            Act(
                program="starts", act="memory_program", expects=told("suspicious_exec_origin", "from memory")
            ),
            Act(
                program="starts", act="deleted_program", expects=told("suspicious_exec_origin", "was deleted")
            ),
            Act(
                program="starts",
                act="nameless_program",
                expects=told("suspicious_exec_origin", "was deleted"),
                needs=("tmpfile",),
            ),
            Act(program="starts", act="program_then_unlink", expects=told("suspicious_exec_origin")),
        ),
    ),
    Case(
        number=13,
        technique="Libraries from memory or deleted files, LD_PRELOAD, ld.so.preload",
        answer="Executable mappings of such files, and the environment at the start",
        acts=(
            Act(program="starts", act="memory_library", expects=told("code_from_memory_file", "memfd")),
            Act(program="starts", act="deleted_library", expects=told("code_from_memory_file", "x.so")),
            Act(
                program="starts",
                act="preloaded_library",
                expects=(*told("preload_environment"), *told("library_from_open_directory", "{mark}.so")),
            ),
            files("preload_list", *told("ld_preload_change", "/etc/ld.so.preload")),
        ),
    ),
    Case(
        number=14,
        technique="Shells made of an interpreter alone: /dev/tcp, python -c, perl -e",
        answer="Sockets on standard input and output, and one-line programs that speak to the network",
        acts=(
            Act(program="network", act="bash_tcp", expects=told("reverse_shell"), needs=("bash",)),
            Act(program="network", act="python_shell", expects=told("reverse_shell")),
            Act(program="network", act="python_relay", expects=told("interpreter_network_one_liner")),
            Act(
                program="network",
                act="perl_relay",
                expects=told("interpreter_network_one_liner"),
                needs=("perl",),
            ),
        ),
    ),
    Case(
        number=15,
        technique="Padding: the telling argument comes after 4 KiB, or after all that is carried",
        answer="131,072 bytes of arguments; more is a finding of its own",
        acts=(
            Act(program="starts", act="padded", expects=told("crypto_miner")),
            Act(program="starts", act="padded_beyond", expects=told("oversized_command_line")),
        ),
    ),
    Case(
        number=16,
        technique="Empty argument vectors; line ends, escape sequences and invalid text in arguments",
        answer="Bytes are kept and escaped; an empty vector is told",
        acts=(
            Act(program="starts", act="no_arguments", expects=told("empty_argument_vector")),
            Act(program="starts", act="empty_name", expects=told("empty_argument_vector")),
            Act(program="starts", act="unprintable", expects=told("suspicious_exec_origin")),
        ),
    ),
    Case(
        number=17,
        technique="Forged names: [kworker/0:1] as an argument, prctl, an overwritten command line",
        answer="Rules go by the executed file; names of kernel threads are told",
        acts=(
            Act(program="starts", act="kernel_thread_name", expects=told("kernel_thread_masquerade")),
            Act(program="starts", act="renamed", expects=told("process_name_forged")),
            Act(program="starts", act="arguments_overwritten", expects=ATTRIBUTED),
        ),
    ),
    Case(
        number=18,
        technique="Forged parents: double fork, CLONE_PARENT",
        answer="The chain of births, from fork records",
        acts=(
            Act(
                program="starts",
                act="double_fork",
                expects=told("cron_persistence", "/etc/cron.d/{plain}", "middle-{mark}"),
            ),
            Act(
                program="starts",
                act="clone_parent",
                expects=told("cron_persistence", "/etc/cron.d/{plain}", "middle-{mark}"),
            ),
        ),
    ),
    Case(
        number=19,
        technique="A process that lives a tenth of a millisecond",
        answer="All that a rule needs is in the record",
        acts=(
            Act(
                program="starts",
                act="short_lived",
                expects=told("suspicious_exec_origin"),
                needs=("compiled",),
            ),
        ),
    ),
    Case(
        number=20,
        technique="Exec by another thread, children that share memory, reused process ids",
        answer="Processes are known by id and start time",
        acts=(
            Act(program="starts", act="thread_exec", expects=told("suspicious_exec_origin")),
            Act(program="races", act="shared_memory_child", expects=WATCHED, needs=("compiled",)),
            Act(
                program="starts",
                act="namespace_pid_reused",
                expects=told("cron_persistence", "/etc/cron.d/{plain}", "reuser-{mark}"),
                place=VM,
            ),
        ),
    ),
    Case(
        number=21,
        technique="Namespaces: user, process, mount; joining others'",
        answer="Ids of the initial namespace in each record; changes are told",
        acts=(
            Act(program="processes", act="user_namespace", expects=told("user_namespace_created")),
            Act(program="processes", act="namespace_joined", expects=told("namespace_joined")),
            Act(program="processes", act="nested_namespaces", expects=ATTRIBUTED),
        ),
    ),
    Case(
        number=22,
        technique="Moves between control groups, v1 and v2",
        answer="Moves are told, with their new place",
        acts=(
            Act(program="processes", act="cgroup2_move", expects=told("cgroup_left"), needs=("cgroup2",)),
            Act(program="processes", act="cgroup1_move", expects=told("cgroup_left"), needs=("cgroup1",)),
        ),
    ),
    Case(
        number=23,
        technique="ptrace, /proc/PID/mem, process_vm_writev, pidfd_getfd",
        answer="A record with the target for each",
        acts=(
            Act(program="processes", act="trace", expects=told("ptrace_injection")),
            Act(program="processes", act="memory_file", expects=told("process_memory_write")),
            Act(program="processes", act="read_across_users", expects=told("process_memory_read")),
            Act(program="processes", act="descriptor_taken", expects=told("descriptor_taken")),
        ),
    ),
    Case(
        number=24,
        technique="The ring is flooded, then comes the real act",
        answer="A share for each process and kind; the flood is told with its producer",
        acts=(
            Act(
                program="processes",
                act="flood",
                expects=(*told("sensor_flood"), *ATTRIBUTED),
                timeout_s=60,
            ),
        ),
    ),
    Case(
        number=25,
        technique="Tables are filled by thousands of processes",
        answer="Nothing is remembered between entry and exit of a call; tables drop the least used",
        acts=(
            Act(
                program="processes",
                act="storm",
                expects=told("cron_persistence", "/etc/cron.d/{plain}", "old-{mark}"),
                timeout_s=90,
            ),
        ),
    ),
    Case(
        number=26,
        technique="More calls in flight than a kretprobe has instances",
        answer="No kretprobes",
        acts=(
            Act(
                program="races",
                act="calls_in_flight",
                expects=WATCHED,
                place=BOTH,
                needs=("compiled",),
                timeout_s=60,
            ),
        ),
    ),
    Case(
        number=27,
        technique="Arguments on pages that are not resident",
        answer="Read after the call, or from the kernel's object",
        acts=(
            files("page_not_resident"),
            Act(program="starts", act="argument_not_resident", expects=told("suspicious_exec_origin")),
        ),
    ),
    Case(
        number=28,
        technique="Tracing is switched off: event switches, set_event_pid, ftrace_enabled",
        answer="Writes to the switches are told; where hooks depend on one, others take over once the canary misses "
        "them (`function_tracing_off` until then)",
        acts=(
            Act(
                program="kernel",
                act="events_for_one_process",
                expects=told("tracing_switch_change", "set_event_pid"),
                needs=("tracefs",),
            ),
            Act(
                program="kernel",
                act="event_switch",
                expects=told("tracing_switch_change", "/enable"),
                needs=("tracefs",),
            ),
            Act(
                program="kernel",
                act="ftrace_off",
                expects=(*told("tracing_switch_change", "ftrace_enabled"), *ATTRIBUTED),
                place=VM,
                needs=("ftrace",),
                timeout_s=150,
                last=True,
            ),
        ),
    ),
    Case(
        number=29,
        technique="bpf() takes or detaches what belongs to the sensor",
        answer="Calls that reach for others' objects are told",
        acts=(
            Act(program="kernel", act="map_taken", expects=told("bpf_object_taken")),
            Act(program="kernel", act="link_detached", expects=told("bpf_object_taken"), needs=("cgroup2",)),
        ),
    ),
    Case(
        number=30,
        technique="The sensor is killed, halted or moved into another control group",
        answer="Signals to it and moves of it are told; the next start tells of the gap",
        acts=(
            Act(
                program="processes",
                act="signal_to_sensor",
                expects=(*told("sensor_signalled"), *ATTRIBUTED),
            ),
            Act(program="sensors", act="killed", expects=by_log("sensor_gap"), timeout_s=100),
            Act(
                program="sensors",
                act="moved",
                expects=told("cgroup_left"),
                needs=("cgroup2",),
                timeout_s=100,
            ),
        ),
    ),
    Case(
        number=31,
        technique="Acts of processes that came into being while the sensor started",
        answer="Hooks first, then what /proc holds, merged by start time",
        acts=(
            Act(
                program="sensors",
                act="started_meanwhile",
                expects=told("cron_persistence", "early-{mark}"),
                timeout_s=120,
            ),
        ),
    ),
    Case(
        number=32,
        technique="A clock set back, a time namespace",
        answer="Boot clock in the records, wall clock only for show",
        acts=(
            Act(program="kernel", act="time_namespace", expects=ATTRIBUTED, needs=("time_namespaces",)),
            Act(program="kernel", act="clock_set_back", expects=ATTRIBUTED, place=VM),
        ),
    ),
    Case(
        number=33,
        technique="An eBPF rootkit",
        answer="The load is told with its loader",
        acts=(Act(program="kernel", act="tracing_program", expects=told("bpf_program_load"), place=BOTH),),
    ),
    Case(
        number=34,
        technique="A kernel module",
        answer="The call is told before the module can hide; so is the load",
        acts=(
            Act(
                program="kernel",
                act="module_from_elsewhere",
                expects=told("kernel_module_load", "{mark}.ko"),
                place=BOTH,
            ),
            Act(
                program="kernel",
                act="module_loaded",
                expects=told("kernel_module_load", "{mark}.ko"),
                place=VM,
                needs=("modules",),
            ),
        ),
    ),
    Case(
        number=35,
        technique="A process is hidden by a mount over its directory in /proc",
        answer="The mount is told",
        acts=(files("bind_over_process", *told("process_hidden_by_mount", "/proc/")),),
    ),
    Case(
        number=36,
        technique="The kernel starts the program: release_agent, core_pattern",
        answer="The change of the setting, and the program without a parent",
        acts=(
            Act(
                program="kernel",
                act="release_agent",
                expects=(*told("kernel_helper_change", "release_agent"), *told("kernel_started_program")),
                needs=("cgroup1_built",),
            ),
            Act(
                program="kernel",
                act="core_handler",
                expects=(*told("kernel_helper_change", "core_pattern"), *told("kernel_started_program")),
                place=VM,
            ),
        ),
    ),
    Case(
        number=37,
        technique="Persistence by rename, exchange, hard or symbolic link, a nameless file",
        answer="The name that now leads to the file is told",
        acts=(
            files("rename"),
            files("rename_exchange", *ATTRIBUTED),
            files("hard_link"),
            files("nameless_link", needs=("tmpfile",)),
            files("symbolic_link"),
        ),
    ),
    Case(
        number=38,
        technique="Writes without write: shared mappings, a node for the disk, times set back, truncate",
        answer="The open for writing, the node and the change of times are told",
        acts=(
            files("shared_mapping"),
            files("block_node", *told("device_node_created", "{mark}")),
            files("old_times", *told("timestamps_changed", "{mark}")),
            files("truncate_log", *told("log_truncated", "{mark}.log")),
        ),
    ),
    Case(
        number=39,
        technique="Packet sockets with filters, raw ICMP, AF_XDP, vsock",
        answer="Such sockets and their filters are told",
        acts=(
            Act(program="network", act="packet_filter", expects=told("socket_filter_attached")),
            Act(program="network", act="raw_icmp", expects=told("raw_socket_opened")),
            Act(
                program="network", act="xdp_socket", expects=told("raw_socket_opened"), needs=("xdp_sockets",)
            ),
            Act(program="network", act="vsock", expects=told("host_socket_opened"), needs=("vsock",)),
        ),
    ),
    Case(
        number=40,
        technique="Packets past the block list: fragments, tunnels, other interfaces",
        answer="What is not understood is let through and is seen as a connection",
        blind_spot="packets_past_the_block_list",
    ),
    Case(
        number=41,
        technique="DNS in mixed case, with EDNS, over TCP in pieces; TLS openings in pieces with GREASE",
        answer="Names are put together from the first bytes of each stream",
        acts=(
            Act(
                program="network",
                act="dns_mixed_case",
                expects=told("mining_pool_lookup", "pool.supportxmr.com"),
            ),
            Act(
                program="network",
                act="dns_tcp_pieces",
                expects=told("mining_pool_lookup", "pool.supportxmr.com"),
            ),
            Act(
                program="network", act="tls_pieces", expects=told("mining_pool_lookup", "pool.supportxmr.com")
            ),
            Act(program="network", act="tls_resolver", expects=told("encrypted_dns_lookup", "dns.google")),
        ),
    ),
    Case(
        number=42,
        technique="Log lines forged through a user name",
        answer="Parsers that read from both ends; the true address is named",
        acts=(
            logs("forged_user", "ssh_bruteforce", "203.0.113.42"),
            logs("forged_line", "ssh_bruteforce", "203.0.113.142"),
        ),
    ),
    Case(
        number=43,
        technique="Logs truncated, rotated, copied away, swapped by a link, with giant or sparse lines",
        answer="A file is known by inode and the bytes before the offset; lines are capped",
        acts=(
            logs("truncated", "ssh_bruteforce", "203.0.113.43"),
            logs("rotated", "ssh_bruteforce", "203.0.113.143"),
            logs("copy_truncated", "ssh_bruteforce", "203.0.113.243"),
            logs("giant_line", "ssh_bruteforce", "203.0.113.153"),
            logs("sparse", "ssh_bruteforce", "203.0.113.253"),
            logs("link_swapped", "ssh_bruteforce", "203.0.113.53"),
        ),
    ),
    Case(
        number=44,
        technique="Guessing slowly, from changing addresses of a network, from many machines",
        answer="Windows of half a day, of IPv6 networks and of accounts",
        acts=(
            logs("slow", "ssh_patient_guessing", "203.0.113.44"),
            logs("network_rotation", "ssh_network_guessing", "2001:db8:44::"),
            logs("botnet", "distributed_ssh", "carol"),
        ),
    ),
    Case(
        number=45,
        technique="Attacks cut in two by a window's edge; noise that mutes",
        answer="Sliding windows; what is muted is one process or address, and is counted",
        acts=(
            logs("window_edge", "ssh_bruteforce", "203.0.113.45"),
            logs("muted", "ssh_bruteforce", "203.0.113.145"),
            Act(program="processes", act="decoys", expects=(*ATTRIBUTED, *told("process_name_forged"))),
        ),
    ),
    Case(
        number=46,
        technique="Trusted names in other places; hooks of the package manager",
        answer="Exceptions are whole paths; changes to the hooks are told",
        acts=(
            Act(program="processes", act="trusted_name", expects=WATCHED),
            files("package_hook", *told("package_hook_change", "{mark}")),
        ),
    ),
    Case(
        number=47,
        technique="Engine overload: tens of thousands of keys, text that makes matchers slow",
        answer="Linear matching, capped lines, bounded tables",
        acts=(
            logs("many_keys", "ssh_bruteforce", "203.0.113.47"),
            logs("hostile_text", "ssh_bruteforce", "203.0.113.147"),
        ),
    ),
    Case(
        number=48,
        technique="Prompt injection through arguments, file names and log text",
        answer="No finding comes from a model; asked at all, it is given fenced data, may act on an incident's own"
        " entities only, and closes nothing that is high",
        acts=(
            Act(program="processes", act="injected_words", expects=WATCHED),
            logs("injected_user", "ssh_bruteforce", "203.0.113.48"),
        ),
    ),
)
