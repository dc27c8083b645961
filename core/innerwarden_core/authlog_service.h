/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail, file transfer, database, VPN and telephony servers: what each says of a login that failed, one auth.failed a
 * line with `service`. Mail that a server itself refuses has a reason "mail_..." and the method "mail": nobody tried a
 * secret there. Connections that only end are nothing: monitors and telephones make those all day.
 */
#ifndef IW_AUTHLOG_SERVICE_H
#define IW_AUTHLOG_SERVICE_H

#include "authlog_connection.h"
#include "authlog_form.h"
#include "authlog_time.h"

/* Postfix: "warning: NAME[A]: SASL LOGIN authentication failed: WHY[, sasl_username=USER]". NAME passed its own
 * check of host names, so that no bracket is in it. */
static const struct iw_form iw_postfix_forms[] = {
	IW_FAILS("warning: %*[%a]: SASL %w authentication failed", "wrong_password"),
	IW_FAILS("warning: %*[%a]:%w: SASL %w authentication failed", "wrong_password"),
	IW_FAILS("%w: reject: %w from %*[%a]: 4", "mail_refused"),
	IW_FAILS("%w: reject: %w from %*[%a]: 5", "mail_refused"),
	IW_FAILS("%w: milter-reject: %w from %*[%a]: 4", "mail_refused"),
	IW_FAILS("%w: milter-reject: %w from %*[%a]: 5", "mail_refused"),
	IW_FAILS("improper command pipelining after %w from %*[%a]", "mail_protocol_error"),
	IW_FAILS("too many errors after %w from %*[%a]", "mail_protocol_error"),
	IW_FAILS("warning: Connection rate limit exceeded: %w from %*[%a] for service ", "mail_rate_limited"),
	IW_FAILS("warning: Connection concurrency limit exceeded: %w from %*[%a] for service ", "mail_rate_limited"),
	IW_FAILS("warning: Message delivery request rate limit exceeded: %w from %*[%a] for service ",
		 "mail_rate_limited"),
	/* The end of a connection none of whose logins succeeded, whatever was said of them. */
	IW_FAILS("disconnect from %*[%a] %*auth=0/", "mail_login_refused"),
};

/* Postfix's first line of defence, which sees an address and never a name: "[A]:PORT" */
static const struct iw_form iw_postscreen_forms[] = {
	IW_FAILS("%w: reject: %w from %p: 4", "mail_refused"),
	IW_FAILS("%w: reject: %w from %p: 5", "mail_refused"),
	IW_FAILS("PREGREET %w after %w from %p: ", "mail_protocol_error"),
	IW_FAILS("COMMAND TIME LIMIT from %p after ", "mail_protocol_error"),
	IW_FAILS("COMMAND COUNT LIMIT from %p after ", "mail_protocol_error"),
};

/* Dovecot: the login process tells all attempts of a connection in one line. In user=<> stands what the client sent,
 * before the address; what follows the address is the server's own. */
static const struct iw_form iw_dovecot_forms[] = {
	IW_FAILS("%*(auth failed, %n attempts in %*user=<%U>,%*rip=%a, lip=", "wrong_password"),
	IW_FAILS("%*(auth failed, %n attempts)%*user=<%U>,%*rip=%a, lip=", "wrong_password"),
	IW_FAILS("%*(auth failed, %n attempts%*: rip=%a, lip=", "wrong_password"),
};

/* Exim: "NAME authenticator failed for HOST (HELO) [A]:PORT ...: 535 ... (set_id=USER)"; a HELO with a space is no
 * HELO to it. */
static const struct iw_form iw_exim_forms[] = {
	IW_FAILS("%w authenticator failed for [%a]%*: 535 ", "wrong_password"),
	IW_FAILS("%w authenticator failed for %* [%a]%*: 535 ", "wrong_password"),
	IW_FAILS("SMTP protocol error in \"%<\" H=[%a]%*AUTH command used when not advertised", "auth_not_offered"),
	IW_FAILS("SMTP protocol error in \"%<\" H=%* [%a]%*AUTH command used when not advertised", "auth_not_offered"),
	IW_FAILS("SMTP protocol error in \"%<\" H=%* [%a]%*authentication mechanism not supported",
		 "auth_not_offered"),
	IW_FAILS("H=[%a]%* rejected RCPT ", "mail_refused"),
	IW_FAILS("H=%* [%a]%* rejected RCPT ", "mail_refused"),
	IW_FAILS("H=[%a]%* sender verify fail for <", "mail_refused"),
	IW_FAILS("H=%* [%a]%* sender verify fail for <", "mail_refused"),
	IW_FAILS("H=[%a]%* dropped by '", "mail_refused"),
	IW_FAILS("H=%* [%a]%* dropped by '", "mail_refused"),
	IW_FAILS("%w H=[%a]%* rejected after DATA: ", "mail_refused"),
	IW_FAILS("%w H=%* [%a]%* rejected after DATA: ", "mail_refused"),
	IW_FAILS_ONCE("%w F=%* H=%* [%a]%* rejected by local_scan()", "mail_refused", " H="),
	IW_FAILS("SMTP connection from [%a]%*closed by DROP in ACL", "mail_refused"),
	IW_FAILS("SMTP connection from %* [%a]%*closed by DROP in ACL", "mail_refused"),
	IW_FAILS("%w SMTP connection from %* [%a]%*closed by DROP in ACL", "mail_refused"),
	IW_FAILS("SMTP call from [%a]%*dropped: too many ", "mail_protocol_error"),
	IW_FAILS("SMTP call from %* [%a]%*dropped: too many ", "mail_protocol_error"),
	/* The command that came too early is quoted on both sides of the host. */
	IW_FAILS_ONCE("SMTP protocol synchronization error (%*): rejected %*H=[%a]", "mail_protocol_error", "H="),
	IW_FAILS_ONCE("SMTP protocol synchronization error (%*): rejected %*H=%* [%a]", "mail_protocol_error", "H="),
};

/* ProFTPD: "SERVER (NAME[A])[ -]: USER x: no such user found ..."; the client's name comes before the account's. */
static const struct iw_form iw_proftpd_forms[] = {
	IW_FAILS("%*(%*[%a]): USER %U (Login failed): ", "wrong_password"),
	IW_FAILS("%*(%*[%a]): USER %U: no such user found", "unknown_user"),
	IW_FAILS("%*(%*[%a]) - USER %U (Login failed): ", "wrong_password"),
	IW_FAILS("%*(%*[%a]) - USER %U: no such user found", "unknown_user"),
	IW_FAILS("%*(%*[%a]): SECURITY VIOLATION: ", "root_refused"),
	IW_FAILS("%*(%*[%a]) - SECURITY VIOLATION: ", "root_refused"),
	IW_FAILS("%*(%*[%a]) - Maximum login attempts (%n) exceeded", "max_attempts"),
	IW_FAILS("%*(%*[%a]): Maximum login attempts (%n) exceeded", "max_attempts"),
};

/* Before somebody is logged in, Pure-FTPd writes "?" for the account. */
static const struct iw_form iw_pureftpd_forms[] = {
	IW_FAILS("(?@%a) [WARNING] Authentication failed for user [%U]%$", "wrong_password"),
};

/* vsftpd's own log, behind the time and "[pid N] ". */
static const struct iw_form iw_vsftpd_forms[] = {
	IW_FAILS("[%U] FAIL LOGIN: Client \"%a\"%$", "wrong_password"),
	IW_FAILS("[%U] FTP response: Client \"%a\", \"530 Permission denied.\"%$", "refused"),
	IW_FAILS("FTP response: Client \"%a\", \"530 Permission denied.\"%$", "refused"),
};

/* MySQL and MariaDB: the account is the client's, so the address is read from the end. */
static const struct iw_form iw_mysql_forms[] = {
	IW_FAILS("%*Access denied for user '%U'@'%a' (using password: ", "wrong_password"),
	IW_FAILS("%*Access denied for user '%U'@'%a'%$", "wrong_password"),
};

/* PostgreSQL gives the address in log_line_prefix (%h, %r), or in "connection received" of the same process. */
static const struct iw_form iw_postgres_forms[] = {
	IW_FAILS("%*FATAL:  password authentication failed for user \"%U\"%$", "wrong_password"),
	IW_FAILS("%*FATAL:  no pg_hba.conf entry for host \"%a\", user \"%u\"", "refused"),
	IW_FAILS("%*FATAL:  pg_hba.conf rejects connection for host \"%a\", user \"%u\"", "refused"),
	IW_FAILS("%*FATAL:  Peer authentication failed for user \"%U\"%$", "refused"),
	IW_FAILS("%*FATAL:  PAM authentication failed for user \"%U\"%$", "wrong_password"),
	IW_FAILS("%*FATAL:  LDAP authentication failed for user \"%U\"%$", "wrong_password"),
};

static const struct iw_form iw_openvpn_forms[] = {
	IW_FAILS("%p TLS Auth Error: Auth Username/Password verification failed for peer", "wrong_password"),
	IW_FAILS("%p TLS Error: TLS handshake failed", "tls_failed"),
	IW_FAILS("%p VERIFY ERROR: ", "certificate_refused"),
	IW_FAILS("%p TLS Error: incoming packet authentication failed from ", "bad_packet"),
	IW_FAILS("%p TLS Error: cannot locate HMAC in incoming packet from ", "bad_packet"),
	IW_FAILS("TLS Error: cannot locate HMAC in incoming packet from [AF_INET]%p%$", "bad_packet"),
	IW_FAILS("TLS Error: cannot locate HMAC in incoming packet from [AF_INET6]%p%$", "bad_packet"),
	IW_FAILS("TLS Error: incoming packet authentication failed from [AF_INET]%p%$", "bad_packet"),
	IW_FAILS("TLS Error: incoming packet authentication failed from [AF_INET6]%p%$", "bad_packet"),
};

/* Cyrus imapd, pop3d, timsieved: "badlogin: NAME [A] PLAIN ..." */
static const struct iw_form iw_cyrus_forms[] = {
	IW_FAILS("badlogin: [%a] ", "wrong_password"),
	IW_FAILS("badlogin: %*[%a] ", "wrong_password"),
};

/* Courier's and UW's servers share the tags imapd and pop3d with Cyrus. */
static const struct iw_form iw_imapd_forms[] = {
	IW_FAILS("LOGIN FAILED, user=%U, ip=[%a]", "wrong_password"),
	IW_FAILS("LOGIN FAILED, method=%w, ip=[%a]", "wrong_password"),
	IW_FAILS("badlogin: [%a] ", "wrong_password"),
	IW_FAILS("badlogin: %*[%a] ", "wrong_password"),
	IW_FAILS("Login failed user=%u auth=%*host=%*[%a]%$", "wrong_password"),
	IW_FAILS("Login excessive login failures user=%u auth=%*host=%*[%a]%$", "max_attempts"),
	IW_FAILS("Login disabled user=%u auth=%*host=%*[%a]%$", "refused"),
	IW_FAILS("Failed %* override of user=%u host=%*[%a]%$", "refused"),
};

static const struct iw_form iw_courier_smtp_forms[] = {
	IW_FAILS("error,relay=%a,msg=\"535 Authentication failed.\"", "wrong_password"),
	IW_FAILS("error,relay=%a,port=%n,msg=\"535 Authentication failed.\"", "wrong_password"),
	IW_FAILS("error,relay=%a,%*: 550 User ", "mail_refused"),
};

/* sendmail: "QUEUEID: NAME [A][ (may be forged)]: possible SMTP attack: command=AUTH, count=5" */
static const struct iw_form iw_sendmail_forms[] = {
	IW_FAILS("%w: [%a]: possible SMTP attack: command=AUTH, count=%w", "max_attempts"),
	IW_FAILS("%w: %* [%a]%*: possible SMTP attack: command=AUTH, count=", "max_attempts"),
};

static const struct iw_form iw_solid_pop3d_forms[] = {
	IW_FAILS("authentication failed: no such user: %U - %a%$", "unknown_user"),
	IW_FAILS("authentication failed: can't map user name: %U - %a%$", "unknown_user"),
	IW_FAILS("authentication failed for %*user %U - %a%$", "wrong_password"),
	IW_FAILS("APOP authentication failed for user %U - %a%$", "wrong_password"),
	IW_FAILS("can't find APOP secret for user %U - %a%$", "unknown_user"),
	IW_FAILS("root login not allowed - %a%$", "root_refused"),
};

static const struct iw_form iw_wuftpd_forms[] = {
	IW_FAILS("failed login from %* [%a]", "wrong_password"),
	IW_FAILS("repeated login failures from %a (", "max_attempts"),
};

static const struct iw_form iw_xrdp_forms[] = {
	IW_FAILS("[INFO ] AUTHFAIL: user=%U ip=%a time=", "wrong_password"),
};

static const struct iw_form iw_webmin_forms[] = {
	IW_FAILS("Invalid login as %U from %a", "wrong_password"),
	IW_FAILS("Non-existent login as %U from %a", "unknown_user"),
};

static const struct iw_form iw_roundcube_forms[] = {
	IW_FAILS("%*Login failed for %U against %w from %a%$", "wrong_password"),
	IW_FAILS("%*Login failed for %U from %a%$", "wrong_password"),
	IW_FAILS("%*ailed login for %U from %a in session ", "wrong_password"),
	IW_FAILS("%*FAILED login for %U from %a%$", "wrong_password"),
};

/* Account and workstation are the client's, and stand on both sides of the address. */
static const struct iw_form iw_samba_forms[] = {
	IW_FAILS_ONCE("%*status [NT_STATUS_NO_SUCH_USER]%*remote host [ipv4:%p] ", "unknown_user", "remote host ["),
	IW_FAILS_ONCE("%*status [NT_STATUS_WRONG_PASSWORD]%*remote host [ipv4:%p] ", "wrong_password", "remote host ["),
	IW_FAILS_ONCE("%*status [NT_STATUS_NO_SUCH_USER]%*remote host [ipv6:%p] ", "unknown_user", "remote host ["),
	IW_FAILS_ONCE("%*status [NT_STATUS_WRONG_PASSWORD]%*remote host [ipv6:%p] ", "wrong_password", "remote host ["),
	IW_FAILS("Denied connection from (%a)", "refused"),
	IW_FAILS("Denied connection from %* (%a)", "refused"),
};

/* Asterisk: the From header is the client's and comes first, so its end is the last one. */
static const struct iw_form iw_asterisk_forms[] = {
	IW_FAILS("%*: Registration from '%U' failed for '%p' - ", "wrong_password"),
	IW_FAILS_ONCE("%*: Request%*from '%U' failed for '%p' (callid: ", "wrong_password", "' failed for '"),
	IW_FAILS("%*: Host %a failed to authenticate as '%U'%$", "wrong_password"),
	IW_FAILS("%*: Host %a failed MD5 authentication for '%U' (", "wrong_password"),
	IW_FAILS("%*: No registration for peer '%U' (from %a)%$", "unknown_user"),
	IW_FAILS("%*manager.c: %a failed to authenticate as '%U'%$", "wrong_password"),
	IW_FAILS_ONCE("%*: Call from '%U' (%p) to extension '%*' rejected because ", "refused", " to extension '"),
	IW_FAILS_ONCE("%*: Call (%p) to extension '%*' rejected because ", "refused", " to extension '"),
	IW_FAILS("%*: \"Rejecting unknown SIP connection from %p\"%$", "refused"),
	IW_FAILS("%*: hacking attempt detected '%a'%$", "refused"),
	IW_FAILS_ONCE("%*SecurityEvent=\"InvalidPassword\"%*,RemoteAddress=\"IPV4/%w/%a/", "wrong_password",
		      "RemoteAddress="),
	IW_FAILS_ONCE("%*SecurityEvent=\"ChallengeResponseFailed\"%*,RemoteAddress=\"IPV4/%w/%a/", "wrong_password",
		      "RemoteAddress="),
	IW_FAILS_ONCE("%*SecurityEvent=\"InvalidAccountID\"%*,RemoteAddress=\"IPV4/%w/%a/", "unknown_user",
		      "RemoteAddress="),
	IW_FAILS_ONCE("%*SecurityEvent=\"FailedACL\"%*,RemoteAddress=\"IPV4/%w/%a/", "refused", "RemoteAddress="),
};

static const struct iw_form iw_proxmox_forms[] = {
	IW_FAILS("authentication failure; rhost=%a user=%u msg=", "wrong_password"),
};

static const struct iw_form iw_gitlab_forms[] = {
	IW_FAILS("Failed Login: username=%U ip=%a%$", "wrong_password"),
};

static const struct iw_form iw_murmur_forms[] = {
	IW_FAILS("%*Rejected connection from %p: Invalid server password", "wrong_password"),
	IW_FAILS("%*Rejected connection from %p: Wrong certificate or password", "wrong_password"),
};

/* qmail's front: "LIST blocked A NAME -" */
static const struct iw_form iw_rblsmtpd_forms[] = {
	IW_FAILS("%w blocked %a ", "mail_refused"),
};

/* perdition, a proxy of IMAP and POP3; what the client calls itself comes before the verdict, and is quoted. */
static const struct iw_form iw_perdition_forms[] = {
	IW_FAILS("Auth: %p->%*status=\"failed", "wrong_password"),
	IW_FAILS("Fatal Error reading authentication information from client %p->", "bad_packet"),
};

/* SOGo behind proxies writes the list that the client began: no address in it can be believed. */
static const struct iw_form iw_sogo_forms[] = {
	IW_FAILS("SOGoRootPage Login from '%a' for user '%U' might not have worked", "wrong_password"),
	IW_FAILS("SOGoRootPage Login from '%*, %*' for user '%U' might not have worked", "wrong_password"),
};

static const struct iw_form iw_ejabberd_forms[] = {
	IW_FAILS("%*) Failed authentication for %U from IP %a", "wrong_password"),
	IW_FAILS("%*) Failed c2s %w authentication for %U from %a: ", "wrong_password"),
};

/* Drupal's module syslog: "SITE|TIME|user|A|ADDRESS|REFERER|UID|LINK|TEXT" */
static const struct iw_form iw_drupal_forms[] = {
	IW_FAILS("%w|%w|user|%a|%*|Login attempt failed f", "wrong_password"),
};

static const struct iw_form iw_froxlor_forms[] = {
	IW_FAILS("[Login Action %a] Unknown user '%U' tried to login", "unknown_user"),
	IW_FAILS("[Login Action %a] User '%U' tried to login with wrong password", "wrong_password"),
	IW_FAILS("froxlor.WARNING: Unknown user tried to login%*\"user\":\"%a\"}", "unknown_user"),
	IW_FAILS("froxlor.WARNING: User tried to login with wrong password%*\"user\":\"%a\"}", "wrong_password"),
};

static const struct iw_form iw_znc_forms[] = {
	IW_FAILS("[%U] failed to login from %p%$", "wrong_password"),
};

static const struct iw_form iw_nrpe_forms[] = {
	IW_FAILS("Host %a is not allowed to talk to us!", "refused"),
};

/* A whole zone is asked for by its other servers, and by whoever looks for targets. A question that is refused is noise. */
static const struct iw_form iw_named_forms[] = {
	IW_FAILS("client %a#%*: zone transfer '%*' denied", "zone_transfer_refused"),
	IW_FAILS("client @%w %a#%*: zone transfer '%*' denied", "zone_transfer_refused"),
};

static const struct iw_form iw_wireguard_forms[] = {
	IW_FAILS("wireguard: %w: Invalid handshake initiation from %p", "bad_packet"),
	IW_FAILS("wireguard: %w: Packet has unallowed src IP (%w) from peer %w (%p)", "bad_packet"),
};

/* A tag that another one begins with comes after it. */
static const struct iw_service iw_services[] = {
	IW_SERVICE_OF("dovecot", "dovecot", iw_dovecot_forms),
	IW_SERVICE("imap-login", "dovecot", iw_dovecot_forms),
	IW_SERVICE("pop3-login", "dovecot", iw_dovecot_forms),
	IW_SERVICE("submission-login", "dovecot", iw_dovecot_forms),
	IW_SERVICE("managesieve-login", "dovecot", iw_dovecot_forms),
	IW_SERVICE_OF("exim", "exim", iw_exim_forms),
	IW_SERVICE("proftpd", "proftpd", iw_proftpd_forms),
	IW_SERVICE("pure-ftpd", "pure-ftpd", iw_pureftpd_forms),
	IW_SERVICE("vsftpd", "vsftpd", iw_vsftpd_forms),
	IW_SERVICE_OF("mysql", "mysql", iw_mysql_forms),
	IW_SERVICE_OF("mariadb", "mysql", iw_mysql_forms),
	IW_SERVICE_OF("postgres", "postgresql", iw_postgres_forms),
	IW_SERVICE_OF("openvpn", "openvpn", iw_openvpn_forms),
	IW_SERVICE_OF("ovpn-", "openvpn", iw_openvpn_forms),
	IW_SERVICE_OF("cyrus/", "cyrus", iw_cyrus_forms),
	IW_SERVICE("timsieved", "cyrus", iw_cyrus_forms),
	IW_SERVICE("sieve", "cyrus", iw_cyrus_forms),
	IW_SERVICE_OF("imapd", "imap", iw_imapd_forms),
	IW_SERVICE_OF("pop3d", "pop3", iw_imapd_forms),
	IW_SERVICE("courierpop3login", "pop3", iw_imapd_forms),
	IW_SERVICE("courieresmtpd", "courier", iw_courier_smtp_forms),
	IW_SERVICE_OF("sm-", "sendmail", iw_sendmail_forms),
	IW_SERVICE("sendmail", "sendmail", iw_sendmail_forms),
	IW_SERVICE("solid-pop3d", "pop3", iw_solid_pop3d_forms),
	IW_SERVICE("wu-ftpd", "ftp", iw_wuftpd_forms),
	IW_SERVICE("ftpd", "ftp", iw_wuftpd_forms),
	IW_SERVICE("xrdp-sesman", "xrdp", iw_xrdp_forms),
	IW_SERVICE("webmin", "webmin", iw_webmin_forms),
	IW_SERVICE("roundcube", "roundcube", iw_roundcube_forms),
	IW_SERVICE_OF("smb", "samba", iw_samba_forms),
	IW_SERVICE("asterisk", "asterisk", iw_asterisk_forms),
	IW_SERVICE("pvedaemon", "proxmox", iw_proxmox_forms),
	IW_SERVICE("gitlab", "gitlab", iw_gitlab_forms),
	IW_SERVICE("murmurd", "murmur", iw_murmur_forms),
	IW_SERVICE("rblsmtpd", "qmail", iw_rblsmtpd_forms),
	IW_SERVICE_OF("perdition", "perdition", iw_perdition_forms),
	IW_SERVICE("sogod", "sogo", iw_sogo_forms),
	IW_SERVICE("ejabberd", "ejabberd", iw_ejabberd_forms),
	IW_SERVICE_OF("drupal", "drupal", iw_drupal_forms),
	IW_SERVICE("froxlor", "froxlor", iw_froxlor_forms),
	IW_SERVICE("Froxlor", "froxlor", iw_froxlor_forms),
	IW_SERVICE("znc", "znc", iw_znc_forms),
	IW_SERVICE("nrpe", "nrpe", iw_nrpe_forms),
	IW_SERVICE("named", "named", iw_named_forms),
};

static const struct iw_service iw_wireguard = IW_SERVICE("kernel", "wireguard", iw_wireguard_forms);
static const struct iw_service iw_postfix = IW_SERVICE_OF("postfix", "postfix", iw_postfix_forms);
static const struct iw_service iw_postscreen = IW_SERVICE_OF("postfix", "postfix", iw_postscreen_forms);

static inline const struct iw_service *iw_service_of(struct iw_span program)
{
	size_t n;

	if (iw_starts(program, "postfix"))
		return iw_ends(program, "/smtpd")	? &iw_postfix :
		       iw_ends(program, "/postscreen") ? &iw_postscreen :
							NULL;
	for (n = 0; n < sizeof(iw_services) / sizeof(iw_services[0]); n++) {
		const struct iw_service *s = &iw_services[n];

		if (program.len < s->program.len || program.at[0] != s->program.at[0])
			continue;
		if ((s->is_start || program.len == s->program.len) &&
		    !memcmp(program.at, s->program.at, s->program.len))
			return s;
	}
	return NULL;
}

/* What stands behind the message's mark: an account that the form has no place for. */
static inline void iw_service_user(struct iw_line *l, struct iw_span s, struct iw_span mark, char stop)
{
	long at = l->user.len ? -1 : iw_find_last(s, mark, s.len);

	if (at >= 0)
		l->user = iw_until(iw_span_from(s, (size_t)at + mark.len), stop);
}

/* PostgreSQL's lines of one server process: the first names the client, a later one the failure. */
static inline void iw_postgres(struct iw_auth *auth, struct iw_line *l, struct iw_span s)
{
	struct iw_connection *c = iw_connection_of(auth, l);
	long at = iw_find(s, IW_LIT("connection received: host="), 0);
	struct iw_span rest;
	uint64_t port;

	if (at >= 0 && !l->kind) {
		rest = iw_span_from(s, (size_t)at + 26);
		c->family = 0;
		if (iw_form_address(l, iw_until(rest, ' '))) {
			rest = iw_span_from(rest, iw_until(rest, ' ').len);
			if (iw_skip(&rest, " port=") && iw_number(&rest, 65535, &port))
				l->port = (uint16_t)port;
			iw_share_source(c, l);
		}
		iw_clear_source(l);
	} else if (l->kind && l->pid) {
		iw_share_source(c, l);
	}
}

/* What a form cannot say of a service. `s`: the message as the forms saw it. */
static inline void iw_service_more(struct iw_line *l, struct iw_span s, const struct iw_service *service)
{
	if (service->forms == iw_postfix_forms) {
		/* No failure of the client's: the server that knows the passwords is away. */
		if (iw_ends(s, "Connection lost to authentication server"))
			l->kind = 0;
		/* Greylisting puts off everybody who comes for the first time. */
		if (iw_is(l->reason, "mail_refused") && iw_find(s, IW_LIT(": 450 4.2.0 "), 0) >= 0)
			l->kind = 0;
		iw_service_user(l, s, IW_LIT(", sasl_username="), ',');
	} else if (service->forms == iw_exim_forms) {
		if (iw_is(l->reason, "mail_refused") && iw_find(s, IW_LIT(" temporarily rejected "), 0) >= 0)
			l->kind = 0;
		iw_service_user(l, s, IW_LIT("(set_id="), ')');
	} else if (service->forms == iw_perdition_forms) {
		iw_service_user(l, s, IW_LIT(" authentication_id=\""), '"');
	}
}

/* The message of a service, without what it puts before it: Exim its process and, to syslog, the time. */
static inline struct iw_span iw_service_text(struct iw_auth *auth, struct iw_span s, const struct iw_service *service)
{
	struct iw_span pid;
	uint64_t unused;

	if (service->forms == iw_exim_forms) {
		if (s.len && s.at[0] >= '0' && s.at[0] <= '9')
			iw_time_3339(auth, &s, &unused);
		s = iw_trim(s);
		pid = s;
		if (iw_skip(&pid, "[") && iw_number(&pid, UINT32_MAX, &unused) && iw_skip(&pid, "] "))
			s = pid;
	} else if (service->forms == iw_roundcube_forms && iw_is_once(s, IW_LIT(". AUTHENTICATE "))) {
		s.len = (size_t)iw_find(s, IW_LIT(". AUTHENTICATE "), 0);
	}
	return s;
}

static __attribute__((noinline)) void iw_service(struct iw_auth *auth, struct iw_line *l, struct iw_span s)
{
	const struct iw_service *service = iw_service_of(l->program);

	if (!service)
		return;
	s = iw_service_text(auth, s, service);
	if (iw_forms(l, s, service))
		iw_service_more(l, s, service);
	if (service->forms == iw_postgres_forms)
		iw_postgres(auth, l, s);
}

#endif /* IW_AUTHLOG_SERVICE_H */
