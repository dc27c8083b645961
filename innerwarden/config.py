# SPDX-License-Identifier: Apache-2.0
"""The configuration file: typed, complete, refused when it says something unknown."""

from __future__ import annotations

import socket
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

import msgspec

from innerwarden import paths
from innerwarden.errors import ConfigError
from innerwarden.model.verb import VERB_IDS, Backend


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every table: an unknown key is an error."""


class CanaryConfig(Section, frozen=True):
    """The sensor's own control: one harmless action per hook, every `period_s` seconds."""

    enabled: bool = True
    period_s: int = 60


class KernelConfig(Section, frozen=True):
    """eBPF source. Ring sizes are powers of two, in bytes."""

    enabled: bool = True
    prio_ring_bytes: int = 8 << 20
    bulk_ring_bytes: int = 8 << 20
    poll_ms: int = 10
    canary: CanaryConfig = CanaryConfig()


class AuthLogConfig(Section, frozen=True):
    enabled: bool = True
    path: str = "/var/log/auth.log"


class JournaldConfig(Section, frozen=True):
    enabled: bool = True
    identifiers: tuple[str, ...] = (
        "sshd", "sshd-session", "sshd-auth", "sudo", "su", "login", "passwd", "chpasswd", "gpasswd",
        "useradd", "userdel", "usermod", "groupadd", "groupdel", "kernel",
        "postfix/smtpd", "postfix/submission/smtpd", "postfix/smtps/smtpd", "dovecot", "exim", "exim4", "vsftpd",
        "proftpd", "pure-ftpd", "mysqld", "mariadbd", "postgres", "openvpn", "ovpn-server", "imapd", "pop3d",
        "asterisk", "xrdp-sesman", "webmin", "pvedaemon",
    )  # fmt: skip


class LogFilesConfig(Section, frozen=True):
    """`paths` are absolute and may have wildcards in the last component."""

    enabled: bool = True
    paths: tuple[str, ...] = ()


class NginxAccessConfig(LogFilesConfig, frozen=True):
    paths: tuple[str, ...] = ("/var/log/nginx/*access.log",)


class ApacheAccessConfig(LogFilesConfig, frozen=True):
    """By Debian's and by Red Hat's names."""

    paths: tuple[str, ...] = (
        "/var/log/apache2/*access.log",
        "/var/log/httpd/*access_log",
        "/var/log/lighttpd/access.log",
    )


class NginxErrorConfig(LogFilesConfig, frozen=True):
    paths: tuple[str, ...] = ("/var/log/nginx/*error.log",)


class ApacheErrorConfig(LogFilesConfig, frozen=True):
    paths: tuple[str, ...] = (
        "/var/log/apache2/*error.log",
        "/var/log/httpd/*error_log",
        "/var/log/lighttpd/error.log",
    )


class KernelLogConfig(LogFilesConfig, frozen=True):
    """A file that only the kernel's own messages reach: a line in another one may be anybody's."""

    paths: tuple[str, ...] = ("/var/log/kern.log",)


class AuditdConfig(LogFilesConfig, frozen=True):
    paths: tuple[str, ...] = ("/var/log/audit/audit.log",)


class RuntimeConfig(Section, frozen=True):
    """A container runtime, used where it is in use."""

    enabled: bool = True


class CloudTrailConfig(Section, frozen=True):
    """`directories` are absolute; files below them are read."""

    enabled: bool = True
    directories: tuple[str, ...] = ("/var/log/cloudtrail",)


class ServiceLogConfig(LogFilesConfig, frozen=True):
    """Files of servers that let people in, by Debian's and by Red Hat's names."""

    paths: tuple[str, ...] = (
        "/var/log/mail.log", "/var/log/maillog", "/var/log/exim4/mainlog", "/var/log/dovecot*.log",
        "/var/log/vsftpd.log", "/var/log/proftpd/proftpd.log", "/var/log/mysql/error.log",
        "/var/log/mariadb/mariadb.log", "/var/log/postgresql/*.log", "/var/log/openvpn/*.log",
        "/var/log/asterisk/messages*", "/var/log/asterisk/security*", "/var/log/samba/log.smbd",
        "/var/log/xrdp-sesman.log", "/var/log/roundcube/userlogins.log", "/var/log/sogo/sogo.log",
        "/var/log/ejabberd/ejabberd.log",
    )  # fmt: skip


class HiddenProcessesConfig(Section, frozen=True):
    enabled: bool = True
    cadence_s: int = 60


class MemoryMapsConfig(Section, frozen=True):
    enabled: bool = True
    cadence_s: int = 300


class SuidFilesConfig(Section, frozen=True):
    enabled: bool = True
    cadence_s: int = 3600
    roots: tuple[str, ...] = ("/",)


class ServiceUnitsConfig(Section, frozen=True):
    """`directories` are looked at for units besides the standard ones."""

    enabled: bool = True
    cadence_s: int = 300
    directories: tuple[str, ...] = ()


class SysctlsConfig(Section, frozen=True):
    enabled: bool = True
    cadence_s: int = 60


class ModulesInventoryConfig(Section, frozen=True):
    enabled: bool = True
    cadence_s: int = 60


class BpfProgramsConfig(Section, frozen=True):
    enabled: bool = True
    cadence_s: int = 60


class ListenersConfig(Section, frozen=True):
    enabled: bool = True
    cadence_s: int = 30


class DevicesConfig(Section, frozen=True):
    enabled: bool = True
    cadence_s: int = 60


class FileChangesConfig(Section, frozen=True):
    """`paths` are files and directories that are watched besides the standard ones."""

    enabled: bool = True
    cadence_s: int = 5
    paths: tuple[str, ...] = ()


class FileWritesConfig(Section, frozen=True):
    enabled: bool = True
    cadence_s: int = 1


class FileMatchesConfig(Section, frozen=True):
    """Needs file_writes, which hands the files over."""

    enabled: bool = True
    cadence_s: int = 1


class DeviceNodesConfig(Section, frozen=True):
    enabled: bool = True
    cadence_s: int = 900


class PageCacheConfig(Section, frozen=True):
    enabled: bool = True
    cadence_s: int = 300


class FirmwareConfig(Section, frozen=True):
    enabled: bool = True
    cadence_s: int = 600


class KernelFunctionsConfig(Section, frozen=True):
    enabled: bool = True
    cadence_s: int = 60


class ControlGroupsConfig(Section, frozen=True):
    enabled: bool = True
    cadence_s: int = 30


class TrafficConfig(Section, frozen=True):
    enabled: bool = True
    cadence_s: int = 10


class InventoryConfig(Section, frozen=True):
    """What is looked at again and again, and how often. Cadences are in seconds."""

    hidden_processes: HiddenProcessesConfig = HiddenProcessesConfig()
    memory_maps: MemoryMapsConfig = MemoryMapsConfig()
    suid_files: SuidFilesConfig = SuidFilesConfig()
    service_units: ServiceUnitsConfig = ServiceUnitsConfig()
    sysctls: SysctlsConfig = SysctlsConfig()
    modules: ModulesInventoryConfig = ModulesInventoryConfig()
    bpf_programs: BpfProgramsConfig = BpfProgramsConfig()
    listeners: ListenersConfig = ListenersConfig()
    devices: DevicesConfig = DevicesConfig()
    file_changes: FileChangesConfig = FileChangesConfig()
    file_writes: FileWritesConfig = FileWritesConfig()
    file_matches: FileMatchesConfig = FileMatchesConfig()
    device_nodes: DeviceNodesConfig = DeviceNodesConfig()
    page_cache: PageCacheConfig = PageCacheConfig()
    firmware: FirmwareConfig = FirmwareConfig()
    kernel_functions: KernelFunctionsConfig = KernelFunctionsConfig()
    control_groups: ControlGroupsConfig = ControlGroupsConfig()
    traffic: TrafficConfig = TrafficConfig()


class RecipeConfig(Section, frozen=True):
    """For one recipe of a module; `paths` replace the recipe's own."""

    enabled: bool = True
    paths: tuple[str, ...] = ()


class CollectorsConfig(Section, frozen=True):
    kernel: KernelConfig = KernelConfig()
    auth_log: AuthLogConfig = AuthLogConfig()
    journald: JournaldConfig = JournaldConfig()
    nginx_access: NginxAccessConfig = NginxAccessConfig()
    apache_access: ApacheAccessConfig = ApacheAccessConfig()
    nginx_error: NginxErrorConfig = NginxErrorConfig()
    apache_error: ApacheErrorConfig = ApacheErrorConfig()
    kernel_log: KernelLogConfig = KernelLogConfig()
    auditd: AuditdConfig = AuditdConfig()
    docker: RuntimeConfig = RuntimeConfig()
    podman: RuntimeConfig = RuntimeConfig()
    cloudtrail: CloudTrailConfig = CloudTrailConfig()
    service_log: ServiceLogConfig = ServiceLogConfig()
    recipes: dict[str, RecipeConfig] = msgspec.field(default_factory=dict)
    inventory: InventoryConfig = InventoryConfig()


class DetectorConfig(Section, frozen=True):
    """Overrides for one detector id."""

    enabled: bool = True
    severity: str | None = None
    cooldown_s: int | None = None
    parameters: dict[str, int] = msgspec.field(default_factory=dict)


class SensorConfig(Section, frozen=True):
    process_entries: int = 32768
    window_keys: int = 65536
    write_events: bool = False
    findings_max_bytes: int = 64 << 20
    findings_keep: int = 4


class AgentConfig(Section, frozen=True):
    retention_days: int = 30
    poll_ms: int = 100


class DashboardConfig(Section, frozen=True):
    listen: str = "127.0.0.1:8787"


#: What a rule of kernel enforcement is asked to do; above `observe` only under both of the responder's switches.
RuleMode = Literal["off", "observe", "rehearse", "enforce"]


class AllowListConfig(Section, frozen=True):
    """Programs that a control group may execute, by path; anything else is judged by `mode`."""

    mode: RuleMode = "observe"
    programs: tuple[str, ...] = ()


class EnforcementConfig(Section, frozen=True):
    """Kernel rules and their lists. Paths are absolute; a program is known by its file, never by its name."""

    exec_mode: RuleMode = "observe"
    exec_deny: tuple[str, ...] = ()
    exec_allow: dict[str, AllowListConfig] = msgspec.field(default_factory=dict)
    file_mode: RuleMode = "observe"
    protected_files: tuple[str, ...] = ()
    file_writers: tuple[str, ...] = ("/usr/bin/dpkg", "/usr/bin/rpm")
    bpf_mode: RuleMode = "off"
    bpf_programs: tuple[str, ...] = (
        "/usr/lib/systemd/systemd", "/usr/lib/systemd/systemd-executor", "/usr/bin/runc", "/usr/sbin/runc",
        "/usr/bin/crun",
    )  # fmt: skip
    self_mode: RuleMode = "off"
    self_programs: tuple[str, ...] = ()


class ResponderConfig(Section, frozen=True):
    """Both switches are off; nothing in the product flips them. `verbs` may be used at all, `never` are addresses and
    networks that are no target, sessions of `operators` are kept (none named: everybody's). `hourly_cap` bounds how
    many actions an hour may begin."""

    enabled: bool = False
    dry_run: bool = True
    block_entries: int = 131072
    socket: str = "/run/innerwarden/responder.sock"
    verbs: tuple[str, ...] = ("block_address",)
    backend: Backend = "auto"
    block_ttl_s: int = 3600
    hourly_cap: int = 100
    allow_private: bool = False
    never: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    enforcement: EnforcementConfig = EnforcementConfig()


class TriageConfig(Section, frozen=True):
    """What is decided about an incident. Directories hold the operator's TOML files."""

    rules_directory: str = "/etc/innerwarden/triage.d"
    playbooks: bool = True
    playbooks_directory: str = "/etc/innerwarden/playbooks.d"
    dedupe_s: int = 600
    related_s: int = 3600
    max_proposals: int = 200
    review_days: int = 14


class NotifyConfig(Section, frozen=True):
    """Whom to tell."""


class BaselineConfig(Section, frozen=True):
    """What this host usually does."""


class ModulesConfig(Section, frozen=True):
    disabled: tuple[str, ...] = ()


class RulesConfig(Section, frozen=True):
    directories: tuple[str, ...] = ()


class ThreatListsConfig(Section, frozen=True):
    """Files of addresses, networks, names and fingerprints that the operator puts into `directory`."""

    enabled: bool = True
    directory: str = "/etc/innerwarden/threat-lists"
    max_entries: int = 2_000_000


class TrustConfig(Section, frozen=True):
    """Where the trust entries are; see docs/trust.md."""

    directory: str = str(paths.SYSTEM_TRUST)


class Config(Section, frozen=True):
    host: str = ""
    collectors: CollectorsConfig = CollectorsConfig()
    detectors: dict[str, DetectorConfig] = msgspec.field(default_factory=dict)
    sensor: SensorConfig = SensorConfig()
    agent: AgentConfig = AgentConfig()
    dashboard: DashboardConfig = DashboardConfig()
    responder: ResponderConfig = ResponderConfig()
    triage: TriageConfig = TriageConfig()
    notify: NotifyConfig = NotifyConfig()
    baseline: BaselineConfig = BaselineConfig()
    modules: ModulesConfig = ModulesConfig()
    rules: RulesConfig = RulesConfig()
    threat_lists: ThreatListsConfig = ThreatListsConfig()
    trust: TrustConfig = TrustConfig()

    def host_name(self) -> str:
        return self.host or socket.gethostname()


def load(path: Path | None) -> Config:
    """Read `path`, or the system file when there is one, or the defaults.

    Raises ConfigError with file, line (of the key, where it can be found) and remedy.
    """
    if path is None:
        if not paths.SYSTEM_CONFIG.exists():
            return Config()
        path = paths.SYSTEM_CONFIG
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}", "Give --config a readable TOML file") from error
    return parse(text, str(path))


def parse(text: str, name: str) -> Config:
    """Decode and check one file's text; every message starts with `name:line`."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: {error}", "Correct the TOML at that place") from error
    try:
        config = msgspec.convert(tree, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"{name}:{_line_of(text, str(error))}: {error}",
            "See docs/configuration.md, or run `innerwarden config explain`",
        ) from error
    problems = _check(config)
    if problems:
        raise ConfigError(f"{name}: " + "; ".join(problems), "See docs/configuration.md")
    return config


def _check_paths(collectors: CollectorsConfig) -> list[str]:
    """Of the collectors that read log files by patterns, or the files of a directory."""
    problems = []
    sections: dict[str, Section] = {name: getattr(collectors, name) for name in collectors.__struct_fields__}
    sections |= {f"recipes.{name}": section for name, section in collectors.recipes.items()}
    for name, section in sections.items():
        for path in section.paths if isinstance(section, LogFilesConfig | RecipeConfig) else ():
            parent = path.rpartition("/")[0]
            if not path.startswith("/") or path.endswith("/") or set(parent) & set("*?["):
                problems.append(
                    f"collectors.{name}.paths has {path!r}; a path is absolute, with wildcards in its name only"
                )
    for path in collectors.cloudtrail.directories:
        if not path.startswith("/") or not path.strip("/"):
            problems.append(f"collectors.cloudtrail.directories has {path!r}; give an absolute path below /")
    return problems


def _check_lists(lists: ThreatListsConfig) -> list[str]:
    problems = []
    if not lists.directory.startswith("/"):
        problems.append(f"threat_lists.directory is {lists.directory!r}; it must be an absolute path")
    if not 1 <= lists.max_entries <= 10_000_000:
        problems.append(f"threat_lists.max_entries is {lists.max_entries}; it must lie in 1..10000000")
    return problems


def _check_triage(triage: TriageConfig) -> list[str]:
    problems = [
        f"triage.{key} is {value!r}; it must be an absolute path"
        for key in ("rules_directory", "playbooks_directory")
        if not (value := getattr(triage, key)).startswith("/")
    ]
    for key, least, most in (
        ("dedupe_s", 0, 86_400),
        ("related_s", 60, 604_800),
        ("max_proposals", 1, 100_000),
        ("review_days", 0, 3650),
    ):
        if not least <= (number := getattr(triage, key)) <= most:
            problems.append(f"triage.{key} is {number}; it must lie in {least}..{most}")
    return problems


def _check(config: Config) -> list[str]:
    problems = _check_lists(config.threat_lists) + _check_triage(config.triage)
    kernel = config.collectors.kernel
    for key, size in (
        ("prio_ring_bytes", kernel.prio_ring_bytes),
        ("bulk_ring_bytes", kernel.bulk_ring_bytes),
    ):
        if size < 65536 or size & (size - 1):
            problems.append(f"collectors.kernel.{key} is {size}; it must be a power of two of at least 65536")
    if not 1 <= kernel.canary.period_s <= 60:
        problems.append(
            f"collectors.kernel.canary.period_s is {kernel.canary.period_s}; it must lie in 1..60,"
            " so that a dead hook is told within 90 s"
        )
    if not 1 <= kernel.poll_ms <= 1000:
        problems.append(f"collectors.kernel.poll_ms is {kernel.poll_ms}; it must lie in 1..1000")
    inventory = config.collectors.inventory
    for name in inventory.__struct_fields__:
        cadence_s = getattr(inventory, name).cadence_s
        if not 1 <= cadence_s <= 86400:
            problems.append(f"collectors.inventory.{name}.cadence_s is {cadence_s}; it must lie in 1..86400")
    problems += _check_paths(config.collectors)
    for path in (
        *inventory.suid_files.roots,
        *inventory.service_units.directories,
        *inventory.file_changes.paths,
    ):
        if not path.startswith("/"):
            problems.append(f"collectors.inventory: {path!r} is not an absolute path")
    if not 1 <= config.agent.poll_ms <= 1000:
        problems.append(f"agent.poll_ms is {config.agent.poll_ms}; it must lie in 1..1000")
    if config.agent.retention_days < 1:
        problems.append(f"agent.retention_days is {config.agent.retention_days}; it must be at least 1")
    problems += _check_responder(config.responder)
    if not 1024 <= config.responder.block_entries <= 1 << 22:
        problems.append(
            f"responder.block_entries is {config.responder.block_entries}; it must lie in 1024..{1 << 22}"
        )
    if not config.trust.directory.startswith("/"):
        problems.append(f"trust.directory is {config.trust.directory!r}; it must be an absolute path")
    return problems + _check_enforcement(config.responder.enforcement)


def _check_responder(responder: ResponderConfig) -> list[str]:
    problems = [
        f"responder.verbs names {name!r}; there are {', '.join(VERB_IDS)}"
        for name in responder.verbs
        if name not in VERB_IDS
    ]
    for text in responder.never:
        try:
            ip_network(text)
        except ValueError as error:
            problems.append(f"responder.never has {text!r}: {error}")
    if not 60 <= responder.block_ttl_s <= 604_800:
        problems.append(f"responder.block_ttl_s is {responder.block_ttl_s}; it must lie in 60..604800")
    if not 1 <= responder.hourly_cap <= 10_000:
        problems.append(f"responder.hourly_cap is {responder.hourly_cap}; it must lie in 1..10000")
    if not responder.socket.startswith("/"):
        problems.append(f"responder.socket is {responder.socket!r}; it must be an absolute path")
    return problems


def _check_enforcement(enforcement: EnforcementConfig) -> list[str]:
    lists = {
        "exec_deny": enforcement.exec_deny,
        "exec_allow": tuple(enforcement.exec_allow),
        "protected_files": enforcement.protected_files,
        "file_writers": enforcement.file_writers,
        "bpf_programs": enforcement.bpf_programs,
        "self_programs": enforcement.self_programs,
        **{f'exec_allow."{group}".programs': a.programs for group, a in enforcement.exec_allow.items()},
    }
    return [
        f"responder.enforcement.{key} names {entry!r}; it must be an absolute path"
        for key, entries in lists.items()
        for entry in entries
        if not entry.startswith("/") or "/../" in f"{entry}/"
    ]


def _line_of(text: str, message: str) -> int:
    """Line of the key that a msgspec message names; 1 when it names none."""
    words = [w for part in message.split("`")[1::2] for w in part.strip("$.").split(".") if w]
    for word in words:
        for number, line in enumerate(text.splitlines(), 1):
            if line.replace(" ", "").startswith((f"{word}=", f"[{word}]")) or f".{word}]" in line:
                return number
    return 1
