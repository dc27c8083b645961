/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sshd's own lines, OpenSSH 7.4 to 10 (and what older ones and Solaris still write).
 *
 * The client chooses the user name and its software's greeting, so an address is never the first thing that
 * looks like one: a line that ends in its address is read from the end. Lines that name an account which
 * exists ("Accepted") carry no text of the client before the address and are read from the front, because
 * a certificate's id may follow it.
 */
#ifndef IW_AUTHLOG_SSHD_H
#define IW_AUTHLOG_SSHD_H

#include "authlog_addr.h"
#include "authlog_connection.h"

/* What may stand between the address and the line's end. */
enum iw_tail {
	IW_TAIL_NONE,
	IW_TAIL_SSH,  /* " ssh2" */
	IW_TAIL_KEY,  /* " ssh2: RSA SHA256:..." */
	IW_TAIL_VIA,  /* " via 192.0.2.1" */
};

static inline int iw_tail_fits(struct iw_span rest, enum iw_tail tail)
{
	if (tail == IW_TAIL_VIA && iw_starts(rest, " via ")) {
		rest = iw_span_from(rest, 5);
		return rest.len && !memchr(rest.at, ' ', rest.len);
	}
	if (tail == IW_TAIL_SSH || tail == IW_TAIL_KEY) {
		if (iw_starts(rest, " ssh2") || iw_starts(rest, " ssh1"))
			rest = iw_span_from(rest, 5);
		if (tail == IW_TAIL_KEY && iw_starts(rest, ": "))
			return 1;
	}
	return !rest.len;
}

/*
 * "USER from A[ port N]TAIL": the last " from " that ends at or before `end` and whose right side is exactly
 * that. Sets user and source.
 */
static inline int iw_user_from_before(struct iw_span s, size_t end, struct iw_line *l, enum iw_tail tail,
				      int need_port)
{
	long at;

	while ((at = iw_find_last(s, IW_LIT(" from "), end)) >= 0) {
		struct iw_span rest = iw_endpoint(iw_span_from(s, (size_t)at + 6), l, need_port);

		if (rest.at && iw_tail_fits(rest, tail)) {
			l->user = (struct iw_span){ s.at, (size_t)at };
			return 1;
		}
		iw_clear_source(l);
		end = (size_t)at + 5; /* " from from 192.0.2.1": the two share a space */
	}
	if (iw_starts(s, "from ")) {
		struct iw_span rest = iw_endpoint(iw_span_from(s, 5), l, need_port);

		if (rest.at && iw_tail_fits(rest, tail)) {
			l->user = (struct iw_span){ s.at, 0 };
			return 1;
		}
		iw_clear_source(l);
	}
	return 0;
}

/* "[USER ]A port N" at the end of `s`, as closing lines of OpenSSH 7.5 and later have it. */
static inline int iw_user_endpoint(struct iw_span s, struct iw_line *l)
{
	long port_at = iw_find_last(s, IW_LIT(" port "), s.len);
	struct iw_span head, rest;
	const char *space;

	if (port_at < 0)
		return 0;
	head = (struct iw_span){ s.at, (size_t)port_at };
	space = memrchr(head.at, ' ', head.len);
	head.len = space ? (size_t)(space - head.at) : 0;
	rest = iw_endpoint(iw_span_from(s, space ? head.len + 1 : 0), l, 1);
	if (rest.at && !rest.len) {
		l->user = head;
		return 1;
	}
	iw_clear_source(l);
	return 0;
}

static inline int iw_user_from(struct iw_span s, struct iw_line *l, enum iw_tail tail, int need_port)
{
	return iw_user_from_before(s, s.len, l, tail, need_port);
}

static inline int iw_skip_invalid(struct iw_span *s)
{
	return iw_skip(s, "invalid user ") || iw_skip(s, "illegal user ");
}

/*
 * Two places fit: a name may end as an address does, and old servers wrote the client's own words behind it. The
 * connection has one peer, and its process said before which one: that place counts.
 */
static inline void iw_sshd_prefer_peer(const struct iw_connection *c, struct iw_line *l, struct iw_span s)
{
	struct iw_line other;

	if (!c->family || (c->flags & IW_CONN_ENDED) || (l->family == c->family && !memcmp(l->ip, c->ip, 16)))
		return;
	other = *l;
	if (iw_user_from_before(s, l->user.len + 5, &other, IW_TAIL_KEY, 1) && other.family == c->family &&
	    !memcmp(other.ip, c->ip, 16) && (!c->port || other.port == c->port))
		*l = other;
}

/* "Failed METHOD for [invalid user ]USER from A port N ssh2[: KEY]" */
static inline void iw_sshd_failed(struct iw_connection *c, struct iw_line *l, struct iw_span s)
{
	int invalid, keyed;

	l->method = iw_until(s, ' ');
	s = iw_span_from(s, l->method.len);
	if (!iw_skip(&s, " for "))
		return;
	invalid = iw_skip_invalid(&s);
	keyed = iw_is(l->method, "publickey") || iw_is(l->method, "hostbased");
	if (!iw_user_from(s, l, keyed ? IW_TAIL_KEY : IW_TAIL_SSH, 1) && !iw_user_from(s, l, IW_TAIL_KEY, 1))
		return;
	if (!keyed)
		iw_sshd_prefer_peer(c, l, s);
	if (keyed && l->user.len) {
		/* Certificate ids and hostbased names are the client's too and stand behind the address: when two
		 * places fit, neither is believed and the connection's earlier lines say where it came from. */
		struct iw_line other;

		if (iw_user_from_before(s, l->user.len + 5, &other, IW_TAIL_KEY, 1))
			iw_clear_source(l);
	}
	if (iw_is(l->user, "<invalid username>")) {
		invalid = 1;
		l->user.len = 0;
	}
	iw_begin(c);
	iw_share_source(c, l);
	c->flags = (c->flags & ~IW_CONN_INVALID) | IW_CONN_COUNTED;
	l->kind = IW_KIND_SSH_LOGIN_FAILED;
	if (c->pam_failures && iw_starts(l->method, "keyboard-interactive")) {
		c->pam_failures -= l->repeat < c->pam_failures ? l->repeat : c->pam_failures;
		l->kind = IW_KIND_AUTH_FAILED;
	}
	if (invalid) {
		l->reason = IW_LIT("invalid_user");
	} else if (keyed) {
		/* An agent offers each of its keys in turn: no guess of a secret. */
		l->kind = IW_KIND_AUTH_FAILED;
		l->reason = IW_LIT("key_refused");
	} else {
		l->reason = iw_is(l->method, "password") || iw_starts(l->method, "keyboard") ?
				    IW_LIT("wrong_password") : IW_LIT("refused");
	}
}

/* "Accepted METHOD for USER from A port N ssh2[: KEY]" */
static inline void iw_sshd_accepted(struct iw_connection *c, struct iw_line *l, struct iw_span s)
{
	struct iw_span rest;
	long at;

	l->method = iw_until(s, ' ');
	s = iw_span_from(s, l->method.len);
	if (!iw_skip(&s, " for "))
		return;
	at = iw_find(s, IW_LIT(" from "), 0);
	if (at < 0)
		return;
	rest = iw_endpoint(iw_span_from(s, (size_t)at + 6), l, 1);
	if (!rest.at || !iw_tail_fits(rest, IW_TAIL_KEY))
		return;
	l->user = (struct iw_span){ s.at, (size_t)at };
	l->kind = IW_KIND_SSH_LOGIN_SUCCESS;
	iw_begin(c);
	iw_share_source(c, l);
	c->flags = IW_CONN_COUNTED;
}

/* "Invalid user USER from A[ port N]", "User USER[ from A] not allowed because ..." */
static inline void iw_sshd_refused_user(struct iw_connection *c, struct iw_line *l, struct iw_span reason)
{
	iw_begin(c);
	iw_share_source(c, l);
	l->reason = reason;
	/* A second one of the same process without a verdict in between: the first was an attempt of its own. */
	l->kind = c->flags & IW_CONN_INVALID ? IW_KIND_SSH_LOGIN_FAILED : IW_KIND_SSH_PROBE;
	c->flags |= IW_CONN_INVALID;
}

static inline void iw_sshd_not_allowed(struct iw_connection *c, struct iw_line *l, struct iw_span s)
{
	long at = iw_find_last(s, IW_LIT(" not allowed because "), s.len);

	if (at < 0)
		return;
	s.len = (size_t)at;
	if (!iw_user_from(s, l, IW_TAIL_NONE, 0))
		l->user = s;
	iw_sshd_refused_user(c, l, IW_LIT("not_allowed"));
}

/* "PAM: Authentication failure for [illegal user ]USER from A[ via B]": one line for each failed dialogue. */
static inline void iw_sshd_pam_error(struct iw_connection *c, struct iw_line *l, struct iw_span s)
{
	long at = iw_find(s, IW_LIT(" for "), 0);
	int invalid;

	if (at < 0)
		return;
	s = iw_span_from(s, (size_t)at + 5);
	invalid = iw_skip_invalid(&s);
	if (!iw_user_from(s, l, IW_TAIL_VIA, 0))
		return;
	iw_begin(c);
	iw_share_source(c, l);
	c->flags = (c->flags & ~IW_CONN_INVALID) | IW_CONN_COUNTED;
	if (c->pam_failures < 1000)
		c->pam_failures += l->repeat < 1000 ? l->repeat : 1000;
	l->kind = IW_KIND_SSH_LOGIN_FAILED;
	l->method = IW_LIT("keyboard-interactive/pam");
	l->reason = invalid ? IW_LIT("invalid_user") : IW_LIT("wrong_password");
}

static inline void iw_probe(struct iw_connection *c, struct iw_line *l, struct iw_span reason)
{
	iw_share_source(c, l);
	l->kind = IW_KIND_SSH_PROBE;
	l->reason = reason;
	c->flags |= IW_CONN_COUNTED;
}

/* A connection's end: the attempt itself when a refused user had no verdict yet, a probe when nothing was tried. */
static inline void iw_sshd_end(struct iw_connection *c, struct iw_line *l, int invalid, int last)
{
	iw_begin(c);
	iw_share_source(c, l);
	l->kind = IW_KIND_SSH_DISCONNECT;
	l->reason = l->preauth ? IW_LIT("preauth") : IW_LIT("closed");
	if ((c->flags & IW_CONN_INVALID) || (invalid && !(c->flags & IW_CONN_COUNTED))) {
		l->kind = IW_KIND_SSH_LOGIN_FAILED;
		l->reason = IW_LIT("invalid_user");
	} else if ((l->preauth || (c->flags & IW_CONN_PROBED)) && !(c->flags & IW_CONN_COUNTED)) {
		l->kind = IW_KIND_SSH_PROBE;
	}
	c->flags = (c->flags & ~IW_CONN_INVALID) | IW_CONN_COUNTED | (last ? IW_CONN_ENDED : 0);
}

/* "Connection closed by ...", "Connection reset by ...", "Disconnected from ..." */
static inline void iw_sshd_closed(struct iw_connection *c, struct iw_line *l, struct iw_span s)
{
	int invalid = iw_skip_invalid(&s), named = invalid;
	struct iw_span rest;

	if (!named)
		named = iw_skip(&s, "authenticating user ") || iw_skip(&s, "user ");
	if (named) {
		if (!iw_user_endpoint(s, l))
			return;
	} else {
		rest = iw_endpoint(s, l, 0);
		if (!rest.at || rest.len) {
			iw_clear_source(l);
			return;
		}
	}
	iw_sshd_end(c, l, invalid, 1);
}

/* "Received disconnect from A[ port N]:11: text": `text` is the client's. */
static inline void iw_sshd_received(struct iw_connection *c, struct iw_line *l, struct iw_span s)
{
	struct iw_span token = iw_until(s, ' '), rest;
	struct iw_span tail = iw_span_from(s, token.len);
	uint64_t port = 0;

	if (iw_skip(&tail, " port ") && iw_number(&tail, 65535, &port)) {
		if (!iw_starts(tail, ":") || !iw_set_source(l, token))
			return;
		l->port = (uint16_t)port;
	} else {
		rest = iw_endpoint(s, l, 0);
		if (!rest.at || !iw_starts(rest, ":")) {
			iw_clear_source(l);
			return;
		}
	}
	iw_sshd_end(c, l, 0, 0);
	if (l->kind == IW_KIND_SSH_DISCONNECT)
		l->reason = IW_LIT("client_disconnect");
}

#define IW_TOO_MANY ": Too many authentication failures"
#define IW_USERNAME_CHANGE ": Change of username or service not allowed"

/* "Disconnecting [invalid|authenticating user USER A port N]: why" */
static inline void iw_sshd_disconnecting(struct iw_connection *c, struct iw_line *l, struct iw_span s)
{
	static const struct iw_span marks[] = {
		{ IW_TOO_MANY, sizeof(IW_TOO_MANY) - 1 },
		{ IW_USERNAME_CHANGE, sizeof(IW_USERNAME_CHANGE) - 1 },
	};
	int invalid = iw_skip_invalid(&s);
	size_t n;

	if (invalid || iw_skip(&s, "authenticating user ")) {
		for (n = 0; n < 2; n++) {
			long at = iw_find(s, marks[n], 0);

			/* Twice: the client wrote one of them, so nothing here can be trusted. */
			if (at < 0 || iw_find(s, marks[n], (size_t)at + 1) >= 0)
				continue;
			iw_user_endpoint((struct iw_span){ s.at, (size_t)at }, l);
			break;
		}
		if (!l->family && !iw_user_endpoint(s, l) && !c->family)
			return;
	} else if (!iw_starts(s, ": ") && !iw_starts(s, "from ")) {
		return;
	}
	/* Whoever is thrown out for nonsense before a login probes, whether or not the suffix says preauth. */
	l->preauth |= iw_starts(s, ": bad ");
	iw_sshd_end(c, l, invalid, 0);
	if (l->kind == IW_KIND_SSH_LOGIN_FAILED)
		return;
	if (iw_find(s, IW_LIT("Too many authentication failures"), 0) >= 0)
		l->reason = IW_LIT("too_many_failures");
	else if (iw_find(s, IW_LIT("Change of username"), 0) >= 0)
		l->reason = IW_LIT("username_change");
	else
		l->reason = IW_LIT("protocol_error");
}

#endif /* IW_AUTHLOG_SSHD_H */
