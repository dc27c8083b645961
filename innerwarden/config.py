# SPDX-License-Identifier: Apache-2.0
"""The configuration file: typed, complete, refused when it says something unknown."""

from __future__ import annotations

import re
import socket
import tomllib
import zoneinfo
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

import msgspec

from innerwarden import paths
from innerwarden.errors import ConfigError
from innerwarden.model.severity import Severity
from innerwarden.model.verb import VERB_IDS, Backend
from innerwarden.unreadable import toml


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
    """`record_days`: how long entries of the record are kept. `anchor_minutes`: how often the system's log is told what
    the record is (0: never)."""

    retention_days: int = 30
    record_days: int = 400
    anchor_minutes: int = 60
    poll_ms: int = 20


class DashboardConfig(Section, frozen=True):
    """`public_url`: where a TLS proxy on this host shows the dashboard; empty: nowhere."""

    listen: str = "127.0.0.1:8787"
    public_url: str = ""


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
    xdp_interfaces: tuple[str, ...] = ()
    nginx_deny_file: str = "/etc/nginx/innerwarden-deny.conf"
    block_ttl_s: int = 3600
    hourly_cap: int = 100
    allow_private: bool = False
    never: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    enforcement: EnforcementConfig = EnforcementConfig()


class AbuseIpDbConfig(Section, frozen=True):
    """`key_file`: a file that only the agent's user and root may read, or the name of a systemd credential."""

    enabled: bool = False
    url: str = "https://api.abuseipdb.com"
    key_file: str = ""
    daily_budget: int = 800
    timeout_s: float = 5.0
    min_score: int = 50


class CrowdSecConfig(Section, frozen=True):
    enabled: bool = False
    url: str = "http://127.0.0.1:8080"
    key_file: str = ""
    daily_budget: int = 10_000
    timeout_s: float = 2.0


class GreyNoiseConfig(Section, frozen=True):
    enabled: bool = False
    url: str = "https://api.greynoise.io"
    key_file: str = ""
    daily_budget: int = 50
    timeout_s: float = 5.0


class ReputationConfig(Section, frozen=True):
    """Whom to ask about addresses. `wait_ms` is what a decision waits for answers that are not kept yet."""

    wait_ms: int = 1500
    keep_hours: int = 24
    abuseipdb: AbuseIpDbConfig = AbuseIpDbConfig()
    crowdsec: CrowdSecConfig = CrowdSecConfig()
    greynoise: GreyNoiseConfig = GreyNoiseConfig()


class ModelConfig(Section, frozen=True):
    """A language model that explains, and may ask for a review or propose. `protocol` is how it is spoken to."""

    enabled: bool = False
    protocol: Literal["openai", "ollama"] = "openai"
    url: str = ""
    model: str = ""
    key_file: str = ""
    min_severity: Severity = Severity.HIGH
    timeout_s: float = 20.0
    hourly_budget: int = 30
    daily_budget: int = 200


class TriageConfig(Section, frozen=True):
    """What is decided about an incident. Directories hold the operator's TOML files."""

    rules_directory: str = "/etc/innerwarden/triage.d"
    playbooks: bool = True
    playbooks_directory: str = "/etc/innerwarden/playbooks.d"
    dedupe_s: int = 600
    related_s: int = 3600
    max_proposals: int = 200
    proposal_hours: int = 24
    review_days: int = 14
    geoip_database: str = ""
    reputation: ReputationConfig = ReputationConfig()
    model: ModelConfig = ModelConfig()


ChannelKind = Literal[
    "telegram", "slack", "discord", "apprise", "pagerduty", "opsgenie", "webhook", "syslog", "cef"
]


class ChannelConfig(Section, frozen=True):
    """One place where messages go. `secret`, `signing_key` and `ca_file` are absolute paths; `quiet_hours` is
    `"22-7"` in local time. `approvers` are user ids whose word counts in `chat`. See docs/notifications.md."""

    enabled: bool = True
    kind: ChannelKind = "apprise"
    secret: str = ""
    address: str = ""
    signing_key: str = ""
    ca_file: str = ""
    timeout_s: int = 10
    chat: int = 0
    approve: bool = False
    approvers: tuple[int, ...] = ()
    min_severity: Severity = Severity.HIGH
    digest_severity: Severity = Severity.MEDIUM
    detectors: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    filter_criticals: bool = False
    group_window_s: int = 3600
    group_count: int = 10
    cooldown_s: int = 600
    hourly_cap: int = 20
    quiet_hours: str = ""
    digest_hour: int = 8
    burst_count: int = 50

    def quiet(self) -> tuple[int, int] | None:
        """First hour and the hour after the last; None: never quiet. Raises ValueError."""
        if not self.quiet_hours:
            return None
        begin, end = map(int, self.quiet_hours.split("-"))
        if not (0 <= begin <= 23 and 0 <= end <= 23 and begin != end):
            raise ValueError(self.quiet_hours)
        return begin, end


class NotifyConfig(Section, frozen=True):
    """Whom to tell; nobody until `enabled`. `outbox_entries` bounds what waits, `max_attempts` how often one message is
    tried, `approval_ttl_s` for how long a button of a proposal counts."""

    enabled: bool = False
    outbox_entries: int = 10_000
    max_attempts: int = 12
    approval_ttl_s: int = 600
    channels: dict[str, ChannelConfig] = msgspec.field(default_factory=dict)


class BaselineConfig(Section, frozen=True):
    """What this host usually does. Until `learning_days` full days were seen, what is unusual is only marked."""

    enabled: bool = True
    learning_days: int = 7
    time_zone: str = ""
    """Of login hours, such as Europe/Berlin; empty: this machine's."""


class ModulesConfig(Section, frozen=True):
    """`signatures`: what becomes of a module that did not ship and that no key of the directory `keys` vouches for."""

    disabled: tuple[str, ...] = ()
    signatures: Literal["off", "warn", "require"] = "warn"
    keys: str = "/etc/innerwarden/keys"


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
        tree = toml(text)
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
        ("proposal_hours", 1, 8760),
        ("review_days", 0, 3650),
    ):
        if not least <= (number := getattr(triage, key)) <= most:
            problems.append(f"triage.{key} is {number}; it must lie in {least}..{most}")
    if triage.geoip_database and not triage.geoip_database.startswith("/"):
        problems.append(f"triage.geoip_database is {triage.geoip_database!r}; it must be an absolute path")
    return problems + _check_reputation(triage.reputation) + _check_model(triage.model)


def _check_model(model: ModelConfig) -> list[str]:
    where = "triage.model"
    problems = []
    if model.enabled:
        problems += [
            f"{where} is enabled and has no {key}" for key in ("url", "model") if not getattr(model, key)
        ]
    if not 1 <= model.timeout_s <= 120:
        problems.append(f"{where}.timeout_s is {model.timeout_s}; it must lie in 1..120")
    for key in ("hourly_budget", "daily_budget"):
        if not 0 <= getattr(model, key) <= 100_000:
            problems.append(f"{where}.{key} is {getattr(model, key)}; it must lie in 0..100000")
    return problems


def _check_reputation(reputation: ReputationConfig) -> list[str]:
    where = "triage.reputation"
    problems = []
    if not 0 <= reputation.wait_ms <= 10_000:
        problems.append(f"{where}.wait_ms is {reputation.wait_ms}; it must lie in 0..10000")
    if not 1 <= reputation.keep_hours <= 720:
        problems.append(f"{where}.keep_hours is {reputation.keep_hours}; it must lie in 1..720")
    if not 1 <= reputation.abuseipdb.min_score <= 100:
        problems.append(
            f"{where}.abuseipdb.min_score is {reputation.abuseipdb.min_score}; it must lie in 1..100"
        )
    for name in ("abuseipdb", "crowdsec", "greynoise"):
        one: AbuseIpDbConfig | CrowdSecConfig | GreyNoiseConfig = getattr(reputation, name)
        if not 0.1 <= one.timeout_s <= 30:
            problems.append(f"{where}.{name}.timeout_s is {one.timeout_s}; it must lie in 0.1..30")
        if not 0 <= one.daily_budget <= 1_000_000:
            problems.append(f"{where}.{name}.daily_budget is {one.daily_budget}; it must lie in 0..1000000")
        if one.enabled and not one.key_file and name != "greynoise":
            problems.append(
                f"{where}.{name} is enabled and has no key_file; name the file that holds its key"
            )
    return problems


def _check_agent(agent: AgentConfig) -> list[str]:
    problems = []
    if not 1 <= agent.poll_ms <= 1000:
        problems.append(f"agent.poll_ms is {agent.poll_ms}; it must lie in 1..1000")
    for key, days in (("retention_days", agent.retention_days), ("record_days", agent.record_days)):
        if days < 1:
            problems.append(f"agent.{key} is {days}; it must be at least 1")
    if not 0 <= agent.anchor_minutes <= 10080:
        problems.append(f"agent.anchor_minutes is {agent.anchor_minutes}; it must lie in 0..10080")
    return problems


def _check(config: Config) -> list[str]:
    problems = [
        *_check_lists(config.threat_lists),
        *_check_triage(config.triage),
        *_check_agent(config.agent),
        *_check_dashboard(config.dashboard),
    ]
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
    problems += _check_responder(config.responder)
    problems += _check_baseline(config.baseline)
    if not 1024 <= config.responder.block_entries <= 1 << 22:
        problems.append(
            f"responder.block_entries is {config.responder.block_entries}; it must lie in 1024..{1 << 22}"
        )
    if not config.modules.keys.startswith("/"):
        problems.append(f"modules.keys is {config.modules.keys!r}; it must be an absolute path")
    if not config.trust.directory.startswith("/"):
        problems.append(f"trust.directory is {config.trust.directory!r}; it must be an absolute path")
    problems += _check_notify(config.notify)
    return problems + _check_enforcement(config.responder.enforcement)


PUBLIC_URL = re.compile(r"https://[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?")


def _check_dashboard(dashboard: DashboardConfig) -> list[str]:
    if dashboard.public_url and not PUBLIC_URL.fullmatch(dashboard.public_url):
        return [
            f"dashboard.public_url is {dashboard.public_url!r}; it must be https://NAME or https://NAME:PORT"
        ]
    return []


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
    if not responder.nginx_deny_file.startswith("/"):
        problems.append(
            f"responder.nginx_deny_file is {responder.nginx_deny_file!r}; it must be an absolute path"
        )
    return problems


def _check_notify(notify: NotifyConfig) -> list[str]:
    problems = [
        f"notify.{key} is {value}; it must lie in {low}..{high}"
        for key, value, low, high in (
            ("outbox_entries", notify.outbox_entries, 100, 100_000),
            ("max_attempts", notify.max_attempts, 1, 100),
            ("approval_ttl_s", notify.approval_ttl_s, 30, 86400),
        )
        if not low <= value <= high
    ]
    for name, channel in notify.channels.items():
        problems += [f"notify.channels.{name}{problem}" for problem in _check_channel(name, channel)]
    return problems


def _check_channel(name: str, channel: ChannelConfig) -> list[str]:
    """Each as `.key is ...`."""
    problems = []
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", name):
        problems.append(": a name has up to 32 small letters, digits, _ and -")
    for key, value, low, high in (
        ("timeout_s", channel.timeout_s, 1, 60),
        ("group_window_s", channel.group_window_s, 0, 86400),
        ("group_count", channel.group_count, 2, 100_000),
        ("cooldown_s", channel.cooldown_s, 0, 86400),
        ("hourly_cap", channel.hourly_cap, 0, 100_000),
        ("digest_hour", channel.digest_hour, 0, 23),
        ("burst_count", channel.burst_count, 2, 100_000),
    ):
        if not low <= value <= high:
            problems.append(f".{key} is {value}; it must lie in {low}..{high}")
    try:
        channel.quiet()
    except ValueError:
        problems.append(f'.quiet_hours is {channel.quiet_hours!r}; give two hours of 0..23, such as "22-7"')
    for key in ("secret", "signing_key", "ca_file"):
        path = getattr(channel, key)
        if path and (not path.startswith("/") or "/../" in path):
            problems.append(f".{key} is {path!r}; it must be an absolute path")
    return problems + _check_channel_kind(channel)


_SYSLOG_ADDRESS = re.compile(
    r"(?:udp|tcp|tls)://(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}|unix:///\S+"
)
_HTTPS_ADDRESS = re.compile(
    r"https://[A-Za-z0-9._-]+(?::[0-9]{1,5})?|http://(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?"
)


def _check_channel_kind(channel: ChannelConfig) -> list[str]:
    problems = []
    if channel.kind in ("syslog", "cef"):
        if not _SYSLOG_ADDRESS.fullmatch(channel.address):
            problems.append(
                f".address is {channel.address!r}; give udp://host:port, tcp://host:port, tls://host:port or unix:///dev/log"
            )
    else:
        if not channel.secret:
            problems.append(
                f".secret is not set; {channel.kind} needs the file that holds its URL, token or key"
            )
        if channel.address and channel.kind not in ("telegram", "pagerduty", "opsgenie"):
            problems.append(
                f".address means nothing for {channel.kind}; the URL is in the file that `secret` names"
            )
        elif channel.address and not _HTTPS_ADDRESS.fullmatch(channel.address):
            problems.append(
                f".address is {channel.address!r}; give https://host[:port]; http:// only to this machine"
            )
    if channel.signing_key and channel.kind != "webhook":
        problems.append(f".signing_key means nothing for {channel.kind}; only a webhook is signed")
    if channel.kind == "telegram" and not channel.chat:
        problems.append(".chat is not set; telegram needs the number of a chat")
    if channel.approve and channel.kind != "telegram":
        problems.append(f".approve is set; {channel.kind} cannot take an answer, telegram can")
    elif channel.approve and not channel.approvers:
        problems.append(".approve is set without .approvers; name the user ids whose word counts")
    return problems


def _check_baseline(baseline: BaselineConfig) -> list[str]:
    problems = []
    if not 1 <= baseline.learning_days <= 90:
        problems.append(f"baseline.learning_days is {baseline.learning_days}; it must lie in 1..90")
    if baseline.time_zone and baseline.time_zone not in zoneinfo.available_timezones():
        problems.append(
            f"baseline.time_zone is {baseline.time_zone!r}; write a name such as Europe/Berlin, or leave it empty"
        )
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
