# SPDX-License-Identifier: Apache-2.0
"""The kernel source: check the object, load what this kernel takes, attach each hook, say what is blind."""

from __future__ import annotations

import errno
import logging
import mmap
import os
import platform
import struct
import threading
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from innerwarden import paths
from innerwarden.config import KernelConfig, ResponderConfig
from innerwarden.errors import BpfError, LayoutError, UnavailableError
from innerwarden.libbpf import Link, Object, Program, btf
from innerwarden.model import _wire
from innerwarden.model.health import HookHealth
from innerwarden.sensor.enforcement import KEY_BYTES, Enforcement, apply, lsm, wanted_programs
from innerwarden.sensor.kernel_abilities import Abilities
from innerwarden.sensor.kernel_effects import effect_of
from innerwarden.sensor.kernel_hooks import (
    CGROUP,
    DISPATCHER,
    HOOKS,
    LSM,
    RESPONDER_MAPS,
    RESPONDER_PROGRAMS,
    SAMPLED,
    SYSCALL,
    TP_BTF,
    Hook,
)
from innerwarden.sensor.kernel_limits import Limits
from innerwarden.sensor.kernel_maps import (
    KERNEL_KINDS,
    Call,
    CallTable,
    Counters,
    Identities,
    WatchList,
    wants_directory_reads,
)
from innerwarden.sensor.kernel_self import INIT, OwnProcesses, own_cgroup
from innerwarden.sensor.kernel_syscalls import implemented, numbers
from innerwarden.sensor.kernel_watch import QUALIFIED, default_names
from innerwarden.sensor.procfs import Seed

log = logging.getLogger(__name__)

LOCKDOWN = Path("/sys/kernel/security/lockdown")
MOUNTS = Path("/proc/self/mounts")
FUNCTION_TRACING = Path("/proc/sys/kernel/ftrace_enabled")
NOT_TRACED = f"the kernel traces no functions ({FUNCTION_TRACING})"
RINGS = (("iw_ring_prio", "prio"), ("iw_ring_bulk", "bulk"))
#: What stands for all hooks on functions of the kernel, in an object that is loaded in a fifth of the time.
FUNCTION_SAMPLE, SAMPLED_FUNCTION = "iw_probe_fentry", "security_file_open"
#: All of them must see: else a changed identity is one whose change was missed.
IDENTITY_PROGRAMS = (DISPATCHER, "iw_do_credential", "iw_fork", "iw_exec")
#: Told only of names that are watched.
WATCHED_KINDS = frozenset({"file.open", "file.rename", "file.delete", "file.link"})
OWN_MAPS = ("iw_self", "iw_self_cgroup", "iw_protected")
_WAKE_FRACTION = 8  # a sleeping consumer is woken when an eighth of the ring is pending


def obstacle() -> UnavailableError | None:
    """Why no kernel program can be loaded here, or None."""
    if os.geteuid() != 0:
        return UnavailableError(
            "kernel programs need root (CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_RESOURCE)",
            "Run the sensor as root; the log collectors work without",
        )
    if not btf.VMLINUX.exists():
        return UnavailableError(
            "this kernel has no BTF (/sys/kernel/btf/vmlinux), which kernel programs are fitted with",
            "Use a kernel built with CONFIG_DEBUG_INFO_BTF, as Debian's are; the log collectors work without",
        )
    with suppress(OSError):
        if "[confidentiality]" in LOCKDOWN.read_text():
            return UnavailableError(
                "kernel lockdown is in confidentiality mode, which forbids reading kernel memory",
                "Boot with lockdown=integrity; the log collectors work without",
            )
    if not paths.bpf_object().exists():
        return UnavailableError(
            f"no kernel object for this machine at {paths.bpf_object()}", "Build it with `make bpf`"
        )
    return None


def check_layout(layout: btf.Btf) -> None:
    """Compare every record of the object with what user space decodes; raises LayoutError at the first."""
    found = layout.structs("iw_")
    for kind in KERNEL_KINDS:
        name = _wire.RECORD_OF[kind]
        if name not in found:
            raise LayoutError(f"the kernel object does not declare struct {name}", "Run `make bpf`")
        size, members = found[name]
        if size != _wire.SIZES[name]:
            raise LayoutError(
                f"struct {name} has {size} bytes in the kernel object and {_wire.SIZES[name]} here",
                "Run `make gen bpf` so that both come from the same header",
            )
        header = {m.name: m.offset for m in found["iw_header"][1]}
        places = header | {m.name: m.offset for m in members if m.name != "h"}
        for field, offset, _shape in _wire.LAYOUT[name]:
            if places.get(field) != offset:
                raise LayoutError(
                    f"{name}.{field} is at byte {places.get(field)} in the kernel object and {offset} here",
                    "Run `make gen bpf` so that both come from the same header",
                )


#: How every reason begins that says what the kernel lacks, so that nothing was refused.
ABSENT = "this kernel has no"
#: State of a hook that was taken out while the sensor ran, so that others see the same in its place.
REPLACED = "replaced"


def missing(kernel: btf.KernelNames) -> dict[str, str]:
    """Program -> what it would sit on and this kernel does not have."""
    found = {}
    for hook in HOOKS:
        if hook.attach == TP_BTF and f"btf_trace_{hook.target}" not in kernel:
            found[hook.program] = f"{ABSENT} tracepoint {hook.target}"
        elif hook.attach in SAMPLED and hook.target not in kernel:
            found[hook.program] = f"{ABSENT} function {hook.target}"
    return found


def sample(image: bytes, hook: Hook, kernel: btf.KernelNames | None = None) -> str:
    """Load and attach one hook alone; returns why that failed, or an empty text. A kernel may list a kind of hook and
    still refuse it. With `kernel`, a small sample of the kind does where there is one."""
    if not functions_are_traced():
        return NOT_TRACED
    if hook.attach == LSM:
        refused = lsm.refusal(image, tuple(ring for ring, _name in RINGS))
        return refused and f"{ABSENT} {refused}"
    is_small = kernel is not None and SAMPLED_FUNCTION in kernel and paths.probe_object().exists()
    opened = Object(paths.probe_object().read_bytes(), "iw_probe") if is_small else Object(image)
    wanted = FUNCTION_SAMPLE if is_small else hook.program
    try:
        for name, program in opened.programs.items():
            program.set_autoload(name == wanted)
        for ring, _name in () if is_small else RINGS:
            opened.maps[ring].resize(mmap.PAGESIZE)
        opened.load()
        opened.programs[wanted].attach().destroy()
    except BpfError as error:
        return f"{hook.attach} hooks are refused by this kernel ({os.strerror(error.errno or errno.EINVAL)})"
    finally:
        opened.close()
    return ""


def functions_are_traced() -> bool:
    """False while programs on kernel functions do not run: somebody switched that off, or the kernel gave it up.

    None may be detached then: the kernel (6.1, 6.12) does not undo its part, and at a later detachment finds itself
    at fault (ftrace_shutdown) and ends function tracing for everybody until the next boot.
    """
    try:
        return FUNCTION_TRACING.read_text().strip() != "0"
    except FileNotFoundError:  # a kernel that patches its functions without ftrace
        return True
    except OSError:  # ENODEV: ftrace found a fault in itself
        return False


def cgroup2_root() -> Path | None:
    """Mount point of the cgroup v2 hierarchy, which may lie beside v1's."""
    with suppress(OSError):
        for line in MOUNTS.read_text().splitlines():
            _source, place, kind = line.split(" ")[:3]
            if kind == "cgroup2":
                return Path(place)
    return None


class KernelSource:
    """Owns the loaded object and its links. One thread at a time calls its methods."""

    def __init__(
        self,
        config: KernelConfig,
        image: bytes | None = None,
        responder: ResponderConfig = ResponderConfig(),  # noqa: B008 - immutable
        *,
        without: Collection[str] = (),
    ) -> None:
        """`without` names hooks that are left alone, so that what stands in for them does the work."""
        self._config = config
        self._image = image
        self._responder = responder
        self._without = frozenset(without)
        #: Programs that nothing in the configuration asks for.
        self._unwanted = {h.program for h in HOOKS if h.attach == LSM} - wanted_programs(
            responder.enforcement
        )
        self._unwanted |= {lsm.SAMPLE, *RESPONDER_PROGRAMS}
        self._path_keys = os.urandom(KEY_BYTES)
        #: Set when `load` has little left to do but to wait for the kernel.
        self.verifying = threading.Event()
        self._object: Object | None = None
        self._links: dict[str, Link] = {}
        self._counters: Counters | None = None
        self._watch: WatchList | None = None
        self._calls: CallTable | None = None
        self.identities: Identities | None = None
        self.own: OwnProcesses | None = None
        self.limits: Limits | None = None
        self._refused: dict[str, str] = {}
        self._kernel: btf.KernelNames | None = None
        self.rings: list[tuple[int, int, str]] = []
        self.hooks: list[HookHealth] = []
        self.enforcement: Enforcement | None = None
        self._traced = True
        #: Something was switched off that hooks need: ask them at once. Whoever does sets it back.
        self.disturbed = False

    def start(self) -> None:
        """Load and attach; records flow from here on. Raises UnavailableError, LayoutError or BpfError."""
        self.load()
        self.attach()

    def load(self) -> None:
        """All that takes long: the kernel has the programs and verified them, and calls none of them yet. Raises
        UnavailableError, LayoutError or BpfError."""
        if (problem := obstacle()) is not None:
            raise problem
        image = self._image if self._image is not None else paths.bpf_object().read_bytes()
        layout = btf.of_object(image)
        check_layout(layout)
        names = default_names()
        try:
            self._object = loaded = self._load(image, layout, names)
            self._counters = Counters(loaded.maps["iw_stats"], layout)
            self._watch = WatchList(loaded.maps["iw_watch_name"], loaded.maps["iw_watch_filter"])
            self._watch.set(names)
            self._calls = CallTable(loaded.maps["iw_calls"], loaded.maps["iw_handlers"])
            self.identities = Identities(loaded.maps["iw_identities"])
            self.limits = Limits(loaded.maps["iw_limits"])
            self.rings = [(loaded.maps[m].fd, loaded.maps[m].max_entries, name) for m, name in RINGS]
        except BaseException:
            self.close()
            raise

    def attach(self) -> None:
        """Records flow from here on. Raises BpfError, or UnavailableError where nothing is loaded."""
        if (loaded := self._object) is None or self.identities is None:
            raise UnavailableError("no kernel programs are loaded", "Load them first")
        try:
            self.own = OwnProcesses(*(loaded.maps[name] for name in OWN_MAPS))
            self.own.add(os.getpid())
            self.own.protect(INIT)
            if (hierarchy := cgroup2_root()) is not None:
                self.own.set_cgroup(own_cgroup(hierarchy))
            self._prepare_enforcement(loaded)
            self._attach_all(loaded)
            self.identities.forget()
        except BaseException:
            self.close()
            raise

    def _prepare_enforcement(self, loaded: Object) -> None:
        """Lists and modes are complete before the first of its programs is attached."""
        programs = {hook.program for hook in HOOKS if hook.attach == LSM}
        if not programs - self._unwanted - self._refused.keys():
            return
        self.enforcement = Enforcement(loaded, self._responder, self._path_keys, cgroup2_root())
        for problem in apply(self.enforcement, self._responder):
            log.warning("enforcement entry not listed reason=%s", problem)

    def _load(self, image: bytes, layout: btf.Btf, names: Mapping[bytes, int]) -> Object:
        """Loading is all or nothing: leave out what the kernel refuses and load the rest again."""
        self._kernel = kernel = btf.KernelNames()
        self._refused |= missing(kernel)
        self._refused |= {
            hook.program: reason
            for attach, reason in self._sample_refusals(image).items()
            for hook in HOOKS
            if hook.attach == attach
        }
        abilities = Abilities(kernel)
        while True:
            opened = Object(image)
            try:
                self._configure(opened, layout, names, abilities.on)
                self.verifying.set()
                opened.load()
                return opened
            except BpfError as error:
                name = opened.refused_program()
                opened.close()
                if name is None or name in self._refused or error.errno == errno.EPERM:
                    raise
                if not abilities.give_up(name):
                    self._refused[name] = error.problem
                    log.warning("kernel refuses a program program=%s errno=%d", name, error.errno)
            except BaseException:
                opened.close()
                raise

    def _sample_refusals(self, image: bytes) -> dict[str, str]:
        """Kind of hook -> why this kernel takes none of it: one sample of each is loaded and attached."""
        found = {}
        for attach in SAMPLED:
            left_out = self._refused.keys() | self._unwanted
            samples = [h for h in HOOKS if h.attach == attach and h.program not in left_out]
            if samples and (reason := sample(image, samples[0], self._kernel)):
                found[attach] = reason
                log.info("hooks of a kind are refused here kind=%s reason=%s", attach, reason)
        return found

    def _configure(
        self, opened: Object, layout: btf.Btf, names: Mapping[bytes, int], abilities: Mapping[str, bool]
    ) -> None:
        for name in self._refused.keys() | self._unwanted:
            opened.programs[name].set_autoload(False)
        sizes = (self._config.prio_ring_bytes, self._config.bulk_ring_bytes)
        for (map_name, _name), size in zip(RINGS, sizes, strict=True):
            opened.maps[map_name].resize(size)
        for map_name in RESPONDER_MAPS:
            opened.maps[map_name].resize(1)
        constants = layout.variables(".rodata")
        section = opened.section_map(".rodata")
        wake = struct.pack("<2Q", *(size // _WAKE_FRACTION for size in sizes))
        section.write_initial(constants["iw_ring_wake_bytes"].offset, wake)
        reads = struct.pack("<I", wants_directory_reads(names, QUALIFIED))
        section.write_initial(constants["iw_watch_dir_reads"].offset, reads)
        section.write_initial(constants["iw_enforce_keys"].offset, self._path_keys)
        for name, on in abilities.items():
            section.write_initial(constants[name].offset, struct.pack("<I", on))
        compare = self._refused.keys().isdisjoint(IDENTITY_PROGRAMS)
        section.write_initial(constants["iw_compare_identities"].offset, struct.pack("<I", compare))

    def _attach_all(self, loaded: Object) -> None:
        found: list[HookHealth] = []
        stand_ins: dict[str, list[str]] = {}
        for hook in HOOKS:
            replaced = any(one.state == "attached" and one.name in hook.instead_of for one in found)
            if replaced or hook.program in self._unwanted or hook.name in self._without:
                continue
            state, reason = self._attach(loaded, hook)
            if state == "attached":
                for name in hook.instead_of:
                    stand_ins.setdefault(name, []).append(hook.name)
            found.append(_health(hook, state, reason))
        self.hooks = [
            msgspec.structs.replace(one, stand_in=", ".join(stand_ins[one.name]), lost_techniques=())
            if one.name in stand_ins and one.state != "attached"
            else one
            for one in found
        ]

    def _attach(self, loaded: Object, hook: Hook) -> tuple[str, str]:
        """State and reason of one hook."""
        for program in _programs(hook):
            if reason := self._refused.get(program):
                return ("absent" if reason.startswith(ABSENT) else "failed"), reason
        try:
            if hook.attach == SYSCALL:
                return self._attach_syscall(loaded, hook)
            if hook.attach == CGROUP and cgroup2_root() is None:
                return "absent", "no cgroup v2 hierarchy is mounted"
            self._links[hook.name] = _link(loaded.programs[hook.program], hook)
        except (BpfError, UnavailableError) as error:
            log.warning("hook not attached hook=%s reason=%s", hook.name, error.problem)
            return "failed", error.problem
        return "attached", ""

    def _attach_syscall(self, loaded: Object, hook: Hook) -> tuple[str, str]:
        """The dispatcher itself is attached as a hook of its own; here it learns of one more call."""
        ways = numbers(hook.target)
        if not ways or self._calls is None:
            return "absent", f"{ABSENT} syscall {hook.target} on {platform.machine()}"
        if self._kernel is None or not implemented(hook.target, self._kernel.__contains__):
            return "absent", f"{ABSENT} syscall {hook.target}"
        program = loaded.programs[hook.program]
        self._calls.add(hook.id, Call(program.fd, program.id, tuple(ways)))
        return "attached", ""

    def stats(self) -> dict[str, dict[str, int]]:
        """made, lost, filtered, unpaired, suppressed -> dotted kind -> count, and fired -> hook -> records delivered;
        empty when not started."""
        return self._counters.read() if self._counters is not None else {}

    def skipped(self) -> dict[str, int]:
        """Program -> times that the kernel did not call it at its hook, because another task was in the middle of it on
        the same CPU; only those with any. What was missed is not known: for a program on sys_exit mostly calls that
        nobody wants."""
        missed = {name: program.stats().recursion_misses for name, program in self._loaded().items()}
        return {name: count for name, count in missed.items() if count}

    def fired(self) -> dict[str, int]:
        """Hook -> records that it delivered since the start."""
        counted = self.stats().get("fired", {})
        return {hook.name: counted.get(hook.id.name.lower(), 0) for hook in HOOKS}

    def unseen(self) -> dict[str, int]:
        """Hook -> records of its kinds that were lost, and times that its programs were left out; see `skipped`."""
        lost, skipped = self.stats().get("lost", {}), self.skipped()
        return {
            hook.name: sum(lost.get(kind, 0) for kind in hook.kinds)
            + sum(skipped.get(program, 0) for program in _programs(hook))
            for hook in HOOKS
        }

    def broken(self, names: Iterable[str]) -> dict[str, str]:
        """Hook -> what somebody undid of it behind our back; only those that are not as they were made."""
        list_undone = self._watch.broken() if self._watch is not None else ""
        traced = functions_are_traced()
        found = {}
        for name in names:
            hook = _BY_NAME[name]
            if hook.attach in SAMPLED and not traced:
                found[name] = NOT_TRACED
            elif undone := self._undone(hook):
                found[name] = undone
            elif list_undone and WATCHED_KINDS.intersection(hook.kinds):
                found[name] = list_undone
        return found

    def _undone(self, hook: Hook) -> str:
        if hook.attach == SYSCALL:
            return self._calls.broken(hook.id) if self._calls is not None else ""
        link = self._links.get(hook.name)
        return "" if link is not None and link.is_attached() else "it was detached"

    def reattach(self, name: str) -> str:
        """Attach a hook anew that was attached before; returns why that failed, or an empty text."""
        hook = _BY_NAME[name]
        if self._object is None or self._calls is None or self._watch is None:
            return "the kernel source is closed"
        try:
            self._watch.restore()
            if hook.attach == SYSCALL:
                self._calls.restore(hook.id)
            elif hook.attach in SAMPLED and not functions_are_traced():
                return NOT_TRACED
            else:
                old = self._links.pop(name, None)
                if old is not None:
                    _detach(name, old)
                self._links[name] = _link(self._object.programs[hook.program], hook)
        except (BpfError, OSError) as error:
            return str(error)
        return ""

    def fall_back(self, name: str, reason: str) -> tuple[HookHealth, ...]:
        """Leave what a hook sees, until the next start, to those that are attached only without it.

        Returns the entries of `hooks` that are concerned: what was taken out (`replaced`), what sees it now, and what
        was refused. None where no such hook can be attached; then all stays as it is.
        """
        if self._object is None:
            return ()
        known = {one.name: one for one in self.hooks}
        stand_ins = [hook for hook in HOOKS if name in hook.instead_of and hook.name not in self._without]
        for hook in stand_ins:
            if hook.name not in known:
                known[hook.name] = _health(hook, *self._attach(self._object, hook))
        used = [hook for hook in stand_ins if known[hook.name].state == "attached"]
        if not used:
            return ()
        # Some stand in for two: the other one, left where it is, would tell everything a second time.
        taken_out = {other for hook in used for other in hook.instead_of} & known.keys()
        for other in sorted(taken_out):
            if other == name or known[other].state == "attached":
                known[other] = msgspec.structs.replace(
                    known[other],
                    state=REPLACED,
                    reason=reason if other == name else f"it went with {name}: the same stands in for both",
                    stand_in=", ".join(hook.name for hook in used),
                    lost_techniques=(),
                )
        self.hooks = list(known.values())
        self._detach_replaced()
        return tuple(known[one] for one in [*sorted(taken_out), *(hook.name for hook in stand_ins)])

    def _detach_replaced(self) -> None:
        """At once, or when that does no harm any more."""
        replaced = {one.name for one in self.hooks if one.state == REPLACED} & self._links.keys()
        if replaced and functions_are_traced():
            for name in replaced:
                _detach(name, self._links.pop(name))

    def show_canary(self, shown: bool) -> None:
        """Records of the canary are made while it is shown, though it is in our own cgroup."""
        if self.own is not None:
            self.own.show_cgroup(shown)

    def seed(self, processes: Iterable[Seed]) -> None:
        """Tell the kernel side what the processes that were there before it are."""
        if self.identities is not None:
            known = {
                p.pid: (p.start_ns, p.cap_effective, p.uid, p.euid, p.gid, p.threads > 1) for p in processes
            }
            self.identities.seed(known)

    def watch_names(self, names: Mapping[bytes, int] | Mapping[str, int]) -> None:
        """Replace the watched names (see kernel_watch for the flags)."""
        if self._watch is not None:
            self._watch.set(names)

    def add_self(self, tgid: int) -> None:
        """Leave a process of ours out of file.open, kernel.bpf and kernel.perf_event records, nothing else, and tell
        signals to it."""
        if self.own is not None:
            self.own.add(tgid)

    def protect(self, tgid: int) -> None:
        """Tell signals that would end or stop a process (process.signal). Raises UsageError when it is gone."""
        if self.own is not None:
            self.own.protect(tgid)

    def _loaded(self) -> dict[str, Program]:
        """Programs that the kernel took."""
        if self._object is None:
            return {}
        left_out = self._refused.keys() | self._unwanted
        return {n: p for n, p in self._object.programs.items() if n not in left_out}

    def verified_instructions(self) -> dict[str, int]:
        """Loaded program -> instructions that the verifier processed; 0 where the kernel does not say (before 5.16)."""
        return {name: program.verified_instructions() for name, program in self._loaded().items()}

    def run_stats(self) -> dict[str, tuple[int, int]]:
        """Program -> (runs, ns) while `libbpf.enable_stats` is on."""
        stats = {name: program.stats() for name, program in self._loaded().items()}
        return {name: (found.run_count, found.run_time_ns) for name, found in stats.items()}

    def tend(self) -> None:
        """Upkeep, once a second: the sign of life that enforcement lasts on, changed files, hooks that could
        not be detached, and whether functions are traced still."""
        self._detach_replaced()
        traced = functions_are_traced()
        self.disturbed |= self._traced and not traced
        self._traced = traced
        if self.enforcement is not None:
            self.enforcement.beat()
            self.enforcement.refresh()

    def close(self) -> None:
        """Detach everything and free it; the rings' descriptors are invalid afterwards. Safe to call twice."""
        links, self._links = self._links, {}
        for name, link in links.items():
            _detach(name, link)
        self.rings, self._counters, self._watch = [], None, None
        self._calls = self.identities = self.enforcement = self.own = self.limits = None
        if self._object is not None:
            self._object.close()
            self._object = None


_BY_NAME = {hook.name: hook for hook in HOOKS}


def _programs(hook: Hook) -> tuple[str, ...]:
    """What must be loaded for it."""
    return (hook.program, DISPATCHER) if hook.attach == SYSCALL else (hook.program,)


def _health(hook: Hook, state: str, reason: str) -> HookHealth:
    return HookHealth(
        name=hook.name,
        kind=", ".join(hook.kinds),
        effect=effect_of(hook),
        state=state,
        reason=reason,
        lost_techniques=hook.techniques,
    )


def _link(program: Program, hook: Hook) -> Link:
    """Raises BpfError; OSError when the cgroup hierarchy is gone."""
    if hook.attach != CGROUP:
        return program.attach()
    cgroup_fd = os.open(cgroup2_root() or "/sys/fs/cgroup", os.O_RDONLY | os.O_DIRECTORY)
    try:
        return program.attach_cgroup(cgroup_fd)
    finally:
        os.close(cgroup_fd)


def _detach(name: str, link: Link) -> None:
    try:
        link.destroy()
    except BpfError as error:
        log.warning("hook not detached hook=%s reason=%s", name, error.problem)
