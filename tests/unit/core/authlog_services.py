# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 - a log line is one line
"""Sample lines of services: (whole line, service, expected fields). One of every form, our own wording only.

The time is 2026-11-02 10:00:00 UTC in all of them.
"""

from __future__ import annotations

A, A6 = "192.0.2.7", "2001:db8::7"
Expected = dict[str, str | int | None]
HEAD = "Nov  2 10:00:00 mx "
ISO = "2026-11-02 10:00:00"
CTIME = "Mon Nov  2 10:00:00 2026"
WRONG, UNKNOWN, MAX, REFUSED = "wrong_password", "unknown_user", "max_attempts", "refused"


def who(reason: str, address: str | None = A, **more: str | int | None) -> Expected:
    return {"src_ip": address, "reason": reason, **more}


SYSLOG: list[tuple[str, str, Expected]] = [
    (f"postfix/smtpd[7]: warning: unknown[{A}]: SASL LOGIN authentication failed: UGFzcw==", "postfix", who(WRONG, method="password", program="postfix/smtpd")),
    (f"postfix/submission/smtpd[7]: warning: h.example.net[{A}]:4321: SASL PLAIN authentication failed: Invalid user, sasl_username=kim@example.org", "postfix", who(WRONG, user="kim@example.org")),
    (f"postfix/smtps/smtpd[7]: warning: unknown[{A6}]: SASL PLAIN authentication failed: (reason unavailable)", "postfix", who(WRONG, A6)),
    (f"dovecot: imap-login: Disconnected: Connection closed (auth failed, 3 attempts in 12 secs): user=<kim>, method=PLAIN, rip={A}, lip=198.51.100.1, TLS, session=<abc>", "dovecot", who(WRONG, user="kim", repeat_count=3)),
    (f"dovecot: pop3-login: Aborted login (auth failed, 2 attempts): user=<kim>, method=PLAIN, rip={A}, lip=198.51.100.1", "dovecot", who(WRONG, repeat_count=2)),
    (f"dovecot: imap-login: Login aborted: Logged out (auth failed, 4 attempts in 9 secs) (auth_failed): user=<kim>, method=PLAIN, rip={A}, lip=198.51.100.1, session=<abc>", "dovecot", who(WRONG, user="kim", repeat_count=4)),
    (f"dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): rip={A}, lip=198.51.100.1", "dovecot", who(WRONG, user=None)),
    (f"exim[7]: {ISO} plain_login authenticator failed for (box) [{A}]:4321 I=[198.51.100.1]:587: 535 Incorrect authentication data (set_id=kim)", "exim", who(WRONG, user="kim")),
    (f"proftpd[7]: web (h.example.net[{A}]) - USER kim (Login failed): Incorrect password", "proftpd", who(WRONG, user="kim")),
    (f"proftpd[7]: web (h.example.net[{A}]) - USER kim: no such user found from h.example.net [{A}] to 198.51.100.1:21", "proftpd", who(UNKNOWN, user="kim")),
    (f"proftpd[7] web (h.example.net[{A}]): USER kim (Login failed): Incorrect password", "proftpd", who(WRONG)),
    (f"proftpd[7] web (h.example.net[{A}]): USER kim: no such user found from h.example.net [{A}] to 198.51.100.1:21", "proftpd", who(UNKNOWN)),
    (f"proftpd[7]: web (h.example.net[{A}]) - SECURITY VIOLATION: Root login attempted", "proftpd", who("root_refused")),
    (f"proftpd[7] web (h.example.net[{A}]): SECURITY VIOLATION: root login attempted.", "proftpd", who("root_refused")),
    (f"proftpd[7]: web (h.example.net[{A}]) - Maximum login attempts (3) exceeded", "proftpd", who(MAX)),
    (f"proftpd[7] web (h.example.net[{A}]): Maximum login attempts (3) exceeded", "proftpd", who(MAX)),
    (f"pure-ftpd: (?@{A}) [WARNING] Authentication failed for user [kim]", "pure-ftpd", who(WRONG, user="kim")),
    (f'vsftpd[7]: [kim] FAIL LOGIN: Client "{A}"', "vsftpd", who(WRONG, user="kim")),
    (f"mysqld[7]: {ISO} 42 [Note] Access denied for user 'kim'@'{A}' (using password: YES)", "mysql", who(WRONG, user="kim")),
    (f"mariadbd[7]: {ISO} 42 [Warning] Access denied for user 'kim'@'{A}'", "mysql", who(WRONG)),
    ("mysqld[7]: 42 [Note] Access denied for user 'kim'@'db.example.net' (using password: NO)", "mysql", who(WRONG, None, src_host="db.example.net")),
    (f'postgres[7]: [5-1] {A}(4321) FATAL:  password authentication failed for user "kim"', "postgresql", who(WRONG, None, user="kim")),
    (f'postgres[7]: [5-1] FATAL:  no pg_hba.conf entry for host "{A}", user "kim", database "shop", no encryption', "postgresql", who(REFUSED, user="kim")),
    (f'postgres[7]: [5-1] FATAL:  pg_hba.conf rejects connection for host "{A}", user "kim", database "shop", SSL encryption', "postgresql", who(REFUSED)),
    ('postgres[7]: [5-1] FATAL:  Peer authentication failed for user "kim"', "postgresql", who(REFUSED, None)),
    ('postgres[7]: [5-1] FATAL:  PAM authentication failed for user "kim"', "postgresql", who(WRONG, None)),
    ('postgres[7]: [5-1] FATAL:  LDAP authentication failed for user "kim"', "postgresql", who(WRONG, None)),
    (f"ovpn-server[7]: {A}:4321 TLS Auth Error: Auth Username/Password verification failed for peer", "openvpn", who(WRONG, src_port=4321)),
    (f"openvpn[7]: {A}:4321 TLS Error: TLS handshake failed", "openvpn", who("tls_failed", method="connection")),
    (f"openvpn[7]: {A}:4321 VERIFY ERROR: depth=1, error=self-signed certificate in certificate chain: CN=x", "openvpn", who("certificate_refused")),
    (f"openvpn[7]: TLS Error: cannot locate HMAC in incoming packet from [AF_INET]{A}:4321", "openvpn", who("bad_packet")),
    (f"openvpn[7]: TLS Error: cannot locate HMAC in incoming packet from [AF_INET6][{A6}]:4321", "openvpn", who("bad_packet", A6)),
    (f"openvpn[7]: TLS Error: incoming packet authentication failed from [AF_INET]{A}:4321", "openvpn", who("bad_packet")),
    (f"openvpn[7]: TLS Error: incoming packet authentication failed from [AF_INET6][{A6}]:4321", "openvpn", who("bad_packet", A6)),
    (f"openvpn[7]: {A}:4321 TLS Error: incoming packet authentication failed from [AF_INET]{A}:4321", "openvpn", who("bad_packet")),
    (f"openvpn[7]: {A}:4321 TLS Error: cannot locate HMAC in incoming packet from [AF_INET]{A}:4321", "openvpn", who("bad_packet")),
    (f"cyrus/imap[7]: badlogin: h.example.net [{A}] plaintext kim SASL(-13): authentication failure: checkpass failed", "cyrus", who(WRONG)),
    (f"cyrus/pop3[7]: badlogin: [{A}] PLAIN [SASL(-13): authentication failure]", "cyrus", who(WRONG)),
    (f"imapd: LOGIN FAILED, user=kim, ip=[::ffff:{A}]", "imap", who(WRONG, user="kim")),
    (f"pop3d-ssl: LOGIN FAILED, method=PLAIN, ip=[::ffff:{A}]", "pop3", who(WRONG)),
    (f"imapd[7]: badlogin: [{A}] plaintext kim", "imap", who(WRONG)),
    (f"imapd[7]: badlogin: h.example.net[{A}] plaintext kim", "imap", who(WRONG)),
    (f"imapd[7]: Login failed user=kim auth=kim host=h.example.net [{A}]", "imap", who(WRONG, user="kim")),
    (f"imapd[7]: Login excessive login failures user=kim auth=kim host=h.example.net [{A}]", "imap", who(MAX)),
    (f"imapd[7]: Login disabled user=kim auth=kim host=h.example.net [{A}]", "imap", who(REFUSED)),
    (f"imapd[7]: Failed override override of user=kim host=h.example.net [{A}]", "imap", who(REFUSED)),
    (f'courieresmtpd: error,relay=::ffff:{A},msg="535 Authentication failed.",cmd: AUTH PLAIN x', "courier", who(WRONG)),
    (f'courieresmtpd[7]: error,relay=::ffff:{A},port=4321,msg="535 Authentication failed.",cmd: AUTH LOGIN', "courier", who(WRONG)),
    (f"sm-mta[7]: xA2A0001: [{A}]: possible SMTP attack: command=AUTH, count=5", "sendmail", who(MAX)),
    (f"sm-mta[7]: xA2A0001: h.example.net [{A}] (may be forged): possible SMTP attack: command=AUTH, count=5", "sendmail", who(MAX)),
    (f"solid-pop3d[7]: authentication failed: no such user: kim - {A}", "pop3", who(UNKNOWN, user="kim")),
    (f"solid-pop3d[7]: authentication failed: can't map user name: kim - {A}", "pop3", who(UNKNOWN, user="kim")),
    (f"solid-pop3d[7]: authentication failed for user kim - {A}", "pop3", who(WRONG, user="kim")),
    (f"solid-pop3d[7]: APOP authentication failed for user kim - {A}", "pop3", who(WRONG)),
    (f"solid-pop3d[7]: can't find APOP secret for user kim - {A}", "pop3", who(UNKNOWN)),
    (f"solid-pop3d[7]: root login not allowed - {A}", "pop3", who("root_refused")),
    (f"wu-ftpd[7]: failed login from h.example.net [{A}]", "ftp", who(WRONG)),
    (f"ftpd[7]: repeated login failures from {A} (h.example.net)", "ftp", who(MAX)),
    (f"xrdp-sesman[7]: [INFO ] AUTHFAIL: user=kim ip=::ffff:{A} time=1793613600", "xrdp", who(WRONG, user="kim")),
    (f"webmin[7]: Invalid login as kim from {A}", "webmin", who(WRONG, user="kim")),
    (f"webmin[7]: Non-existent login as kim from {A}", "webmin", who(UNKNOWN, user="kim")),
    (f"roundcube: IMAP Error: Login failed for kim from {A}. AUTHENTICATE PLAIN: no", "roundcube", who(WRONG, user="kim")),
    (f"roundcube: <q1> IMAP Error: Login failed for kim against localhost from {A}. AUTHENTICATE PLAIN: no", "roundcube", who(WRONG, user="kim")),
    (rf"smbd[7]: Auth: [SMB2,(null)] user []\[kim] at [Mon, 02 Nov 2026 10:00:00.1 UTC] with [NTLMv2] status [NT_STATUS_NO_SUCH_USER] workstation [PC] remote host [ipv4:{A}:4321] mapped to []\[kim]. local host [ipv4:198.51.100.1:445]", "samba", who(UNKNOWN)),
    (rf"smbd[7]: Auth: [SMB2,(null)] user []\[kim] at [Mon, 02 Nov 2026 10:00:00.1 UTC] with [NTLMv2] status [NT_STATUS_WRONG_PASSWORD] workstation [PC] remote host [ipv4:{A}:4321] mapped to []\[kim]. local host [ipv4:198.51.100.1:445]", "samba", who(WRONG, src_port=4321)),
    (rf"smbd[7]: Auth: [SMB2,(null)] user []\[kim] with [NTLMv2] status [NT_STATUS_NO_SUCH_USER] workstation [PC] remote host [ipv6:[{A6}]:4321] mapped to []\[kim].", "samba", who(UNKNOWN, A6)),
    (rf"smbd[7]: Auth: [SMB2,(null)] user []\[kim] with [NTLMv2] status [NT_STATUS_WRONG_PASSWORD] workstation [PC] remote host [ipv6:[{A6}]:4321] mapped to []\[kim].", "samba", who(WRONG, A6)),
    (f"smbd[7]: Denied connection from ({A})", "samba", who(REFUSED)),
    (f"smbd[7]: Denied connection from h.example.net ({A})", "samba", who(REFUSED)),
    (f"pvedaemon[7]: authentication failure; rhost={A} user=kim@pve msg=no such user", "proxmox", who(WRONG, user="kim@pve")),
    (f"kernel: [ 9.5] wireguard: wg0: Invalid handshake initiation from {A}:4321", "wireguard", who("bad_packet")),
    (f"kernel: [ 9.5] wireguard: wg0: Packet has unallowed src IP (198.51.100.9) from peer 2 ({A}:4321)", "wireguard", who("bad_packet", src_port=4321)),
    ("su[7]: failed: ttyq4 changing from kim to root", "su", {"user": "root", "reason": WRONG}),
    ("[sshd]: Failed password for kim from 192.0.2.7 port 9 ssh2", "sshd", {"user": "kim", "src_ip": A}),
    ("sshd[7]: kernel:[   9.5]: Failed password for kim from 192.0.2.7 port 9 ssh2", "sshd", {"user": "kim", "src_ip": A}),
    ("dropbear[7]: Bad password attempt for 'kim' from 192.0.2.7:9", "dropbear", {"user": "kim", "src_ip": A}),
    ("login[7]: pam_unix(login:auth): authentication failure; logname= uid=0 euid=0 tty=tty1 ruser= rhost=  user=kim", "login", {"user": "kim", "method": "login"}),
]  # fmt: skip

FILES: list[tuple[str, str, Expected]] = [
    (f'{CTIME} [pid 7] [kim] FAIL LOGIN: Client "::ffff:{A}"', "vsftpd", who(WRONG, user="kim", pid=7)),
    (f'Mon Nov 2 10:00:00 2026 [pid 7] [kim] FAIL LOGIN: Client "{A}"', "vsftpd", who(WRONG)),
    (f'{CTIME} [pid 7] [kim] FTP response: Client "{A}", "530 Permission denied."', "vsftpd", who(REFUSED, user="kim")),
    (f'{CTIME} [pid 7] FTP response: Client "{A}", "530 Permission denied."', "vsftpd", who(REFUSED)),
    (f"{CTIME} {A}:4321 TLS Error: TLS handshake failed", "openvpn", who("tls_failed")),
    (f"{ISO} {A}:4321 TLS Error: TLS handshake failed", "openvpn", who("tls_failed")),
    (f"{ISO} TLS Error: cannot locate HMAC in incoming packet from [AF_INET]{A}:4321", "openvpn", who("bad_packet")),
    (f"{ISO} login authenticator failed for [{A}]: 535 Incorrect authentication data (set_id=kim)", "exim", who(WRONG, user="kim")),
    (f"{ISO} [7] login authenticator failed for h.example.net (box) [{A}]:4321 I=[198.51.100.1]:25: 535 Incorrect authentication data (set_id=kim)", "exim", who(WRONG)),
    (f'{ISO} SMTP protocol error in "AUTH LOGIN" H=[{A}] AUTH command used when not advertised', "exim", who("auth_not_offered", user=None)),
    (f'{ISO} [7] SMTP protocol error in "AUTH LOGIN" H=(box) [{A}]:4321 I=[198.51.100.1]:25 AUTH command used when not advertised', "exim", who("auth_not_offered")),
    (f'{ISO} SMTP protocol error in "AUTH LOGIN" H=(box) [{A}] LOGIN authentication mechanism not supported', "exim", who("auth_not_offered")),
    (f"{ISO},399 web proftpd[7] web (h.example.net[{A}]): USER kim (Login failed): Incorrect password", "proftpd", who(WRONG, pid=7, host_name="web")),
    (f"2026-11-02T10:00:00.123456Z 42 [Note] Access denied for user 'kim'@'{A}' (using password: NO)", "mysql", who(WRONG)),
    (f"2026-11-02 10:00:00 42 [Warning] Access denied for user 'kim'@'{A}' (using password: NO)", "mysql", who(WRONG)),
    (f"261102 10:00:00 [Warning] Access denied for user 'kim'@'{A}' (using password: NO)", "mysql", who(WRONG)),
    (f'{ISO}.123 UTC [7] kim@shop FATAL:  no pg_hba.conf entry for host "{A}", user "kim", database "shop", SSL off', "postgresql", who(REFUSED)),
    (f"2026-11-02T10:00:00.000Z: Failed Login: username=kim ip={A}", "gitlab", who(WRONG, user="kim")),
    (f"[{ISO}] NOTICE[7] chan_sip.c: Registration from '<sip:1@x>' failed for '{A}:4321' - Wrong password", "asterisk", who(WRONG)),
    (f"[Nov  2 10:00:00] NOTICE[7]: res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '<sip:1@x>' failed for '{A}:4321' (callid: q) - No matching endpoint found", "asterisk", who(WRONG)),
    (f"[{ISO}] NOTICE[7] chan_iax2.c: Host {A} failed to authenticate as 'kim'", "asterisk", who(WRONG, user="kim")),
    (f"[{ISO}] NOTICE[7] chan_iax2.c: Host {A} failed MD5 authentication for 'kim' (a != b)", "asterisk", who(WRONG)),
    (f"[{ISO}] NOTICE[7] chan_iax2.c: No registration for peer 'kim' (from {A})", "asterisk", who(UNKNOWN)),
    (f"[{ISO}] NOTICE[7] manager.c: {A} failed to authenticate as 'kim'", "asterisk", who(WRONG)),
    (f"[{ISO}] NOTICE[7][C-1] chan_sip.c: Call from '' ({A}:4321) to extension '900' rejected because extension not found in context 'default'.", "asterisk", who(REFUSED, src_port=4321)),
    (f"[{ISO}] NOTICE[7] res_pjsip_session.c: kim: Call (UDP:{A}:4321) to extension '900' rejected because extension not found in context 'default'.", "asterisk", who(REFUSED)),
    (f'[{ISO}] WARNING[7][C-1] Ext. s: "Rejecting unknown SIP connection from {A6}"', "asterisk", who(REFUSED, A6)),
    (f'[{ISO}] WARNING[7][C-1] Ext. s: "Rejecting unknown SIP connection from [{A6}]:5060"', "asterisk", who(REFUSED, A6, src_port=5060)),
    *(
        (f'[{ISO}] SECURITY[7] res_security_log.c: SecurityEvent="{event}",Severity="Error",Service="SIP",AccountID="kim",SessionID="q",LocalAddress="IPV4/UDP/198.51.100.1/5060",RemoteAddress="IPV4/UDP/{A}/4321",Challenge="c"', "asterisk", who(reason))
        for event, reason in (("InvalidPassword", WRONG), ("ChallengeResponseFailed", WRONG), ("InvalidAccountID", UNKNOWN), ("FailedACL", REFUSED))
    ),
    (f"[20261102-10:00:00] [INFO ] AUTHFAIL: user=kim ip=::ffff:{A} time=1793613600", "xrdp", who(WRONG)),
    (f"[02-Nov-2026 11:00:00 +0100]: FAILED login for kim from {A}", "roundcube", who(WRONG, user="kim")),
    (f"[02-Nov-2026 10:00:00 +0000]: Failed login for kim from {A} in session abc (error: 0)", "roundcube", who(WRONG)),
    (f"<W>{ISO}.818 1 => <4:kim(-1)> Rejected connection from {A}:4321: Invalid server password", "murmur", who(WRONG)),
    (f"<W>{ISO}.818 1 => <4:kim(-1)> Rejected connection from {A}:4321: Wrong certificate or password for existing user", "murmur", who(WRONG)),
]  # fmt: skip

NOTHING = [
    f"{HEAD}postfix/smtpd[7]: connect from unknown[{A}]",
    f"{HEAD}postfix/smtpd[7]: NOQUEUE: reject: RCPT from unknown[{A}]: 554 5.7.1 Relay access denied; from=<x> to=<y>",
    f"{HEAD}postfix/smtpd[7]: warning: unknown[{A}]: SASL LOGIN authentication failed: Connection lost to authentication server",
    f"{HEAD}postfix/qmgr[7]: warning: unknown[{A}]: SASL LOGIN authentication failed: x",
    f"{HEAD}dovecot: imap-login: Login: user=<kim>, method=PLAIN, rip={A}, lip=198.51.100.1, mpid=8, TLS, session=<abc>",
    f"{HEAD}dovecot: imap-login: Disconnected (no auth attempts in 0 secs): user=<>, rip={A}, lip=198.51.100.1",
    f"{HEAD}named[7]: client {A}#4321: query (cache) 'example.net/NS/IN' denied",
    f"{HEAD}postgres[7]: [5-1] LOG:  connection received: host={A} port=4321",
    f"{HEAD}openvpn[7]: {A}:4321 Connection reset, restarting [0]",
    f'{CTIME} [pid 7] [kim] OK LOGIN: Client "{A}"',
    f'{CTIME} [pid 7] CONNECT: Client "{A}"',
    f"{ISO} no host name found for IP address {A}",
    f"{ISO} 1abc-0000-00 <= kim@example.org H=(box) [{A}] P=esmtp S=900",
    f"[{ISO}] VERBOSE[7] chan_sip.c: Registered SIP '100' at {A}:5060",
]

FORGED = "203.0.113.66"
#: Lines in which the client wrote something that looks like another source.
FORGERIES = {
    "dovecot user": f"{HEAD}dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<a>, method=PLAIN, rip={FORGED}, lip=1.1.1.1, session=<b>, method=PLAIN, rip={A}, lip=198.51.100.1, session=<c>",
    "mysql user": f"{ISO} 4 [Note] Access denied for user 'a'@'{FORGED}' (using password: YES) '@'{A}' (using password: YES)",
    "exim command": f'{ISO} SMTP protocol error in "AUTH LOGIN" H=(box) [{FORGED}]" H=(box) [{A}] AUTH command used when not advertised',
    "exim account": f"{ISO} login authenticator failed for (box) [{A}]: 535 Incorrect authentication data (set_id=x for (y) [{FORGED}]: 535 z)",
    "proftpd user": f"{HEAD}proftpd[7]: web (h.example.net[{A}]) - USER web (x[{FORGED}]) - USER kim: no such user found from h [{A}] to 198.51.100.1:21",
    "pure-ftpd user": f"{HEAD}pure-ftpd: (?@{A}) [WARNING] Authentication failed for user [x (?@{FORGED}) [WARNING] Authentication failed for user [y]]",
    "vsftpd user": f'{CTIME} [pid 7] [x] FAIL LOGIN: Client "{FORGED}" [y] FAIL LOGIN: Client "{A}"',
    "courier user": f"{HEAD}imapd: LOGIN FAILED, user=x, ip=[{FORGED}], ip=[::ffff:{A}]",
    "webmin user": f"{HEAD}webmin[7]: Invalid login as x from {FORGED} from {A}",
    "asterisk header": f"[{ISO}] NOTICE[7] chan_sip.c: Registration from 'x' failed for '{FORGED}' - Wrong password' failed for '{A}' - Wrong password",
}

#: Both sides of the address are the client's: no source is believed.
AMBIGUOUS = {
    "samba account": rf"{HEAD}smbd[7]: Auth: [SMB2,(null)] user []\[x] remote host [ipv4:{FORGED}:1] ] with [NTLMv2] status [NT_STATUS_NO_SUCH_USER] workstation [PC] remote host [ipv4:{A}:4321] mapped to []\[x].",
    "asterisk account": f'[{ISO}] SECURITY[7] res_security_log.c: SecurityEvent="InvalidPassword",AccountID="x",RemoteAddress="IPV4/UDP/{FORGED}/1",x="",RemoteAddress="IPV4/UDP/{A}/4321"',
    "asterisk call": f"[{ISO}] NOTICE[7][C-1] chan_sip.c: Call from '' ({A}:9) to extension 'x' ({FORGED}:9) to extension 'y' rejected because extension not found in context 'd'.",
}
