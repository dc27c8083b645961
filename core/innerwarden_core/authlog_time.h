/* SPDX-License-Identifier: Apache-2.0 */
/* Times at the front of a log line: RFC 3164 (no year, no zone) and RFC 3339. */
#ifndef IW_AUTHLOG_TIME_H
#define IW_AUTHLOG_TIME_H

#include "authlog_base.h"

#define IW_DAY_S 86400
#define IW_NS 1000000000ULL

static inline int iw_is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static inline int iw_month_days(int64_t year, int month)
{
	static const uint8_t days[13] = { 0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month] + (month == 2 && iw_is_leap(year));
}

/* Days since 1970-01-01 of a proleptic Gregorian date, year >= 1970. */
static inline int64_t iw_days(int64_t year, int month, int day)
{
	static const uint16_t before[13] = { 0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	int64_t y = year - 1;

	return (year - 1970) * 365 + (y / 4 - y / 100 + y / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400) +
	       before[month] + (month > 2 && iw_is_leap(year)) + day - 1;
}

static inline int64_t iw_year_of(int64_t seconds)
{
	int64_t days = seconds / IW_DAY_S, year = 1970 + days / 366;

	while (iw_days(year + 1, 1, 1) <= days)
		year++;
	return year;
}

static inline int iw_two(const char *p)
{
	unsigned int high = (unsigned int)(p[0] - '0'), low = (unsigned int)(p[1] - '0');

	return high > 9 || low > 9 ? -1 : (int)(high * 10 + low);
}

/* "HH:MM:SS" (eight bytes must be there) -> seconds of the day, or -1. A leap second is the next one. */
static inline int iw_clock(const char *p)
{
	int h = iw_two(p), m = iw_two(p + 3), s = iw_two(p + 6);

	if (p[2] != ':' || p[5] != ':' || h < 0 || h > 23 || m < 0 || m > 59 || s < 0 || s > 60)
		return -1;
	return h * 3600 + m * 60 + s;
}

static inline int iw_month(const char *p)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int n;

	for (n = 0; n < 12; n++)
		if (!memcmp(p, names + 3 * n, 3))
			return n + 1;
	return 0;
}

/*
 * Local midnight of month and day in the newest year that is not in the future. A day of tolerance covers
 * clocks and zones. February 29 belongs to the newest leap year.
 */
static inline int iw_infer_day(const struct iw_auth *auth, int month, int day, int64_t *midnight)
{
	int64_t year = iw_year_of(auth->now_s + auth->utc_offset_s);
	int tries;

	for (tries = 0; tries < 10 && year >= 1970; tries++, year--) {
		if (day > iw_month_days(year, month))
			continue;
		*midnight = iw_days(year, month, day) * IW_DAY_S - auth->utc_offset_s;
		if (*midnight <= auth->now_s + IW_DAY_S)
			return *midnight >= 0;
	}
	return 0;
}

/* Local midnight of "Nov  2" or "Nov 2" at the front; returns the bytes that it takes, 0 when it is none. */
static inline size_t iw_day_3164(const struct iw_auth *auth, const char *p, int64_t *midnight)
{
	size_t n = 4;
	int month = iw_month(p), day;

	n += p[n] == ' ';
	day = p[n] - '0';
	if (!month || p[3] != ' ' || day < 0 || day > 9)
		return 0;
	if (p[++n] != ' ') {
		if (p[n] < '0' || p[n] > '9')
			return 0;
		day = day * 10 + p[n++] - '0';
	}
	return day && iw_infer_day(auth, month, day, midnight) ? n : 0;
}

/* "Nov  2 10:00:00"; takes the time from the front of `s`. */
static inline int iw_time_3164(struct iw_auth *auth, struct iw_span *s, uint64_t *ts_ns)
{
	uint64_t text = 0;
	size_t n = 6;
	int clock;

	if (s->len < 15)
		return 0;
	/* PERF: a log has the same day on most lines; its year is worked out once. */
	memcpy(&text, s->at, 6);
	if (text != auth->day_text) {
		n = iw_day_3164(auth, s->at, &auth->day_s);
		auth->day_text = n == 6 ? text : 0;
	}
	if (!n || n + 9 > s->len || s->at[n] != ' ')
		return 0;
	clock = iw_clock(s->at + n + 1);
	if (clock < 0)
		return 0;
	*ts_ns = (uint64_t)(auth->day_s + clock) * IW_NS;
	*s = iw_span_from(*s, n + 9);
	return 1;
}

/* "Z", "+HH:MM" or "+HHMM"; without one the time is local. */
static inline int iw_zone(const struct iw_auth *auth, struct iw_span *s, int64_t *offset_s)
{
	int h, m;
	size_t colon;

	*offset_s = auth->utc_offset_s;
	if (!s->len || s->at[0] == ' ')
		return 1;
	if (s->at[0] == 'Z' || s->at[0] == 'z') {
		*s = iw_span_from(*s, 1);
		*offset_s = 0;
		return 1;
	}
	if ((s->at[0] != '+' && s->at[0] != '-') || s->len < 5)
		return 0;
	colon = s->at[3] == ':';
	if (s->len < 5 + colon)
		return 0;
	h = iw_two(s->at + 1);
	m = iw_two(s->at + 3 + colon);
	if (h < 0 || h > 23 || m < 0 || m > 59)
		return 0;
	*offset_s = (s->at[0] == '-' ? -1 : 1) * (h * 3600 + m * 60);
	*s = iw_span_from(*s, 5 + colon);
	return 1;
}

/* "2026-11-02T10:00:00[.frac][zone]", a space instead of the T as macOS and others write it. */
static inline int iw_time_3339(const struct iw_auth *auth, struct iw_span *s, uint64_t *ts_ns)
{
	const char *p = s->at;
	int century, year, month, day, clock;
	uint64_t fraction = 0;
	int64_t offset_s, seconds;

	if (s->len < 19 || p[4] != '-' || p[7] != '-' || (p[10] != 'T' && p[10] != ' '))
		return 0;
	century = iw_two(p);
	year = iw_two(p + 2);
	month = iw_two(p + 5);
	day = iw_two(p + 8);
	clock = iw_clock(p + 11);
	if (century < 0 || year < 0 || month < 1 || month > 12 || clock < 0)
		return 0;
	year += century * 100;
	if (year < 1970 || year > 2261 || day < 1 || day > iw_month_days(year, month))
		return 0;
	*s = iw_span_from(*s, 19);
	if (s->len && (s->at[0] == '.' || s->at[0] == ',')) {
		uint64_t unit = IW_NS / 10;
		size_t n = 1;

		for (; n < s->len && s->at[n] >= '0' && s->at[n] <= '9'; n++, unit /= 10)
			fraction += (uint64_t)(s->at[n] - '0') * unit;
		if (n == 1)
			return 0;
		*s = iw_span_from(*s, n);
	}
	if (!iw_zone(auth, s, &offset_s))
		return 0;
	seconds = iw_days(year, month, day) * IW_DAY_S + clock - offset_s;
	if (seconds < 0)
		return 0;
	*ts_ns = (uint64_t)seconds * IW_NS + fraction;
	return 1;
}

#endif /* IW_AUTHLOG_TIME_H */
