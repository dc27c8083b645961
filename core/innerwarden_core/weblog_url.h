/* SPDX-License-Identifier: Apache-2.0 */
/* The request line: method, target, version; and the target as the application will understand it. */
#ifndef IW_WEBLOG_URL_H
#define IW_WEBLOG_URL_H

#include "weblog_base.h"

#define IW_WEB_LAYERS 3 /* of percent-encoding that are taken off; applications take one or two */

static inline int iw_web_is_method(struct iw_span s)
{
	size_t n;

	if (!s.len || s.len > 32)
		return 0;
	for (n = 0; n < s.len; n++)
		if (!((s.at[n] >= 'A' && s.at[n] <= 'Z') || s.at[n] == '-' || s.at[n] == '_'))
			return 0;
	return 1;
}

/* path and query of an origin-form or absolute-form target (RFC 9112 3.2) */
static inline void iw_web_split_url(struct iw_web *r)
{
	struct iw_span rest = r->url;
	long at = iw_find(rest, IW_LIT("://"), 0);
	const char *mark;

	if (!iw_starts(rest, "/")) {
		if (at <= 0 || at > 16) {
			if (iw_is(rest, "*"))
				r->path = rest;
			return;
		}
		rest = iw_span_from(rest, (size_t)at + 3);
		mark = memchr(rest.at, '/', rest.len);
		if (!mark)
			return;
		rest = iw_span_from(rest, (size_t)(mark - rest.at));
	}
	mark = memchr(rest.at, '?', rest.len);
	r->path = rest;
	if (mark) {
		r->path.len = (size_t)(mark - rest.at);
		r->query = iw_span_from(rest, r->path.len + 1);
	}
}

/*
 * "GET /a?b HTTP/1.1". A client sends what it likes: blanks inside the target belong to it, and what is no request
 * at all leaves method and url absent.
 */
static inline void iw_web_request_line(struct iw_web *r, struct iw_span s)
{
	struct iw_span method, target, version = { 0, 0 };
	long at;

	if (!s.len)
		return;
	method = iw_until(s, ' ');
	if (method.len == s.len || !iw_web_is_method(method))
		return;
	target = iw_span_from(s, method.len + 1);
	at = iw_find_last(target, IW_LIT(" HTTP/"), target.len);
	if (at > 0) {
		version = iw_span_from(target, (size_t)at + 6);
		target.len = (size_t)at;
	} else if (!iw_starts(target, "/")) {
		return; /* RFC 1945 4.1: a simple request has a path */
	}
	if (!target.len || version.len > 16)
		return;
	r->method = method;
	r->version = version;
	r->url = target;
	iw_web_split_url(r);
}

static inline int iw_web_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes `\xHH`, `\"` and `\\` of the logs away; returns bytes at `out`, never more than there were. */
static inline size_t iw_web_unescape(char *out, struct iw_span s)
{
	size_t n = 0, used = 0;

	while (n < s.len) {
		if (s.at[n] == '\\' && n + 3 < s.len && s.at[n + 1] == 'x' && iw_web_hex(s.at[n + 2]) >= 0 &&
		    iw_web_hex(s.at[n + 3]) >= 0) {
			out[used++] = (char)(iw_web_hex(s.at[n + 2]) << 4 | iw_web_hex(s.at[n + 3]));
			n += 4;
		} else if (s.at[n] == '\\' && n + 1 < s.len && (s.at[n + 1] == '"' || s.at[n + 1] == '\\')) {
			out[used++] = s.at[n + 1];
			n += 2;
		} else {
			out[used++] = s.at[n++];
		}
	}
	return used;
}

/* One layer of percent-encoding, in place; `plus`: a plus in the query is a blank (a form's encoding). */
static inline size_t iw_web_unpercent(char *text, size_t size, int plus)
{
	size_t n = 0, used = 0;
	int in_query = 0;

	while (n < size) {
		if (text[n] == '%' && n + 2 < size && iw_web_hex(text[n + 1]) >= 0 && iw_web_hex(text[n + 2]) >= 0) {
			text[used++] = (char)(iw_web_hex(text[n + 1]) << 4 | iw_web_hex(text[n + 2]));
			n += 3;
			continue;
		}
		in_query |= text[n] == '?';
		text[used++] = plus && in_query && text[n] == '+' ? ' ' : text[n];
		n++;
	}
	return used;
}

/* The url as text; `out` has room for as many bytes as `url` has. */
static inline size_t iw_web_decode(char *out, struct iw_span url)
{
	size_t size = iw_web_unescape(out, url), before;
	int layer;

	for (layer = 0; layer < IW_WEB_LAYERS; layer++) {
		before = size;
		size = iw_web_unpercent(out, size, layer == 0);
		if (size == before)
			break;
	}
	return size;
}

#endif /* IW_WEBLOG_URL_H */
