# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 - a log line is one line
"""Sample lines: (program and message, kind, expected fields). One of every pattern, our own wording only."""

from __future__ import annotations

FAILED, SUCCESS, PROBE, END = "ssh.login_failed", "ssh.login_success", "ssh.probe", "ssh.disconnect"
AUTH, SESSION, SUDO, CHANGE = "auth.failed", "auth.session", "sudo.command", "user.change"

A = "192.0.2.7"
Expected = dict[str, str | int | None]

SSHD: list[tuple[str, str | None, Expected]] = [
    # attempts
    (
        f"sshd[7]: Failed password for root from {A} port 40022 ssh2",
        FAILED,
        {"user": "root", "src_ip": A, "src_port": 40022, "method": "password", "reason": "wrong_password"},
    ),
    (
        f"sshd-session[7]: Failed password for invalid user ola from {A} port 1 ssh2",
        FAILED,
        {"user": "ola", "src_ip": A, "reason": "invalid_user", "program": "sshd-session"},
    ),
    (f"sshd-auth[7]: Failed password for x from {A} port 1 ssh2 [preauth]", FAILED, {"user": "x"}),
    (
        "sshd[7]: Failed password for x from 2001:db8::7 port 9 ssh2",
        FAILED,
        {"src_ip": "2001:db8::7", "family": 10},
    ),
    ("sshd[7]: Failed password for x from fe80::1%eth0 port 9 ssh2", FAILED, {"src_ip": "fe80::1"}),
    (f"sshd[7]: Failed password for x from ::ffff:{A} port 9 ssh2", FAILED, {"src_ip": A, "family": 2}),
    (f"sshd[7]: Failed none for invalid user x from {A} port 9 ssh2", FAILED, {"method": "none"}),
    (
        f"sshd[7]: Failed keyboard-interactive for x from {A} port 9 ssh2",
        FAILED,
        {"method": "keyboard-interactive"},
    ),
    (
        f"sshd[7]: Failed keyboard-interactive/pam for invalid user x from {A} port 9 ssh2",
        FAILED,
        {"method": "keyboard-interactive/pam", "reason": "invalid_user"},
    ),
    (f"sshd[7]: Failed gssapi-with-mic for x from {A} port 9 ssh2", FAILED, {"reason": "refused"}),
    (
        f"sshd[7]: Failed publickey for invalid user x from {A} port 9 ssh2: ED25519 SHA256:abc",
        FAILED,
        {"user": "x", "reason": "invalid_user", "src_ip": A},
    ),
    (
        f"sshd[7]: Failed publickey for git from {A} port 9 ssh2: RSA SHA256:abc",
        AUTH,
        {"user": "git", "reason": "key_refused", "method": "publickey"},
    ),
    (
        f'sshd[7]: Failed hostbased for kim from {A} port 9 ssh2: RSA SHA256:abc, client user "kim", client host "h"',
        AUTH,
        {"user": "kim", "src_ip": A},
    ),
    (
        f"sshd[7]: message repeated 4 times: [ Failed password for root from {A} port 5 ssh2]",
        FAILED,
        {"repeat_count": 4, "user": "root", "src_ip": A, "src_port": 5},
    ),
    (
        f"sshd[7]: error: PAM: Authentication failure for kim from {A}",
        FAILED,
        {"user": "kim", "src_ip": A, "method": "keyboard-interactive/pam", "reason": "wrong_password"},
    ),
    (
        "sshd[7]: error: PAM: User not known to the underlying authentication module for illegal user z from gw.example.net",
        FAILED,
        {"user": "z", "src_ip": None, "src_host": "gw.example.net", "reason": "invalid_user"},
    ),
    (f"sshd[7]: error: PAM: Authentication error for kim from {A} via 198.51.100.1", FAILED, {"src_ip": A}),
    # logins
    (
        f"sshd[7]: Accepted password for kim from {A} port 50000 ssh2",
        SUCCESS,
        {"user": "kim", "src_ip": A, "src_port": 50000, "method": "password"},
    ),
    (
        f"sshd-session[7]: Accepted publickey for kim from {A} port 5 ssh2: ED25519 SHA256:k+/x",
        SUCCESS,
        {"method": "publickey"},
    ),
    (
        f"sshd[7]: Accepted publickey for kim from {A} port 5 ssh2: RSA-CERT SHA256:a ID x from 203.0.113.9 port 1 ssh2 (serial 0) CA RSA SHA256:b",
        SUCCESS,
        {"src_ip": A, "user": "kim"},
    ),
    (f"sshd[7]: Accepted keyboard-interactive/pam for kim from {A} port 5 ssh2", SUCCESS, {}),
    # named, not judged yet
    (
        f"sshd[7]: Invalid user test from {A} port 5",
        PROBE,
        {"user": "test", "reason": "invalid_user", "src_port": 5},
    ),
    (f"sshd[7]: Invalid user test from {A}", PROBE, {"user": "test", "src_ip": A}),
    (f"sshd[7]: Invalid user  from {A} port 5", PROBE, {"user": None, "src_ip": A}),
    (
        f"sshd[7]: User root from {A} not allowed because not listed in AllowUsers",
        PROBE,
        {"user": "root", "reason": "not_allowed", "src_ip": A},
    ),
    ("sshd[7]: User kim not allowed because account is locked", PROBE, {"user": "kim", "src_ip": None}),
    # what goes with an attempt
    (
        f"sshd[7]: error: maximum authentication attempts exceeded for invalid user x from {A} port 5 ssh2 [preauth]",
        AUTH,
        {"reason": "max_attempts", "user": "x", "src_ip": A},
    ),
    (
        f"sshd[7]: ROOT LOGIN REFUSED FROM {A} port 5 [preauth]",
        AUTH,
        {"reason": "root_refused", "user": "root"},
    ),
    (
        "sshd[7]: fatal: Access denied for user kim by PAM account configuration [preauth]",
        AUTH,
        {"reason": "account_denied", "user": "kim"},
    ),
    (
        f"sshd[7]: Authentication tried for kim with correct key but not from a permitted host (host=h.example, ip={A}).",
        AUTH,
        {"reason": "key_not_permitted", "user": "kim"},
    ),
    (
        f"sshd[7]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={A}  user=root",
        AUTH,
        {"user": "root", "src_ip": A, "method": "sshd"},
    ),
    (
        "sshd[7]: pam_sss(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=h.example user=kim",
        AUTH,
        {"user": "kim", "src_host": "h.example", "src_ip": None},
    ),
    (
        f"sshd[7]: PAM 3 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost={A}  user=root",
        AUTH,
        {"repeat_count": 3, "user": "root", "src_ip": A},
    ),
    (
        f"sshd[7]: PAM 1 more authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={A} ",
        AUTH,
        {"user": None},
    ),
    (
        "sshd[7]: pam_faillock(sshd:auth): Consecutive login failures for user kim account temporarily locked",
        AUTH,
        {"user": "kim", "reason": "account_locked"},
    ),
    # before a login
    (
        f"sshd[7]: Connection closed by {A} port 5 [preauth]",
        PROBE,
        {"src_ip": A, "src_port": 5, "reason": "preauth"},
    ),
    (f"sshd[7]: Connection reset by {A} port 5 [preauth]", PROBE, {"src_ip": A}),
    (f"sshd[7]: Connection closed by authenticating user root {A} port 5 [preauth]", PROBE, {"user": "root"}),
    (
        f"sshd[7]: Connection closed by invalid user a b {A} port 5 [preauth]",
        FAILED,
        {"user": "a b", "src_ip": A, "reason": "invalid_user"},
    ),
    (f"sshd[7]: Disconnected from invalid user  {A} port 5 [preauth]", FAILED, {"user": None, "src_ip": A}),
    (f"sshd[7]: Disconnected from authenticating user kim {A} port 5 [preauth]", PROBE, {"user": "kim"}),
    (f"sshd[7]: Received disconnect from {A} port 5:11: Bye Bye [preauth]", PROBE, {"src_port": 5}),
    (
        f"sshd[7]: error: Received disconnect from {A}: 14: No supported authentication methods [preauth]",
        PROBE,
        {"src_ip": A},
    ),
    (
        f"sshd[7]: Did not receive identification string from {A} port 5",
        PROBE,
        {"reason": "no_banner", "src_ip": A},
    ),
    (f"sshd[7]: Did not receive identification string from {A}", PROBE, {"reason": "no_banner"}),
    (
        f"sshd[7]: banner exchange: Connection from {A} port 5: invalid format",
        PROBE,
        {"reason": "bad_banner", "src_ip": A},
    ),
    (
        f"sshd[7]: Bad protocol version identification 'GET / HTTP/1.1' from {A} port 5",
        PROBE,
        {"reason": "bad_banner", "user": None},
    ),
    (
        f"sshd[7]: Protocol major versions differ for {A} port 5: SSH-2.0-x vs. SSH-1.5-y",
        PROBE,
        {"reason": "bad_banner"},
    ),
    (
        'sshd[7]: error: kex_exchange_identification: client sent invalid protocol identifier "GET /"',
        PROBE,
        {"reason": "bad_banner", "src_ip": None},
    ),
    (
        "sshd[7]: error: kex_exchange_identification: Connection closed by remote host",
        PROBE,
        {"reason": "no_banner"},
    ),
    (
        f"sshd[7]: Unable to negotiate with {A} port 5: no matching cipher found. Their offer: none [preauth]",
        PROBE,
        {"reason": "no_matching_algorithm", "src_ip": A},
    ),
    ("sshd[7]: fatal: Unable to negotiate a key exchange method [preauth]", PROBE, {"src_ip": None}),
    (
        "sshd[7]: fatal: no matching mac found: client a server b [preauth]",
        PROBE,
        {"reason": "no_matching_algorithm"},
    ),
    (
        f"sshd[7]: ssh_dispatch_run_fatal: Connection from {A} port 5: incomplete message [preauth]",
        PROBE,
        {"reason": "protocol_error", "src_ip": A},
    ),
    (
        f"sshd[7]: ssh_dispatch_run_fatal: Connection from authenticating user x {A} port 5: bad key [preauth]",
        PROBE,
        {"user": "x", "src_ip": A},
    ),
    (
        "sshd[7]: fatal: Read from socket failed: Connection reset by peer [preauth]",
        PROBE,
        {"reason": "connection_lost"},
    ),
    (
        f"sshd[7]: fatal: Timeout before authentication for {A} port 5",
        PROBE,
        {"reason": "timeout", "src_ip": A},
    ),
    (
        f"sshd[7]: Timeout before authentication for connection from {A} to 198.51.100.1, pid = 99",
        PROBE,
        {"reason": "timeout", "src_ip": A},
    ),
    (
        f"sshd[7]: drop connection #10 from [{A}]:5555 on [198.51.100.1]:22 past MaxStartups",
        PROBE,
        {"reason": "dropped_max_startups", "src_ip": A, "src_port": 5555},
    ),
    (
        "sshd[7]: drop connection #0 from [2001:db8::7]:5555 on [2001:db8::1]:22 penalty: failed authentication",
        PROBE,
        {"reason": "dropped_penalty", "src_ip": "2001:db8::7"},
    ),
    (f"sshd[7]: refused connect from h.example ({A})", PROBE, {"reason": "refused", "src_ip": A}),
    (
        f"sshd[7]: reverse mapping checking getaddrinfo for h.example [{A}] failed - POSSIBLE BREAK-IN ATTEMPT!",
        PROBE,
        {"reason": "reverse_mapping", "src_ip": A},
    ),
    (
        f"sshd[7]: Address {A} maps to h.example, but this does not map back to the address.",
        PROBE,
        {"reason": "reverse_mapping", "src_ip": A},
    ),
    ("sshd[7]: Disconnecting: bad client public DH value [preauth]", PROBE, {"reason": "protocol_error"}),
    # ends
    (f"sshd[7]: Connection closed by {A} port 5", END, {"src_ip": A, "reason": "closed"}),
    (f"sshd[7]: Disconnected from user kim {A} port 5", END, {"user": "kim"}),
    (
        f"sshd[7]: Received disconnect from {A} port 5:11: disconnected by user",
        END,
        {"reason": "client_disconnect"},
    ),
    ("sshd[7]: Disconnecting: Too many authentication failures", END, {"reason": "too_many_failures"}),
    # sessions
    (
        "sshd[7]: pam_unix(sshd:session): session opened for user kim(uid=1000) by (uid=0)",
        SESSION,
        {"user": "kim", "reason": "opened", "method": "sshd"},
    ),
    (
        "sshd[7]: pam_unix(sshd:session): session closed for user kim",
        SESSION,
        {"user": "kim", "reason": "closed"},
    ),
    # nothing
    (f'sshd[7]: Connection from {A} port 5 on 198.51.100.1 port 22 rdomain ""', None, {}),
    (f"sshd[7]: Postponed publickey for kim from {A} port 5 ssh2 [preauth]", None, {}),
    (f"sshd[7]: Starting session: shell on pts/0 for kim from {A} port 5 id 0", None, {}),
    ("sshd[7]: Server listening on 0.0.0.0 port 22.", None, {}),
    ("sshd[7]: pam_unix(sshd:auth): check pass; user unknown", None, {}),
    ("sshd[7]: input_userauth_request: invalid user x [preauth]", None, {}),
    ("sshdx[7]: Failed password for root from 192.0.2.7 port 5 ssh2", None, {}),
]

LOCAL: list[tuple[str, str | None, Expected]] = [
    (
        "sudo:      kim : TTY=pts/0 ; PWD=/home/kim ; USER=root ; COMMAND=/usr/bin/id -u",
        SUDO,
        {"user": "kim", "method": "root", "command": "/usr/bin/id -u"},
    ),
    (
        "sudo[9]: kim : PWD=/ ; USER=www ; GROUP=adm ; TSID=01 ; COMMAND=/bin/sh",
        SUDO,
        {"method": "www", "command": "/bin/sh"},
    ),
    (
        "sudo: kim : TTY=x ; PWD=/ ; USER=root ; COMMAND=/bin/sh -c a ; COMMAND=b",
        SUDO,
        {"command": "/bin/sh -c a ; COMMAND=b"},
    ),
    (
        "sudo:   kim : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/su",
        AUTH,
        {"repeat_count": 3, "user": "kim", "reason": "wrong_password", "command": "/bin/su"},
    ),
    (
        "sudo: kim : 1 incorrect password attempt ; TTY=x ; PWD=/ ; USER=root ; COMMAND=/bin/su",
        AUTH,
        {"repeat_count": 1},
    ),
    (
        "sudo: kim : user NOT in sudoers ; TTY=x ; PWD=/ ; USER=root ; COMMAND=/bin/su",
        AUTH,
        {"reason": "not_in_sudoers"},
    ),
    (
        "sudo: kim : command not allowed ; TTY=x ; PWD=/ ; USER=root ; COMMAND=/bin/su",
        AUTH,
        {"reason": "command_not_allowed"},
    ),
    ("sudo: kim : a password is required ; PWD=/ ; USER=root ; COMMAND=/bin/su", AUTH, {"reason": "refused"}),
    (
        "sudo: pam_unix(sudo:auth): authentication failure; logname=kim uid=1 euid=0 tty=x ruser=kim rhost=  user=kim",
        None,
        {},
    ),
    (
        "sudo: pam_unix(sudo:session): session opened for user root(uid=0) by kim(uid=1000)",
        SESSION,
        {"user": "root", "method": "sudo"},
    ),
    ("sudo: kim : unable to resolve host web", None, {}),
    ("su[9]: FAILED SU (to root) kim on pts/1", AUTH, {"user": "root", "method": "su"}),
    ("su[9]: FAILED su for root by kim", AUTH, {"user": "root"}),
    ("su: BAD SU kim to root on /dev/ttyp0", AUTH, {"user": "root"}),
    (
        "su[9]: pam_unix(su:auth): authentication failure; logname= uid=1 euid=0 tty=x ruser=kim rhost=  user=root",
        None,
        {},
    ),
    ("su[9]: (to root) kim on pts/1", None, {}),
    (
        "login[9]: pam_unix(login:auth): authentication failure; logname=LOGIN uid=0 euid=0 tty=tty1 ruser= rhost=  user=kim",
        AUTH,
        {"user": "kim", "method": "login"},
    ),
    (
        "CRON[9]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)",
        SESSION,
        {"user": "root", "method": "cron"},
    ),
    (
        "vsftpd[9]: pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=x rhost=192.0.2.7 user=x",
        AUTH,
        {"src_ip": A, "method": "vsftpd"},
    ),
    ('vsftpd[9]: [kim] FAIL LOGIN: Client "192.0.2.7"', AUTH, {"src_ip": A, "user": "kim"}),
    (
        "sshd(pam_unix)[9]: authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost=h.example.org  user=root",
        FAILED,
        {"src_host": "h.example.org"},
    ),
    ("su(pam_unix)[9]: session opened for user news by (uid=0)", SESSION, {"user": "news"}),
    (
        "useradd[9]: new user: name=mal, UID=1001, GID=1001, home=/home/mal, shell=/bin/bash, from=/dev/pts/0",
        CHANGE,
        {"user": "mal", "method": "user_added"},
    ),
    ("useradd[9]: new group: name=mal, GID=1001", CHANGE, {"user": "mal", "method": "group_added"}),
    ("useradd[9]: add 'mal' to group 'sudo'", CHANGE, {"user": "mal", "method": "group_member_added"}),
    ("useradd[9]: add 'mal' to shadow group 'sudo'", None, {}),
    (
        "usermod[9]: change user 'mal' UID from '1001' to '0'",
        CHANGE,
        {"user": "mal", "method": "uid_changed"},
    ),
    (
        "usermod[9]: change user 'mal' shell from '/bin/sh' to '/bin/bash'",
        CHANGE,
        {"method": "shell_changed"},
    ),
    ("usermod[9]: change user 'mal' password", CHANGE, {"method": "password_changed"}),
    ("usermod[9]: lock user 'mal' password", CHANGE, {"method": "user_locked"}),
    ("usermod[9]: unlock user 'mal' password", CHANGE, {"method": "user_unlocked"}),
    ("userdel[9]: delete user 'mal'", CHANGE, {"user": "mal", "method": "user_deleted"}),
    ("userdel[9]: delete 'mal' from group 'sudo'", CHANGE, {"method": "group_member_removed"}),
    ("groupdel[9]: group 'ops' removed", CHANGE, {"user": "ops", "method": "group_deleted"}),
    (
        "gpasswd[9]: user mal added by root to group sudo",
        CHANGE,
        {"user": "mal", "method": "group_member_added"},
    ),
    ("gpasswd[9]: user mal removed by root from group sudo", CHANGE, {"method": "group_member_removed"}),
    (
        "passwd[9]: pam_unix(passwd:chauthtok): password changed for root",
        CHANGE,
        {"user": "root", "method": "password_changed"},
    ),
    ("passwd[9]: password for 'kim' changed by 'root'", CHANGE, {"user": "kim"}),
    ("chpasswd[9]: pam_unix(chpasswd:chauthtok): password changed for kim", CHANGE, {"user": "kim"}),
    ("chsh[9]: changed user 'kim' shell to '/bin/zsh'", CHANGE, {"method": "shell_changed"}),
    (
        "chage[9]: changed password expiry for kim",
        CHANGE,
        {"user": "kim", "method": "password_expiry_changed"},
    ),
    (
        "dropbear[9]: Bad password attempt for 'root' from 192.0.2.7:5555",
        FAILED,
        {"user": "root", "src_ip": A, "src_port": 5555},
    ),
    (
        "dropbear[9]: Login attempt for nonexistent user from 2001:db8::7:5555",
        FAILED,
        {"src_ip": "2001:db8::7", "reason": "invalid_user"},
    ),
    (
        "dropbear[9]: Password auth succeeded for 'kim' from 192.0.2.7:5555",
        SUCCESS,
        {"user": "kim", "reason": None},
    ),
    (
        "dropbear[9]: Pubkey auth succeeded for 'kim' with key sha1!! aa from 192.0.2.7:5555",
        SUCCESS,
        {"user": "kim", "method": "publickey"},
    ),
    (
        "dropbear[9]: Exit before auth from <192.0.2.7:5555>: Max auth tries reached - user 'root'",
        AUTH,
        {"src_ip": A, "reason": "max_attempts"},
    ),
    ("dropbear[9]: Exit before auth from <192.0.2.7:5555>: Exited normally", PROBE, {"src_ip": A}),
    ("kernel: [   12.3] Failed password for root from 192.0.2.7 port 5 ssh2", None, {}),
    ("systemd[1]: Started something.", None, {}),
]
