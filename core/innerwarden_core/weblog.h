/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access logs of nginx and Apache: common, combined, vhost_combined, each bare or in a syslog frame. For error logs see
 * weblog_error.h; one parser reads both, because a syslog file may hold both.
 *
 *   [VHOST[:PORT] ]CLIENT IDENT USER [TIME] "REQUEST" STATUS BYTES[ "REFERER" "USER AGENT"][ more]
 *
 * Both servers put a backslash before a quote that the client sent, so the first ` "` behind a `]` is the request's,
 * whatever name somebody tried to log in with.
 */
#ifndef IW_WEBLOG_H
#define IW_WEBLOG_H

#include "weblog_error.h"

#define IW_WEB_TIME 26 /* bytes between the brackets */

/* Of an address only: a name in this place would be the client's to choose. */
static inline int iw_web_is_address(struct iw_span s)
{
	uint8_t ip[16];
	uint16_t family;

	return iw_parse_ip(s, ip, &family);
}

/* "[VHOST ]CLIENT [IDENT ]USER"; 0 when there is no client. */
static inline int iw_web_who(struct iw_web *r, struct iw_span s)
{
	struct iw_span first = iw_until(s, ' '), rest, second;

	if (first.len == s.len)
		return 0;
	rest = iw_span_from(s, first.len + 1);
	if (!iw_set_source(&r->l, first) || !r->l.family) {
		second = iw_until(rest, ' ');
		/* The first word is no address: a virtual host when an address follows, or when it has a port. */
		if (second.len < rest.len && !iw_is(first, "unix:") &&
		    (iw_web_is_address(second) || memchr(first.at, ':', first.len))) {
			r->l.src_host.len = 0;
			r->vhost = first;
			first = second;
			rest = iw_span_from(rest, second.len + 1);
			if (!iw_set_source(&r->l, first) && !iw_is(first, "-"))
				return 0;
		} else if (!r->l.src_host.len && !iw_is(first, "-") && !iw_is(first, "unix:")) {
			return 0;
		}
	}
	second = iw_until(rest, ' '); /* what identd said: nothing that anybody should believe; some leave it out */
	if (second.len < rest.len)
		rest = iw_span_from(rest, second.len + 1);
	r->l.user = iw_web_present(rest);
	return 1;
}

/* The bracket of `[TIME] "`; `time` gets what is in it, a day of one digit filled up. NULL when there is none. */
static inline const char *iw_web_bracket(struct iw_span s, char *time)
{
	const char *p = s.at, *end = s.at + s.len;

	for (; p < end && (p = memchr(p, '"', (size_t)(end - p))); p++) {
		if (p - s.at <= IW_WEB_TIME + 3 || p[-1] != ' ' || p[-2] != ']')
			continue;
		time[0] = '0';
		if (p[-3 - IW_WEB_TIME] == '[') {
			memcpy(time, p - 2 - IW_WEB_TIME, IW_WEB_TIME);
			return p - 3 - IW_WEB_TIME;
		}
		if (p[-2 - IW_WEB_TIME] == '[') {
			memcpy(time + 1, p - 1 - IW_WEB_TIME, IW_WEB_TIME - 1);
			return p - 2 - IW_WEB_TIME;
		}
	}
	return NULL;
}

/* 0 when the text is no access log line. */
static inline int iw_web_access(struct iw_weblog *w, struct iw_web *r, struct iw_span s)
{
	struct iw_span request, rest;
	char time[IW_WEB_TIME];
	const char *bracket = iw_web_bracket(s, time);
	uint64_t status;

	if (!bracket || bracket == s.at || bracket[-1] != ' ' || !iw_web_time(w, time, &r->l.ts_ns))
		return 0;
	if (!iw_web_who(r, (struct iw_span){ s.at, (size_t)(bracket - 1 - s.at) }))
		return 0;
	rest = iw_span_from(s, (size_t)(bracket - s.at));
	rest = iw_span_from(rest, iw_until(rest, '"').len);
	if (!iw_web_quoted(&rest, &request) || !iw_skip(&rest, " ") || !iw_number(&rest, 999, &status))
		return 0;
	r->status = (uint32_t)status;
	if (iw_skip(&rest, " ") && !iw_skip(&rest, "-") && !iw_number(&rest, INT64_MAX, &r->bytes))
		return 0;
	if (iw_skip(&rest, " ") && iw_web_quoted(&rest, &r->referer)) {
		r->referer = iw_web_present(r->referer);
		if (iw_skip(&rest, " ") && iw_web_quoted(&rest, &r->agent))
			r->agent = iw_web_present(r->agent);
	}
	r->l.message = s;
	iw_web_request_line(r, request);
	return 1;
}

/* Does the line begin as a syslog line does? An access log line begins with a host. */
static inline int iw_web_is_framed(struct iw_span s)
{
	if (s.len < 16)
		return 0;
	return s.at[0] == '<' || (s.at[3] == ' ' && iw_month(s.at)) ||
	       (s.at[4] == '-' && s.at[7] == '-' && s.at[10] == 'T');
}

/* One line without its newline. Bytes written at `out`, 0 when it says nothing. */
static inline size_t iw_web_parse(struct iw_weblog *w, const char *line, size_t length, char *out, size_t room)
{
	struct iw_auth *frame = &w->frame;
	struct iw_span s = { line, length };
	struct iw_web r;
	size_t written;
	int verdict;

	frame->lines++;
	while (s.len && (s.at[s.len - 1] == '\r' || s.at[s.len - 1] == '\n'))
		s.len--;
	if (!s.len) {
		frame->ignored++;
		return 0;
	}
	if (s.len > IW_AUTH_LINE_MAX) {
		frame->too_long++;
		return 0;
	}
	iw_zero(&r, sizeof(r));
	if (iw_web_is_framed(s)) {
		if (!iw_split(frame, &r.l, s)) {
			frame->malformed++;
			return 0;
		}
		s = r.l.message;
	}
	verdict = iw_web_error(w, &r, s);
	if (verdict < 0 && !iw_web_access(w, &r, s)) {
		frame->malformed++;
		return 0;
	}
	written = verdict < 0 ? iw_web_write_request(w, &r, out, room) :
		  verdict	? iw_web_write_error(w, &r, out, room) : 0;
	if (written)
		frame->matched++;
	else
		frame->ignored++;
	return written;
}

#endif /* IW_WEBLOG_H */
