/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log files that servers write themselves, without syslog. A line is told by the form of its time:
 *
 *   Mon Nov  2 10:00:00 2026 [pid 7] [bob] FAIL LOGIN: ...      vsftpd; OpenVPN before 2.5 without "[pid 7]"
 *   2026-11-02 10:00:00[.123456][Z] ...                         Exim, MySQL, OpenVPN, PostgreSQL, GitLab, ejabberd
 *   2026-11-02 10:00:00,123 host proftpd[7] ...                 ProFTPD
 *   261102 10:00:00 [Warning] ...                               MySQL before 5.7, MariaDB before 10.1
 *   [2026-11-02 10:00:00] NOTICE[7] ..., [Nov  2 10:00:00] ...  Asterisk
 *   [20261102-10:00:00] [INFO ] ...                             xrdp-sesman
 *   [02-Nov-2026 10:00:00 +0100]: ...                           Roundcube
 *   <W>2026-11-02 10:00:00.123 ...                              Murmur
 */
#ifndef IW_AUTHLOG_FILES_H
#define IW_AUTHLOG_FILES_H

#include "authlog_service.h"

/* "Mon Nov  2 10:00:00 2026 ", as ctime(3) writes it; a day of one digit may stand without its blank. */
static inline int iw_time_ctime(const struct iw_auth *auth, struct iw_span *s, uint64_t *ts_ns)
{
	struct iw_span rest = *s;
	uint64_t day, year;
	int month, clock;

	if (s->len < 25 || s->at[3] != ' ' || s->at[7] != ' ' || !(month = iw_month(s->at + 4)))
		return 0;
	rest = iw_trim(iw_span_from(rest, 8));
	if (!iw_number(&rest, 31, &day) || rest.len < 14 || rest.at[0] != ' ' || rest.at[9] != ' ')
		return 0;
	clock = iw_clock(rest.at + 1);
	rest = iw_span_from(rest, 10);
	if (clock < 0 || !iw_number(&rest, 2261, &year) || year < 1971 || !iw_skip(&rest, " ") || !day ||
	    (int)day > iw_month_days((int64_t)year, month))
		return 0;
	*ts_ns = (uint64_t)(iw_days((int64_t)year, month, (int)day) * IW_DAY_S + clock - auth->utc_offset_s) * IW_NS;
	*s = rest;
	return 1;
}

static inline int iw_digits(const char *p, size_t count)
{
	int value = 0;

	for (; count--; p++) {
		if (*p < '0' || *p > '9')
			return -1;
		value = value * 10 + (*p - '0');
	}
	return value;
}

static inline int iw_local_time(const struct iw_auth *auth, int year, int month, int day, int clock, uint64_t *ts_ns)
{
	if (year < 1971 || year > 2261 || month < 1 || month > 12 || day < 1 || day > iw_month_days(year, month) ||
	    clock < 0)
		return 0;
	*ts_ns = (uint64_t)(iw_days(year, month, day) * IW_DAY_S + clock - auth->utc_offset_s) * IW_NS;
	return 1;
}

/* "261102 10:00:00 ", "261102  9:00:00 " */
static inline int iw_time_short(const struct iw_auth *auth, struct iw_span *s, uint64_t *ts_ns)
{
	char clock[8];
	int year;

	if (s->len < 16 || s->at[6] != ' ' || s->at[15] != ' ')
		return 0;
	memcpy(clock, s->at + 7, 8);
	if (clock[0] == ' ')
		clock[0] = '0';
	year = iw_digits(s->at, 2);
	if (year < 0 || !iw_local_time(auth, 2000 + year, iw_digits(s->at + 2, 2), iw_digits(s->at + 4, 2),
				       iw_clock(clock), ts_ns))
		return 0;
	*s = iw_span_from(*s, 16);
	return 1;
}

/* "20261102-10:00:00" in brackets */
static inline int iw_time_joined(const struct iw_auth *auth, struct iw_span s, uint64_t *ts_ns)
{
	return s.len == 17 && s.at[8] == '-' &&
	       iw_local_time(auth, iw_digits(s.at, 4), iw_digits(s.at + 4, 2), iw_digits(s.at + 6, 2),
			     iw_clock(s.at + 9), ts_ns);
}

/* "02-Nov-2026 10:00:00 +0100" in brackets */
static inline int iw_time_dashed(const struct iw_auth *auth, struct iw_span s, uint64_t *ts_ns)
{
	int64_t offset_s;
	struct iw_span zone;
	int month;

	if (s.len != 26 || s.at[2] != '-' || s.at[6] != '-' || s.at[11] != ' ' || s.at[20] != ' ')
		return 0;
	month = iw_month(s.at + 3);
	zone = iw_span_from(s, 21);
	if (!iw_zone(auth, &zone, &offset_s) || zone.len ||
	    !iw_local_time(auth, iw_digits(s.at + 7, 4), month, iw_digits(s.at, 2), iw_clock(s.at + 12), ts_ns))
		return 0;
	*ts_ns += (uint64_t)((auth->utc_offset_s - offset_s) * (int64_t)IW_NS);
	return 1;
}

/* A MySQL line may have an hour of one digit: "2026-11-02  9:00:00 ". */
static inline int iw_time_iso(struct iw_auth *auth, struct iw_span *s, uint64_t *ts_ns)
{
	char text[19];
	struct iw_span rest = { text, sizeof(text) };

	if (iw_time_3339(auth, s, ts_ns))
		return 1;
	if (s->len < 20 || s->at[10] != ' ' || s->at[11] != ' ')
		return 0;
	memcpy(text, s->at, sizeof(text));
	text[11] = '0';
	if (!iw_time_3339(auth, &rest, ts_ns))
		return 0;
	*s = iw_span_from(*s, sizeof(text));
	return 1;
}

static inline int iw_file_as(struct iw_line *l, struct iw_span s, struct iw_span program)
{
	l->program = program;
	l->message = iw_trim(s);
	return 1;
}

/* "host proftpd[7] ..." */
static inline int iw_file_proftpd(struct iw_line *l, struct iw_span s)
{
	struct iw_span host = iw_until(s, ' '), rest = iw_span_from(s, host.len);
	uint64_t pid;

	if (!iw_skip(&rest, " proftpd[") || !iw_number(&rest, UINT32_MAX, &pid) || !iw_skip(&rest, "] "))
		return 0;
	l->host = host;
	l->pid = (uint32_t)pid;
	return iw_file_as(l, rest, IW_LIT("proftpd"));
}

/* Behind an ISO time: whose line is it? What a server's lines have in common settles it. */
static inline int iw_file_iso(struct iw_line *l, struct iw_span s)
{
	struct iw_span first, rest = s;
	uint64_t number;

	if (iw_file_proftpd(l, s))
		return 1;
	if (iw_skip(&rest, ": ") && iw_starts(rest, "Failed Login: "))
		return iw_file_as(l, rest, IW_LIT("gitlab"));
	rest = s;
	if (iw_find(s, IW_LIT("FATAL:  "), 0) >= 0 || iw_find(s, IW_LIT("connection received: host="), 0) >= 0) {
		/* "UTC [7] ...", the beginning of Debian's log_line_prefix */
		rest = iw_span_from(s, iw_until(s, '[').len);
		if (iw_skip(&rest, "[") && iw_number(&rest, UINT32_MAX, &number) && iw_starts(rest, "]"))
			l->pid = (uint32_t)number;
		return iw_file_as(l, s, IW_LIT("postgres"));
	}
	if (iw_find(s, IW_LIT("Access denied for user '"), 0) >= 0)
		return iw_file_as(l, s, IW_LIT("mysqld"));
	if (iw_starts(s, "[") && iw_find(s, IW_LIT("@ejabberd_"), 0) >= 0) /* "[info] <0.7.0>@ejabberd_c2s:..." */
		return iw_file_as(l, s, IW_LIT("ejabberd"));
	first = iw_until(s, ' ');
	if ((first.len < s.len && memchr(first.at, ':', first.len) && first.at[0] != '[' && !iw_starts(s, "H=")) ||
	    iw_starts(s, "TLS Error: "))
		return iw_file_as(l, s, IW_LIT("openvpn"));
	return iw_file_as(l, s, IW_LIT("exim"));
}

static inline int iw_file_bracketed(struct iw_auth *auth, struct iw_line *l, struct iw_span s)
{
	struct iw_span time = iw_until(s, ']'), rest;

	if (time.len == s.len)
		return 0;
	rest = iw_span_from(s, time.len + 1);
	time = iw_span_from(time, 1);
	if (iw_time_joined(auth, time, &l->ts_ns))
		return iw_file_as(l, rest, IW_LIT("xrdp-sesman"));
	if (iw_time_dashed(auth, time, &l->ts_ns) && iw_skip(&rest, ": "))
		return iw_file_as(l, rest, IW_LIT("roundcube"));
	if ((iw_time_iso(auth, &time, &l->ts_ns) || iw_time_3164(auth, &time, &l->ts_ns)) && !time.len)
		return iw_file_as(l, rest, IW_LIT("asterisk"));
	return 0;
}

/* One line of such a file -> time, program, message; 0 when it is none. */
static inline int iw_file_line(struct iw_auth *auth, struct iw_line *l, struct iw_span s)
{
	uint64_t pid;

	if (s.at[0] == '[')
		return iw_file_bracketed(auth, l, s);
	if (iw_skip(&s, "<W>"))
		return iw_time_iso(auth, &s, &l->ts_ns) && iw_file_as(l, s, IW_LIT("murmurd"));
	if (s.len && s.at[0] >= '0' && s.at[0] <= '9') {
		if (iw_time_short(auth, &s, &l->ts_ns))
			return iw_file_as(l, s, IW_LIT("mysqld"));
		return iw_time_iso(auth, &s, &l->ts_ns) && iw_file_iso(l, iw_trim(s));
	}
	if (!iw_time_ctime(auth, &s, &l->ts_ns))
		return 0;
	if (iw_skip(&s, "[pid ") && iw_number(&s, UINT32_MAX, &pid) && iw_skip(&s, "] ")) {
		l->pid = (uint32_t)pid;
		return iw_file_as(l, s, IW_LIT("vsftpd"));
	}
	return iw_file_as(l, s, IW_LIT("openvpn"));
}

#endif /* IW_AUTHLOG_FILES_H */
