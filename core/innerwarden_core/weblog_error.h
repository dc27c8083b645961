/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error logs, as far as they tell of a client.
 *
 * nginx   2026/11/02 10:00:00 [error] 77#77: *5 SAYS, client: ADDRESS, server: NAME, request: "..."[, host: "..."]
 * Apache  [Mon Nov 02 10:00:00.123456 2026] [core:error] [pid 77:tid 8] [client ADDRESS:PORT] AH00126: SAYS
 * lighttpd 2026-11-02 10:00:00: (mod_auth.c.525) SAYS[,] IP: ADDRESS
 *
 * Apache writes the address before anything that the client chose, lighttpd behind. nginx writes it between a file's name
 * and the request, both the client's, and escapes neither: an address counts only when the line has no second one.
 */
#ifndef IW_WEBLOG_ERROR_H
#define IW_WEBLOG_ERROR_H

#include "weblog_record.h"

/* Seconds of a local "YYYY MM DD" and a clock at `clock`; 0 when they are none. */
static inline int iw_web_local(const struct iw_weblog *w, int year, int month, int day, const char *clock,
			       uint64_t *ts_ns)
{
	int seconds = iw_clock(clock);

	if (seconds < 0 || year < 1971 || year > 2261 || month < 1 || month > 12 || day < 1 ||
	    day > iw_month_days(year, month))
		return 0;
	*ts_ns = (uint64_t)(iw_days(year, month, day) * IW_DAY_S + seconds - w->frame.utc_offset_s) * IW_NS;
	return 1;
}

static inline int iw_web_year(const char *p)
{
	int century = iw_two(p), year = iw_two(p + 2);

	return century < 0 || year < 0 ? -1 : century * 100 + year;
}

/* Text between `begin` and the next `end` in `s`; empty when it is not there. */
static inline struct iw_span iw_web_between(struct iw_span s, struct iw_span begin, struct iw_span end)
{
	struct iw_span none = { 0, 0 };
	long at = iw_find(s, begin, 0), stop;

	if (at < 0)
		return none;
	s = iw_span_from(s, (size_t)at + begin.len);
	stop = iw_find(s, end, 0);
	return stop < 0 ? none : (struct iw_span){ s.at, (size_t)stop };
}

#define IW_BETWEEN(s, begin, end) iw_web_between(s, IW_LIT(begin), IW_LIT(end))
#define IW_HAS(s, text) (iw_find(s, IW_LIT(text), 0) >= 0)

/* ModSecurity says the same in both servers' logs; what it writes about its own audit log is no event. */
static inline int iw_web_modsecurity(struct iw_web *r, struct iw_span s)
{
	if (!IW_HAS(s, "ModSecurity: ") || IW_HAS(s, "ModSecurity: Audit log:"))
		return 0;
	r->rule = IW_BETWEEN(s, "[id \"", "\"]");
	r->rule_message = IW_BETWEEN(s, "[msg \"", "\"]");
	if (IW_HAS(s, "Access denied with "))
		r->l.reason = IW_LIT("modsecurity_denied");
	else if (r->rule.len)
		r->l.reason = IW_LIT("modsecurity_matched");
	return r->l.reason.len != 0;
}

/* What nginx says about a file, a name, a limit. */
static inline void iw_nginx_reason(struct iw_web *r, struct iw_span s)
{
	if (iw_starts(s, "open() \"") || iw_starts(s, "stat() \"")) {
		r->file = IW_BETWEEN(s, "() \"", "\" failed (");
		if (IW_HAS(s, "failed (2: ") || IW_HAS(s, "failed (20: "))
			r->l.reason = IW_LIT("not_found");
		else if (IW_HAS(s, "failed (13: "))
			r->l.reason = IW_LIT("permission_denied");
		else if (IW_HAS(s, "failed (36: "))
			r->l.reason = IW_LIT("malformed_request");
	} else if (iw_starts(s, "\"") && IW_HAS(s, "\" is not found (2: ")) {
		r->file = IW_BETWEEN(s, "\"", "\" is not found (");
		r->l.reason = IW_LIT("not_found");
	} else if (iw_starts(s, "directory index of \"")) {
		r->file = IW_BETWEEN(s, "\"", "\" is forbidden");
		r->l.reason = IW_LIT("forbidden");
	} else if (iw_starts(s, "access forbidden by rule")) {
		r->l.reason = IW_LIT("forbidden");
	} else if (iw_starts(s, "user \"")) {
		struct iw_span mismatch = IW_BETWEEN(s, "user \"", "\": password mismatch");

		r->l.user = mismatch.len ? mismatch : IW_BETWEEN(s, "user \"", "\" was not found in ");
		r->l.reason = mismatch.len ? IW_LIT("wrong_password") : IW_LIT("unknown_user");
	} else if (iw_starts(s, "no user/password was provided")) {
		r->l.reason = IW_LIT("no_credentials");
	} else if (iw_starts(s, "limiting requests") || iw_starts(s, "limiting connections")) {
		r->l.reason = IW_LIT("rate_limited");
	} else if (iw_starts(s, "FastCGI sent in stderr: ") && IW_HAS(s, "Primary script unknown")) {
		r->l.reason = IW_LIT("script_unknown");
	} else if (iw_starts(s, "client sent ") || iw_starts(s, "client intended to send too large ")) {
		r->l.reason = IW_LIT("malformed_request");
	} else if (iw_starts(s, "client login failed: ")) { /* of its mail proxy */
		r->l.reason = IW_LIT("wrong_credentials");
	} else if (iw_starts(s, "SSL_do_handshake() failed")) {
		r->l.reason = IW_LIT("tls_failed");
	}
}

/* ", client: A, server: " of the whole line: an address only when every place like it names the same one. */
static inline struct iw_span iw_nginx_client(struct iw_web *r, struct iw_span s)
{
	static const char mark[] = ", client: ";
	struct iw_span first = { 0, 0 }, text;
	long at = -1, begin = -1;

	while ((at = iw_find(s, IW_LIT(mark), (size_t)(at + 1))) >= 0) {
		text = iw_span_from(s, (size_t)at + sizeof(mark) - 1);
		text = iw_until(text, ',');
		if (begin < 0) {
			begin = at;
			first = text;
		} else if (text.len != first.len || memcmp(text.at, first.at, first.len)) {
			first.len = 0;
			break;
		}
	}
	if (first.len)
		iw_set_source(&r->l, first);
	return begin < 0 ? s : (struct iw_span){ s.at, (size_t)begin };
}

/* 1 an event, 0 a line that says nothing about a client, -1 no line of nginx. */
static inline int iw_nginx_error(struct iw_weblog *w, struct iw_web *r, struct iw_span s)
{
	struct iw_span says;
	uint64_t number;
	const char *p = s.at;

	if (s.len < 24 || p[4] != '/' || p[7] != '/' || p[10] != ' ' || p[19] != ' ' || p[20] != '[')
		return -1;
	if (!iw_web_local(w, iw_web_year(p), iw_two(p + 5), iw_two(p + 8), p + 11, &r->l.ts_ns))
		return -1;
	s = iw_span_from(s, 21);
	r->level = iw_until(s, ']');
	if (r->level.len == s.len || r->level.len > 8)
		return -1;
	s = iw_span_from(s, r->level.len + 1);
	if (!iw_skip(&s, " ") || !iw_number(&s, UINT32_MAX, &number))
		return -1;
	r->l.pid = (uint32_t)number;
	if (!iw_skip(&s, "#") || !iw_number(&s, UINT32_MAX, &number) || !iw_skip(&s, ": "))
		return 0;
	if (iw_skip(&s, "*") && (!iw_number(&s, INT64_MAX, &number) || !iw_skip(&s, " ")))
		return 0;
	r->l.message = s;
	says = iw_nginx_client(r, s);
	if (says.len == s.len)
		return 0;
	iw_web_request_line(r, IW_BETWEEN(s, ", request: \"", "\""));
	r->vhost = IW_BETWEEN(s, ", host: \"", "\"");
	if (!iw_web_modsecurity(r, says))
		iw_nginx_reason(r, says);
	return 1;
}

/* What Apache says, its AH number taken off. */
static inline void iw_apache_reason(struct iw_web *r, struct iw_span s)
{
	struct iw_span rest = s;

	if (iw_skip(&rest, "client denied by server configuration: ")) {
		r->file = rest;
		r->l.reason = IW_LIT("forbidden");
	} else if (iw_skip(&rest, "File does not exist: ")) {
		r->file = rest;
		r->l.reason = IW_LIT("not_found");
	} else if (iw_skip(&rest, "Directory index forbidden by rule: ")) {
		r->file = rest;
		r->l.reason = IW_LIT("forbidden");
	} else if (iw_starts(s, "Cannot serve directory ")) {
		r->file = IW_BETWEEN(s, "directory ", ": No matching");
		r->l.reason = IW_LIT("forbidden");
	} else if (iw_starts(s, "Digest: user `") || iw_starts(s, "user `")) {
		r->l.user = IW_BETWEEN(s, "user `", "'");
		r->l.reason = IW_HAS(s, "password mismatch") ? IW_LIT("wrong_password") : IW_LIT("unknown_user");
	} else if (iw_skip(&rest, "user ")) {
		long at = iw_find_last(rest, IW_LIT(": authentication failure for \""), rest.len);

		r->l.reason = IW_LIT("wrong_password");
		if (at < 0) {
			at = iw_find_last(rest, IW_LIT(" not found: "), rest.len);
			r->l.reason = IW_LIT("unknown_user");
		}
		if (at >= 0)
			r->l.user = (struct iw_span){ rest.at, (size_t)at };
		else
			r->l.reason.len = 0;
	} else if (iw_starts(s, "Digest: ") || iw_starts(s, "client used wrong authentication scheme") ||
		   iw_starts(s, "invalid nonce ") || iw_starts(s, "received invalid opaque")) {
		r->l.reason = IW_LIT("wrong_credentials");
	} else if (IW_HAS(s, "ignoring function definition attempt") || IW_HAS(s, "error importing function definition")) {
		r->l.reason = IW_LIT("shellshock");
	} else if (IW_HAS(s, "not found or unable to stat") || IW_HAS(s, "Primary script unknown")) {
		r->file = IW_BETWEEN(s, "script '", "' not found or");
		if (!r->file.len)
			r->file = IW_BETWEEN(s, "stderr from ", ": script not found");
		r->l.reason = IW_LIT("script_unknown");
	} else if (iw_starts(s, "Invalid URI in request") || iw_starts(s, "Invalid method in request") ||
		   iw_starts(s, "request failed: ") || iw_starts(s, "Client sent malformed Host header")) {
		r->l.reason = IW_LIT("malformed_request");
	}
}

/* "[Mon Nov 02 10:00:00.123456 2026] " */
static inline int iw_apache_time(const struct iw_weblog *w, struct iw_span *s, uint64_t *ts_ns)
{
	struct iw_span time = iw_until(*s, ']');
	const char *p = s->at;

	if (time.len == s->len || time.len < 25 || p[4] != ' ' || p[8] != ' ' || p[11] != ' ' || time.at[time.len - 5] != ' ')
		return 0;
	if (!iw_web_local(w, iw_web_year(time.at + time.len - 4), iw_month(p + 5), iw_two(p + 9), p + 12, ts_ns))
		return 0;
	*s = iw_trim(iw_span_from(*s, time.len + 1));
	return 1;
}

/* "ADDRESS", "ADDRESS:PORT"; Apache puts no brackets around IPv6, so of two readings the one with a port counts. */
static inline void iw_apache_client(struct iw_web *r, struct iw_span s)
{
	const char *colon = memrchr(s.at, ':', s.len);
	uint64_t port;

	if (colon) {
		struct iw_span address = { s.at, (size_t)(colon - s.at) };
		struct iw_span digits = iw_span_from(s, address.len + 1);

		if (iw_number(&digits, 65535, &port) && !digits.len && iw_set_source(&r->l, address)) {
			r->l.port = (uint16_t)port;
			return;
		}
	}
	iw_set_source(&r->l, s);
}

/* 1 an event, 0 a line that says nothing about a client, -1 no line of Apache. `timed`: it begins with its time. */
static inline int iw_apache_error(struct iw_weblog *w, struct iw_web *r, struct iw_span s, int timed)
{
	struct iw_span part;
	const char *colon;
	int client = 0;

	if (timed && !iw_apache_time(w, &s, &r->l.ts_ns))
		return -1;
	while (s.len && s.at[0] == '[' && !iw_starts(s, "[file \"")) {
		part = iw_until(s, ']');
		if (part.len == s.len)
			return r->level.len ? 0 : -1;
		s = iw_trim(iw_span_from(s, part.len + 1));
		part = iw_span_from(part, 1);
		colon = memchr(part.at, ':', part.len);
		if (iw_skip(&part, "client ")) {
			if (!client++)
				iw_apache_client(r, part);
		} else if (iw_skip(&part, "pid ")) {
			uint64_t pid;

			if (iw_number(&part, UINT32_MAX, &pid))
				r->l.pid = (uint32_t)pid;
		} else if (!r->level.len) {
			r->level = colon ? iw_span_from(part, (size_t)(colon + 1 - part.at)) : part;
		}
	}
	if (!r->level.len)
		return -1;
	if (s.len > 9 && iw_starts(s, "AH") && s.at[7] == ':')
		s = iw_trim(iw_span_from(s, 8));
	r->l.message = s;
	if (!client || !s.len)
		return 0;
	if (!iw_web_modsecurity(r, s) && !iw_starts(s, "ModSecurity: "))
		iw_apache_reason(r, s);
	return 1;
}

/* What lighttpd says of logins; a name is the client's, and so is what stands before it. */
static inline void iw_lighttpd_reason(struct iw_web *r, struct iw_span s)
{
	long at;

	if (iw_starts(s, "password doesn't match for ")) {
		at = iw_find_last(s, IW_LIT(" username: "), s.len);
		if (at >= 0)
			r->l.user = iw_span_from(s, (size_t)at + 11);
		r->l.reason = IW_LIT("wrong_password");
	} else if (iw_starts(s, "get_password failed")) {
		r->l.reason = IW_LIT("unknown_user");
	} else if (iw_skip(&s, "digest: auth failed for ")) {
		at = iw_find_last(s, IW_LIT(" : wrong password"), s.len);
		r->l.reason = at < 0 ? IW_LIT("wrong_credentials") : IW_LIT("wrong_password");
		if (at >= 0)
			r->l.user = iw_trim((struct iw_span){ s.at, (size_t)at });
	} else if (iw_starts(s, "digest: auth failed: ")) {
		r->l.reason = IW_LIT("wrong_credentials");
	}
}

/* 1 an event, 0 a line that says nothing about a client, -1 no line of lighttpd. */
static inline int iw_lighttpd_error(const struct iw_weblog *w, struct iw_web *r, struct iw_span s)
{
	const char *p = s.at;
	struct iw_span says;
	long at;

	if (s.len < 24 || p[4] != '-' || p[7] != '-' || p[10] != ' ' || p[19] != ':' || p[20] != ' ')
		return -1;
	if (!iw_web_local(w, iw_web_year(p), iw_two(p + 5), iw_two(p + 8), p + 11, &r->l.ts_ns))
		return -1;
	s = iw_span_from(s, 21);
	at = iw_find(s, IW_LIT(") "), 0); /* "(mod_auth.c.525) ", 1.4.60 without the first parenthesis */
	if (at < 0 || memchr(s.at, ' ', (size_t)at))
		return -1;
	r->l.message = says = iw_span_from(s, (size_t)at + 2);
	at = iw_find_last(says, IW_LIT(" IP: "), says.len);
	if (at < 0 || !iw_set_source(&r->l, iw_span_from(says, (size_t)at + 5)))
		return 0;
	says.len = (size_t)at;
	if (says.len && says.at[says.len - 1] == ',')
		says.len--;
	iw_lighttpd_reason(r, says);
	return r->l.reason.len != 0;
}

/* Which log is it? -1 none of these. In a syslog frame, which has a time, Apache leaves its own out. */
static inline int iw_web_error(struct iw_weblog *w, struct iw_web *r, struct iw_span s)
{
	int timed = s.len > 12 && s.at[4] == ' ' && s.at[8] == ' ';

	if (s.len > 4 && s.at[4] == '-')
		return iw_lighttpd_error(w, r, s);
	if (!s.len || s.at[0] != '[')
		return iw_nginx_error(w, r, s);
	return timed || r->l.program.len ? iw_apache_error(w, r, s, timed) : -1;
}

#endif /* IW_WEBLOG_ERROR_H */
