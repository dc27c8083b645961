/* SPDX-License-Identifier: Apache-2.0 */
/* Dropbear, the other SSH server; services with one fixed form a line are in authlog_service.h. */
#ifndef IW_AUTHLOG_OTHER_H
#define IW_AUTHLOG_OTHER_H

#include "authlog_addr.h"

/* "A:port"; the last colon, because A may be an IPv6 address. */
static inline int iw_source_colon(struct iw_line *l, struct iw_span s)
{
	const char *colon = s.len ? memrchr(s.at, ':', s.len) : NULL;
	struct iw_span port;
	uint64_t value;

	if (!colon)
		return 0;
	port = iw_span_from(s, (size_t)(colon - s.at) + 1);
	if (!iw_number(&port, 65535, &value) || port.len)
		return 0;
	l->port = (uint16_t)value;
	return iw_set_source(l, (struct iw_span){ s.at, (size_t)(colon - s.at) });
}

/* "... 'USER' ... from A:port": the last " from ", and before it what is quoted. */
static inline int iw_dropbear_who(struct iw_line *l, struct iw_span s)
{
	long at = iw_find_last(s, IW_LIT(" from "), s.len);
	const char *open, *close;

	if (at < 0 || !iw_source_colon(l, iw_span_from(s, (size_t)at + 6)))
		return 0;
	s.len = (size_t)at;
	open = memchr(s.at, '\'', s.len);
	close = memrchr(s.at, '\'', s.len);
	if (open && close > open)
		l->user = (struct iw_span){ open + 1, (size_t)(close - open - 1) };
	return 1;
}

static inline void iw_dropbear(struct iw_line *l, struct iw_span s)
{
	long at;

	/* Started by inetd it repeats pid and time: "[825] Jul 10 23:53:52 ". */
	if (iw_starts(s, "[") && (at = iw_find(s, IW_LIT("] "), 0)) > 0 && s.len > (size_t)at + 18)
		s = iw_span_from(s, (size_t)at + 18);
	l->reason = IW_LIT("wrong_password");
	l->method = IW_LIT("password");
	if (iw_skip(&s, "Bad ") || iw_skip(&s, "bad ")) {
		if (iw_dropbear_who(l, s))
			l->kind = IW_KIND_SSH_LOGIN_FAILED;
	} else if (iw_starts(s, "Login attempt ") || iw_starts(s, "login attempt ")) {
		l->reason = IW_LIT("invalid_user");
		if (iw_dropbear_who(l, s))
			l->kind = IW_KIND_SSH_LOGIN_FAILED;
	} else if (iw_starts(s, "Password auth succeeded ") || iw_starts(s, "Pubkey auth succeeded ")) {
		l->reason.len = 0;
		if (s.at[1] == 'u')
			l->method = IW_LIT("publickey");
		if ((at = iw_find(s, IW_LIT("' with key "), 0)) > 0 && (at = iw_find(s, IW_LIT("'"), 0)) > 0)
			l->user = iw_until(iw_span_from(s, (size_t)at + 1), '\'');
		if (iw_dropbear_who(l, s))
			l->kind = IW_KIND_SSH_LOGIN_SUCCESS;
	} else if (iw_starts(s, "Exit before auth")) {
		int max = iw_find(s, IW_LIT("Max auth tries"), 0) >= 0;
		int fronted = iw_starts(s, "Exit before auth from <");
		struct iw_span front = fronted ? iw_until(iw_span_from(s, 23), '>') : s;

		l->method.len = 0;
		l->reason = max ? IW_LIT("max_attempts") : IW_LIT("preauth");
		if (fronted ? iw_source_colon(l, front) : iw_dropbear_who(l, s))
			l->kind = max ? IW_KIND_AUTH_FAILED : IW_KIND_SSH_PROBE;
	}
}

#endif /* IW_AUTHLOG_OTHER_H */
