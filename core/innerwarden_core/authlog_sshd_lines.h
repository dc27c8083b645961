/* SPDX-License-Identifier: Apache-2.0 */
/* sshd lines of connections that misbehave before they try to log in, and the switch over all its lines. */
#ifndef IW_AUTHLOG_SSHD_LINES_H
#define IW_AUTHLOG_SSHD_LINES_H

#include "authlog_sshd.h"

/* A probe whose address stands at the front of `s`; what follows it does not matter. */
static inline void iw_probe_at(struct iw_connection *c, struct iw_line *l, struct iw_span s, struct iw_span why)
{
	struct iw_span rest = iw_endpoint(s, l, 0);

	/* "A port N: reason": the port's colon ended the number, an old "A: reason" the address. */
	if (!rest.at || (rest.len && rest.at[0] != ':' && rest.at[0] != ' ')) {
		iw_clear_source(l);
		return;
	}
	iw_probe(c, l, why);
}

/* "[1.2.3.4]:567 on [192.0.2.1]:22 past MaxStartups", "... penalty: failed authentication" (OpenSSH 9.8) */
static inline void iw_sshd_dropped(struct iw_connection *c, struct iw_line *l, struct iw_span s)
{
	long at = iw_find(s, IW_LIT(" from ["), 0);
	struct iw_span address;
	uint64_t port;

	if (at < 0)
		return;
	s = iw_span_from(s, (size_t)at + 7);
	address = iw_until(s, ']');
	s = iw_span_from(s, address.len);
	if (!iw_skip(&s, "]:") || !iw_number(&s, 65535, &port) || !iw_set_source(l, address))
		return;
	l->port = (uint16_t)port;
	/* The listener logs this, not a connection's own process: no state. */
	l->kind = IW_KIND_SSH_PROBE;
	l->reason = iw_find(s, IW_LIT(" penalty"), 0) >= 0 ? IW_LIT("dropped_penalty") : IW_LIT("dropped_max_startups");
	(void)c;
}

static inline void iw_sshd_bracketed(struct iw_connection *c, struct iw_line *l, struct iw_span s, char open,
				     char close, struct iw_span why)
{
	const char *from = memrchr(s.at, open, s.len);
	struct iw_span inside;

	if (!from)
		return;
	inside = iw_span_from(s, (size_t)(from - s.at) + 1);
	inside = iw_until(inside, close);
	if (iw_set_source(l, inside))
		iw_probe(c, l, why);
}

static inline void iw_sshd_timeout(struct iw_connection *c, struct iw_line *l, struct iw_span s)
{
	if (iw_skip(&s, "connection from ")) {
		if (iw_set_source(l, iw_until(s, ' '))) {
			l->kind = IW_KIND_SSH_PROBE;
			l->reason = IW_LIT("timeout");
		}
		return;
	}
	iw_probe_at(c, l, s, IW_LIT("timeout"));
}

/* "Connection from [invalid|authenticating user USER ]A port N: why" */
static inline void iw_sshd_fatal_connection(struct iw_connection *c, struct iw_line *l, struct iw_span s)
{
	struct iw_span cut;
	long colon;

	if (!iw_skip(&s, "Connection from "))
		return;
	if (!iw_skip_invalid(&s) && !iw_skip(&s, "authenticating user ") && !iw_skip(&s, "user ")) {
		iw_probe_at(c, l, s, IW_LIT("protocol_error"));
		return;
	}
	colon = iw_find_last(s, IW_LIT(": "), s.len);
	cut = (struct iw_span){ s.at, colon < 0 ? s.len : (size_t)colon };
	if (iw_user_endpoint(cut, l) || c->family)
		iw_probe(c, l, IW_LIT("protocol_error"));
}

static inline void iw_sshd_connection(struct iw_connection *c, struct iw_line *l, struct iw_span s)
{
	if (iw_skip(&s, "closed by ") || iw_skip(&s, "reset by ")) {
		iw_sshd_closed(c, l, s);
	} else if (iw_skip(&s, "from ")) {
		/* LogLevel VERBOSE: says nothing itself, but gives later lines their address. */
		iw_begin(c);
		iw_endpoint(s, l, 0);
		c->flags = c->pam_failures = 0;
		c->family = 0;
		iw_share_source(c, l);
	}
}

static inline void iw_auth_failed(struct iw_connection *c, struct iw_line *l, struct iw_span reason)
{
	iw_share_source(c, l);
	l->kind = IW_KIND_AUTH_FAILED;
	l->reason = reason;
}

static inline void iw_sshd_max_attempts(struct iw_connection *c, struct iw_line *l, struct iw_span s)
{
	iw_skip_invalid(&s);
	if (iw_user_from(s, l, IW_TAIL_SSH, 0))
		iw_auth_failed(c, l, IW_LIT("max_attempts"));
}

static inline void iw_sshd_authentication(struct iw_connection *c, struct iw_line *l, struct iw_span s)
{
	long at = iw_find(s, IW_LIT(" with correct key but not from a permitted host (host="), 0), ip;
	struct iw_span address;

	if (!iw_skip(&s, "tried for ") || at < 0)
		return;
	l->user = (struct iw_span){ s.at, (size_t)at - 10 };
	ip = iw_find(s, IW_LIT(", ip="), (size_t)at - 10);
	if (ip >= 0) {
		address = iw_until(iw_until(iw_span_from(s, (size_t)ip + 5), ')'), ',');
		iw_set_source(l, address);
	}
	iw_auth_failed(c, l, IW_LIT("key_not_permitted"));
}

static inline void iw_sshd_kex(struct iw_connection *c, struct iw_line *l, struct iw_span s)
{
	iw_probe(c, l, iw_find(s, IW_LIT("invalid protocol identifier"), 0) >= 0 ? IW_LIT("bad_banner") :
										  IW_LIT("no_banner"));
	if (!l->family)
		c->flags = (c->flags & ~IW_CONN_COUNTED) | IW_CONN_PROBED;
}

static inline void iw_sshd_access_denied(struct iw_connection *c, struct iw_line *l, struct iw_span s)
{
	long at = iw_find_last(s, IW_LIT(" by PAM account configuration"), s.len);

	if (at < 0)
		return;
	l->user = (struct iw_span){ s.at, (size_t)at };
	iw_auth_failed(c, l, IW_LIT("account_denied"));
}

static inline void iw_sshd_bad(struct iw_connection *c, struct iw_line *l, struct iw_span s)
{
	if (iw_user_from(s, l, IW_TAIL_NONE, 0)) {
		l->user.len = 0; /* the client's greeting, no user */
		iw_probe(c, l, IW_LIT("bad_banner"));
	}
}

/* "SSH: Server;Ltype: Kex;Remote: A-port;..." (HPN patches): says nothing itself, but knows the address. */
static inline void iw_sshd_hpn(struct iw_connection *c, struct iw_line *l, struct iw_span s)
{
	long at = iw_find(s, IW_LIT(";Remote: "), 0);
	const char *dash;

	if (at < 0)
		return;
	s = iw_until(iw_span_from(s, (size_t)at + 9), ';');
	dash = memrchr(s.at, '-', s.len);
	if (dash && iw_set_source(l, (struct iw_span){ s.at, (size_t)(dash - s.at) }))
		iw_share_source(c, l);
}

static inline void iw_sshd_rest(struct iw_connection *c, struct iw_line *l, struct iw_span s)
{
	if (iw_skip(&s, "Did not receive identification string from "))
		iw_probe_at(c, l, s, IW_LIT("no_banner"));
	else if (iw_skip(&s, "banner exchange: Connection from "))
		iw_probe_at(c, l, s, IW_LIT("bad_banner"));
	else if (iw_skip(&s, "Bad protocol version identification "))
		iw_sshd_bad(c, l, s);
	else if (iw_skip(&s, "Protocol major versions differ for "))
		iw_probe_at(c, l, s, IW_LIT("bad_banner"));
	else if (iw_skip(&s, "Unable to negotiate with "))
		iw_probe_at(c, l, s, IW_LIT("no_matching_algorithm"));
	else if (iw_starts(s, "Unable to negotiate a ") || iw_starts(s, "no matching "))
		iw_probe(c, l, IW_LIT("no_matching_algorithm"));
	else if (iw_starts(s, "kex_exchange_identification: "))
		iw_sshd_kex(c, l, s);
	else if (iw_starts(s, "Read from socket failed: "))
		iw_probe(c, l, IW_LIT("connection_lost"));
	else if (iw_skip(&s, "ssh_dispatch_run_fatal: "))
		iw_sshd_fatal_connection(c, l, s);
	else if (iw_skip(&s, "Timeout before authentication for "))
		iw_sshd_timeout(c, l, s);
	else if (iw_skip(&s, "drop connection "))
		iw_sshd_dropped(c, l, s);
	else if (iw_skip(&s, "refused connect from "))
		iw_sshd_bracketed(c, l, s, '(', ')', IW_LIT("refused"));
	else if (iw_skip(&s, "reverse mapping checking getaddrinfo for "))
		iw_sshd_bracketed(c, l, s, '[', ']', IW_LIT("reverse_mapping"));
	else if (iw_skip(&s, "Address ") && iw_find(s, IW_LIT(" maps to "), 0) >= 0)
		iw_probe_at(c, l, s, IW_LIT("reverse_mapping"));
	else if (iw_skip(&s, "maximum authentication attempts exceeded for "))
		iw_sshd_max_attempts(c, l, s);
	else if (iw_skip(&s, "ROOT LOGIN REFUSED FROM ")) {
		iw_endpoint(s, l, 0);
		l->user = IW_LIT("root");
		iw_auth_failed(c, l, IW_LIT("root_refused"));
	} else if (iw_skip(&s, "Access denied for user "))
		iw_sshd_access_denied(c, l, s);
	else if (iw_skip(&s, "Authentication "))
		iw_sshd_authentication(c, l, s);
	else if (iw_starts(s, "SSH: Server;"))
		iw_sshd_hpn(c, l, s);
}

/* One message of sshd, sshd-session or sshd-auth. `s` has neither suffix nor severity any more. */
static inline void iw_sshd(struct iw_auth *auth, struct iw_line *l, struct iw_span s)
{
	struct iw_connection *c = iw_connection_of(auth, l);

	if (iw_starts(s, "kernel:")) { /* a journal that puts the console's mark first: "kernel:[  9.5]: " */
		s = iw_until(s, ']').len < s.len ? iw_span_from(s, iw_until(s, ']').len + 1) : s;
		iw_skip(&s, ":");
		s = iw_trim(s);
	}
	if (iw_ends(s, " [preauth]")) {
		l->preauth = 1;
		s.len -= 10;
	}
	if (!iw_skip(&s, "error: "))
		iw_skip(&s, "fatal: ");
	if (iw_skip(&s, "Failed "))
		iw_sshd_failed(c, l, s);
	else if (iw_skip(&s, "Accepted "))
		iw_sshd_accepted(c, l, s);
	else if (iw_skip(&s, "Invalid user ") || iw_skip(&s, "Illegal user ")) {
		if (iw_user_from(s, l, IW_TAIL_NONE, 0))
			iw_sshd_refused_user(c, l, IW_LIT("invalid_user"));
	} else if (iw_skip(&s, "Connection "))
		iw_sshd_connection(c, l, s);
	else if (iw_skip(&s, "Disconnected from "))
		iw_sshd_closed(c, l, s);
	else if (iw_skip(&s, "Received disconnect from "))
		iw_sshd_received(c, l, s);
	else if (iw_skip(&s, "Disconnecting"))
		iw_sshd_disconnecting(c, l, s.len && s.at[0] == ' ' ? iw_span_from(s, 1) : s);
	else if (iw_skip(&s, "User "))
		iw_sshd_not_allowed(c, l, s);
	else if (iw_skip(&s, "PAM: "))
		iw_sshd_pam_error(c, l, s);
	else
		iw_sshd_rest(c, l, s);
}

#endif /* IW_AUTHLOG_SSHD_LINES_H */
