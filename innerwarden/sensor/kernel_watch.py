# SPDX-License-Identifier: Apache-2.0
"""Names of files and directories whose opens, renames and deletes the kernel reports. Data, with reasons.

The kernel compares single names (a path's components), which costs one bit test for a name that nobody wants;
rules then look at the whole path. A name is here because its volume on a working host is small. Block devices that are
opened for writing are told whatever their name is.
"""

from __future__ import annotations

READ = 1
WRITE = 2
NAMESPACE = 4
#: The entry is a directory's name: it stands for files up to three levels below.
DIR = 8
#: The name counts only below a directory that is watched for the same thing.
QUALIFIED = 16

CHANGE = WRITE | NAMESPACE

#: (reason, flags, names). Flags of a name that appears twice are joined.
GROUPS: tuple[tuple[str, int, str], ...] = (
    ("password hashes (T1003.008)", READ | CHANGE, "shadow gshadow shadow- gshadow- opasswd"),
    ("accounts (T1136.001); read by everybody, so changes only", CHANGE, "passwd group passwd- group-"),
    ("who may become root (T1548.003)", READ | CHANGE, "sudoers"),
    ("the same, as drop-ins, and polkit's", CHANGE | DIR, "sudoers.d polkit-1"),
    (
        "private keys (T1552.004)",
        READ | CHANGE,
        "id_rsa id_dsa id_ecdsa id_ed25519 id_ecdsa_sk id_ed25519_sk",
    ),
    (
        "host keys (T1552.004)",
        READ | CHANGE,
        "ssh_host_rsa_key ssh_host_ecdsa_key ssh_host_ed25519_key ssh_host_dsa_key",
    ),
    ("logins without password (T1098.004)", CHANGE, "authorized_keys authorized_keys2 .rhosts .shosts"),
    ("anything below a user's ssh directory (T1098.004)", CHANGE | DIR, ".ssh"),
    ("ssh server policy (T1556)", CHANGE, "sshd_config"),
    ("ssh server drop-ins (T1556)", CHANGE | DIR, "sshd_config.d"),
    ("stored passwords and tokens (T1552.001)", READ, ".git-credentials .netrc .pgpass .my.cnf .vault-token"),
    (
        "cloud and cluster secrets (T1552.001): common names, so only in these directories",
        READ | QUALIFIED,
        "credentials config config.json token access_tokens.db application_default_credentials.json",
    ),
    (
        "directories that make those names secrets",
        READ | DIR,
        ".aws .kube .docker serviceaccount gcloud .azure",
    ),
    ("browser passwords and cookies (T1555.003, T1539)", READ, "logins.json key4.db cookies.sqlite"),
    ("browser passwords and cookies of Chromium (T1555.003)", READ, "Login_Data Cookies"),
    ("keyrings and wallets (T1555)", READ, "login.keyring wallet.dat"),
    ("other processes' memory (T1055.009, T1003.007) and the kernel's", READ | WRITE, "mem kmem kcore port"),
    ("registers of the processor, past every protection (T1014, T1068)", READ | WRITE, "msr"),
    ("scheduled tasks (T1053.003)", CHANGE, "crontab anacrontab"),
    (
        "scheduled tasks as drop-ins and spools (T1053.003, T1053.002)",
        CHANGE | DIR,
        "cron.d cron.hourly cron.daily cron.weekly cron.monthly crontabs cron atjobs",
    ),
    (
        "services and timers (T1543.002, T1053.006): /etc/systemd/system and user units",
        CHANGE | DIR,
        "system user system-generators",
    ),
    ("boot scripts (T1037.004)", CHANGE, "rc.local"),
    ("boot scripts as drop-ins (T1037.004)", CHANGE | DIR, "init.d rc.d"),
    ("code loaded into every program (T1574.006)", CHANGE, "ld.so.preload ld.so.conf ld.so.cache"),
    ("library search as drop-ins (T1574.006)", CHANGE | DIR, "ld.so.conf.d"),
    ("authentication modules and their policy (T1556.003)", CHANGE | DIR, "pam.d security"),
    (
        "shell start files (T1546.004)",
        CHANGE,
        ".bashrc .bash_profile .bash_login .bash_logout .profile .zshrc .zprofile .zshenv .zlogin "
        "profile bash.bashrc zshrc zshenv environment",
    ),
    ("shell start files as drop-ins (T1546.004)", CHANGE | DIR, "profile.d"),
    (
        "desktop and network start-up (T1547.013, T1546)",
        CHANGE | DIR,
        "autostart dispatcher.d if-up.d update-motd.d",
    ),
    ("device rules that run programs (T1546.017)", CHANGE | DIR, "rules.d"),
    ("package manager hooks (T1546.016)", CHANGE | DIR, "apt.conf.d"),
    ("modules at boot (T1547.006)", CHANGE | DIR, "modules-load.d modprobe.d"),
    ("name resolution (T1565.001)", CHANGE, "hosts nsswitch.conf resolv.conf"),
    (
        "kernel settings that run a program as root (T1611, T1547.006)",
        WRITE,
        "core_pattern modprobe release_agent uevent_helper notify_on_release register",
    ),
    (
        "tracing and audit switches (T1562.001, T1562.006)",
        WRITE,
        "ftrace_enabled kprobes_enabled enabled enable set_event set_event_pid set_event_notrace_pid "
        "set_ftrace_pid set_ftrace_notrace tracing_on audit.rules auditd.conf",
    ),
    ("the tracing file system, wherever it is mounted (T1562.006)", WRITE | DIR, "tracing"),
    (
        "whole disks and partitions, written past the file system (T1006, T1561)",
        WRITE,
        "sda sda1 sda2 sda3 sdb sdb1 vda vda1 vda2 vdb vdb1 xvda xvda1 nvme0n1 nvme0n1p1 nvme0n1p2 nvme0n1p3 "
        "mmcblk0 mmcblk0p1 mmcblk0p2 dm-0 dm-1 dm-2 md0 md127",
    ),
    ("functions and events that are traced (T1562.006)", WRITE, "kprobe_events uprobe_events dynamic_events"),
    ("what only its own handler refuses: crash, reboot, remount (T1529)", WRITE, "sysrq-trigger"),
    ("package manager hooks of dpkg (T1546.016)", CHANGE | DIR, "dpkg.cfg.d"),
    ("shell histories (T1070.003)", NAMESPACE, ".bash_history .zsh_history .python_history"),
    ("login records (T1070.002)", CHANGE, "wtmp btmp utmp lastlog"),
    (
        "logs (T1070.002): writing is normal, truncating is seen in the open's flags",
        CHANGE,
        "auth.log secure syslog messages kern.log audit.log",
    ),
    ("any log: truncated, removed, moved (T1070.002)", CHANGE | DIR, "log journal"),
    ("other processes' environments (T1552.001)", READ, "environ"),
    ("old policy of authentication (T1556.003)", CHANGE, "pam.conf"),
    ("commands at a login over ssh (T1098.004)", CHANGE, "sshrc rc"),
    ("jobs of at in other distributions (T1053.002)", CHANGE | DIR, "at"),
    (
        "hooks of networks, of the desktop and of sessions (T1037.004, T1547.013)",
        CHANGE | DIR,
        "networkd-dispatcher if-pre-up.d if-down.d if-post-down.d dhclient-enter-hooks.d dhclient-exit-hooks.d ip-up.d "
        "Xsession.d environment.d",
    ),
    ("what init starts (T1037.004)", CHANGE, "inittab"),
    ("what every Python program runs (T1546.018)", CHANGE, "sitecustomize.py usercustomize.py"),
    (
        "hooks of git (T1546), by their own names, since directories called hooks are common in sources",
        CHANGE,
        "pre-commit prepare-commit-msg commit-msg post-commit pre-push post-merge post-checkout post-rewrite "
        "pre-receive update post-receive post-update",
    ),
    ("settings of the audit service (T1562.012)", CHANGE, "audit-stop.rules libaudit.conf"),
    ("plug-ins of the audit service (T1562.012)", CHANGE | DIR, "plugins.d"),
    ("confinement of programs (T1562.001)", CHANGE | DIR, "selinux apparmor.d"),
    ("the same, as switches", CHANGE, "selinux enforce disable .remove"),
    (
        "histories of other shells and of clients (T1070.003)",
        NAMESPACE,
        ".histfile .ash_history .sh_history fish_history .mysql_history .psql_history .sqlite_history",
    ),
    ("further login records (T1070.002)", CHANGE, "faillog wtmp.db"),
    (
        "files of known rootkits (T1014)",
        CHANGE,
        "ld_poison.so jynx2.so bdvl.so diamorphine.ko reptile.ko reptile_cmd reptile_shell suterusu.ko adore-ng.ko "
        "ipsecs-kbeast-v1.ko syslogk.ko certbotx64 certbotx86 javaserverx64 javaclientex64 javanodex86 .l "
        ".logpam sshpass.txt libse1inux.so kdmtmpflush haldrund.pid libgcwrap.so libpprocps.so libfsnldev.so perfcc "
        "wizlmsh gcc.sh udev.sh libns2.so libns5.so libpw3.so libpw5.so kaudited mcpuinfo.ko sshins systemd-daemon "
        "session-dbus gvfsd-helper libxselinux.so libxselinux",
    ),
    ("what is logged (T1562.006)", CHANGE, "rsyslog.conf journald.conf syslog-ng.conf syslog.conf"),
    ("what is logged, as drop-ins (T1562.006)", CHANGE | DIR, "rsyslog.d journald.conf.d"),
    ("web roots (T1505.003)", CHANGE | DIR, "html htdocs public_html webapps wwwroot"),
)


def default_names() -> dict[bytes, int]:
    """Name -> flags. Underscores in `Login_Data` stand for the space that the table's format cannot hold."""
    names: dict[bytes, int] = {}
    for _reason, flags, group in GROUPS:
        for word in group.split():
            name = b"Login Data" if word == "Login_Data" else word.encode()
            names[name] = names.get(name, 0) | flags
    return names
