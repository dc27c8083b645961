/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the authentication log parser share: spans of text, one line's meaning, its state. */
#ifndef IW_AUTHLOG_BASE_H
#define IW_AUTHLOG_BASE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem, memrchr */
#endif
#include <stdint.h>
#include <string.h>

#include "iw_event.h"

#define IW_AUTH_LINE_MAX 65536   /* bytes; a longer line is counted and refused */
#define IW_AUTH_MESSAGE_MAX 8192 /* bytes of text that a record carries */
#define IW_AUTH_STRING_MAX 4096  /* bytes of any other string */
#define IW_AUTH_CONNECTIONS 1024 /* sshd processes remembered; a power of two */
#define IW_AUTH_CONNECTION_S 600 /* LoginGraceTime is 120 s; nothing before login lasts longer than this */
#define IW_AUTH_REPEAT_MAX 100000
#define IW_AF_INET 2
#define IW_AF_INET6 10

struct iw_span {
	const char *at;
	size_t len;
};

/* What one line turned out to say. Spans point into the line or at literals. */
struct iw_line {
	struct iw_span host, program, message;
	struct iw_span user, method, reason, command, src_host, service;
	uint64_t ts_ns;
	struct iw_span said; /* the message without "message repeated" around it */
	uint32_t pid;
	uint32_t repeat; /* events that it stands for */
	uint32_t told;   /* times that it was logged; 1 unless it says "message repeated" */
	uint16_t kind; /* 0: nothing */
	uint16_t port;
	uint16_t family;
	uint8_t preauth;
	uint8_t ip[16];
	/* Of a packet that the kernel's firewall logged. */
	uint8_t dst_ip[16];
	uint16_t dst_port;
	uint16_t dst_family;
	uint16_t protocol;
	struct iw_span action, prefix, in, out, flags;
	struct iw_span name; /* what another line of the kernel is about */
};

enum iw_connection_flag {
	IW_CONN_INVALID = 1, /* a user that may not log in was named and no verdict followed yet */
	IW_CONN_COUNTED = 2, /* this connection already gave an ssh.login_failed or its probe */
	IW_CONN_ENDED = 4,   /* its last line was seen; the next line begins another one */
	IW_CONN_PROBED = 8,  /* it misbehaved in a line without an address; the closing line names who */
};

/* What earlier lines of one sshd process said. Lines without an address borrow it from here. */
struct iw_connection {
	int64_t seen_s;
	uint32_t pid; /* 0: empty slot */
	uint32_t host_hash;
	uint16_t port;
	uint16_t family;
	uint16_t flags;
	uint16_t pam_failures; /* counted from "error: PAM:", so that the "Failed" lines of the same attempts are not */
	uint8_t ip[16];
};

#define IW_DEDUP_WAYS 4
#define IW_DEDUP_SETS 2048
#define IW_DEDUP_S 60 /* an rsyslog that folds repeated messages tells them this late at most */

/* Two sources carry the same messages; `balance` is how many of this one the first told more than the second. */
struct iw_dedup_entry {
	uint64_t key; /* of program and message; 0: empty */
	int64_t seen_s;
	int64_t balance;
};

struct iw_dedup {
	uint64_t duplicates, evicted;
	struct iw_dedup_entry entries[IW_DEDUP_SETS][IW_DEDUP_WAYS];
};

struct iw_auth {
	struct iw_dedup *dedup; /* NULL: the only source */
	int64_t side;           /* +1 or -1 */
	int64_t now_s;
	int64_t utc_offset_s;
	int64_t day_s;       /* UTC of the cached RFC 3164 day's local midnight */
	uint64_t day_text;   /* that day's "Nov  2", 0: nothing cached */
	uint32_t source_id;
	uint32_t sequence;
	int service_files; /* lines may have the forms of authlog_files.h besides syslog's */
	uint64_t lines, matched, ignored, malformed, too_long;
	struct iw_connection nobody; /* stands in for lines without a pid */
	struct iw_connection connections[IW_AUTH_CONNECTIONS];
};

/*
 * PERF: gcc makes `rep stos` and `rep movs` of these sizes, whose start alone costs 15 ns a line each; stores
 * and loads of 16 bytes do not (bench/row11_auth_log.py).
 */
static inline __attribute__((always_inline)) void iw_zero(void *to, size_t size)
{
	char *p = to;

	for (; size >= 64; p += 64, size -= 64)
		memset(p, 0, 64);
	memset(p, 0, size & 63);
}

static inline void iw_copy(char *to, const char *from, size_t size)
{
	if (size >= 16) {
		size_t n;

		for (n = 0; n + 16 <= size; n += 16)
			memcpy(to + n, from + n, 16);
		memcpy(to + size - 16, from + size - 16, 16);
	} else if (size >= 4) {
		size_t half = size >= 8 ? 8 : 4;

		memcpy(to, from, half == 8 ? 8 : 4);
		if (half == 8)
			memcpy(to + size - 8, from + size - 8, 8);
		else
			memcpy(to + size - 4, from + size - 4, 4);
	} else if (size) {
		to[0] = from[0];
		to[size / 2] = from[size / 2];
		to[size - 1] = from[size - 1];
	}
}

#define IW_LIT(text) ((struct iw_span){ (text), sizeof(text) - 1 })

static inline struct iw_span iw_span_from(struct iw_span s, size_t skip)
{
	return (struct iw_span){ s.at + skip, s.len - skip };
}

/* PERF: the first byte decides most of the time; memcmp of these lengths is a call. */
#define iw_starts(s, text) \
	((s).len >= sizeof(text) - 1 && (s).at[0] == (text)[0] && !memcmp((s).at, (text), sizeof(text) - 1))
#define iw_ends(s, text) \
	((s).len >= sizeof(text) - 1 && !memcmp((s).at + (s).len - (sizeof(text) - 1), (text), sizeof(text) - 1))
#define iw_is(s, text) \
	((s).len == sizeof(text) - 1 && (s).at[0] == (text)[0] && !memcmp((s).at, (text), sizeof(text) - 1))
/* Drop `text` from the front when it is there. */
#define iw_skip(s, text) (iw_starts(*(s), text) ? (*(s) = iw_span_from(*(s), sizeof(text) - 1), 1) : 0)

/* Offset of the first `needle` at or after `start`, or -1. */
static inline long iw_find(struct iw_span s, struct iw_span needle, size_t start)
{
	const char *hit;

	if (start > s.len)
		return -1;
	hit = memmem(s.at + start, s.len - start, needle.at, needle.len);
	return hit ? hit - s.at : -1;
}

/* Offset of the last `needle` (two bytes or more) that ends at or before `end`, or -1. */
static inline long iw_find_last(struct iw_span s, struct iw_span needle, size_t end)
{
	size_t from;

	if (end > s.len)
		end = s.len;
	if (end < needle.len)
		return -1;
	for (from = end - needle.len + 1; from-- > 0;) {
		const char *hit = memrchr(s.at, needle.at[0], from + 1);

		if (!hit)
			return -1;
		from = hit - s.at;
		if (hit[1] == needle.at[1] && !memcmp(hit, needle.at, needle.len))
			return from;
	}
	return -1;
}

static inline struct iw_span iw_trim(struct iw_span s)
{
	while (s.len && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\r' || s.at[s.len - 1] == '\t'))
		s.len--;
	while (s.len && s.at[0] == ' ')
		s = iw_span_from(s, 1);
	return s;
}

/* Text up to `stop` (not included), or everything. */
static inline struct iw_span iw_until(struct iw_span s, char stop)
{
	const char *hit = memchr(s.at, stop, s.len);

	if (hit)
		s.len = hit - s.at;
	return s;
}

/* Take decimal digits from the front; 0 when there are none or the value exceeds `limit`. */
static inline int iw_number(struct iw_span *s, uint64_t limit, uint64_t *value)
{
	size_t n = 0;
	uint64_t v = 0;

	while (n < s->len && n < 19 && s->at[n] >= '0' && s->at[n] <= '9')
		v = v * 10 + (uint64_t)(s->at[n++] - '0');
	if (!n || v > limit || (n < s->len && s->at[n] >= '0' && s->at[n] <= '9'))
		return 0;
	*s = iw_span_from(*s, n);
	*value = v;
	return 1;
}

#endif /* IW_AUTHLOG_BASE_H */
