/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the web server log parser share: one line's meaning, the parser's state. */
#ifndef IW_WEBLOG_BASE_H
#define IW_WEBLOG_BASE_H

#include "authlog.h"

#define IW_WEB_URL_MAX 8192    /* bytes; nginx and Apache refuse longer request lines unless told otherwise */
#define IW_WEB_HEADER_MAX 4096 /* bytes of a header's text */
#define IW_WEB_NAME_MAX 255

/* What one line turned out to say. Spans point into the line. */
struct iw_web {
	struct iw_line l; /* the frame, the client, the time */
	struct iw_span method, version, vhost, url, path, query, referer, agent;
	struct iw_span level, file, rule, rule_message; /* of an error log */
	uint64_t bytes;
	uint32_t status;
};

struct iw_weblog {
	struct iw_auth frame; /* times, syslog frames, counters */
	/* PERF: a log has the same day and zone on most lines. */
	char day_text[11], zone_text[5];
	int64_t day_s;
};

/* A text in double quotes at the front of `s`; a backslash takes the next quote's meaning. 0 when it does not end. */
static inline int iw_web_quoted(struct iw_span *s, struct iw_span *text)
{
	const char *begin, *end, *p;

	if (!s->len || s->at[0] != '"')
		return 0;
	begin = s->at + 1;
	end = s->at + s->len;
	for (p = begin; p < end && (p = memchr(p, '"', (size_t)(end - p))); p++) {
		const char *back = p;

		while (back > begin && back[-1] == '\\')
			back--;
		if (((p - back) & 1) == 0) {
			*text = (struct iw_span){ begin, (size_t)(p - begin) };
			*s = iw_span_from(*s, (size_t)(p + 1 - s->at));
			return 1;
		}
	}
	return 0;
}

/* "-" is how both servers write that there is nothing. */
static inline struct iw_span iw_web_present(struct iw_span s)
{
	if (s.len == 1 && s.at[0] == '-')
		s.len = 0;
	return s;
}

/* "10/Oct/2000:13:55:36 -0700", 26 bytes */
static inline int iw_web_time(struct iw_weblog *w, const char *p, uint64_t *ts_ns)
{
	int clock = iw_clock(p + 12);

	if (clock < 0 || p[11] != ':' || p[20] != ' ')
		return 0;
	if (memcmp(p, w->day_text, 11) || memcmp(p + 21, w->zone_text, 5)) {
		int day = iw_two(p), month = iw_month(p + 3), century = iw_two(p + 7), year = iw_two(p + 9);
		int hours = iw_two(p + 22), minutes = iw_two(p + 24);

		if (p[2] != '/' || p[6] != '/' || (p[21] != '+' && p[21] != '-') || !month || century < 0 || year < 0 ||
		    hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
			return 0;
		year += century * 100;
		if (year < 1971 || year > 2261 || day < 1 || day > iw_month_days(year, month))
			return 0;
		w->day_s = iw_days(year, month, day) * IW_DAY_S -
			   (p[21] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
		memcpy(w->day_text, p, 11);
		memcpy(w->zone_text, p + 21, 5);
	}
	*ts_ns = (uint64_t)(w->day_s + clock) * IW_NS;
	return 1;
}

#endif /* IW_WEBLOG_BASE_H */
