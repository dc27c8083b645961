/* SPDX-License-Identifier: Apache-2.0 */
/* What the parsers of sent bytes share: why something was not parsed, numbers, and names as text. */
#ifndef IW_PAYLOAD_TEXT_H
#define IW_PAYLOAD_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "iw_event.h"

/* Why bytes gave no event; payload.pyx has the names in the same order. */
enum iw_unparsed {
	IW_PARSED,
	IW_UNPARSED_SHORT,       /* ends before what must be there */
	IW_UNPARSED_RESPONSE,    /* DNS: an answer */
	IW_UNPARSED_OPCODE,      /* DNS: a notify, an update, ... */
	IW_UNPARSED_NO_QUESTION, /* DNS: counts no question */
	IW_UNPARSED_POINTER,     /* DNS: a compression pointer where nothing precedes that it could point to */
	IW_UNPARSED_LABEL,       /* DNS: a label type that does not exist, such as one longer than 63 bytes */
	IW_UNPARSED_NAME,        /* DNS: a name longer than 255 bytes */
	IW_UNPARSED_RECORD,      /* TLS: no handshake record where one must be */
	IW_UNPARSED_HANDSHAKE,   /* TLS: another handshake message than a client hello */
	IW_UNPARSED_HELLO,       /* TLS: lengths inside the hello contradict each other */
	IW_UNPARSED_REASONS,
};

#define IW_ESCAPED 4 /* bytes that one byte of a name takes as text at most */

static inline uint32_t iw_be16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t iw_be24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | iw_be16(p + 1);
}

/*
 * `n` bytes of a name as lower-case text: what is not a printable character becomes \DDD, a backslash \\ and, where
 * the dot separates labels, a dot inside a label \. (RFC 4343 2.1), so that two names never read the same. Returns bytes
 * written, at most n * IW_ESCAPED.
 */
static inline size_t iw_name_text(char *to, const uint8_t *from, size_t n, int dots_separate)
{
	size_t i, used = 0;

	for (i = 0; i < n; i++) {
		uint8_t c = from[i];

		if (c <= ' ' || c > '~') {
			to[used++] = '\\';
			to[used++] = (char)('0' + c / 100);
			to[used++] = (char)('0' + c / 10 % 10);
			to[used++] = (char)('0' + c % 10);
			continue;
		}
		if (c == '\\' || (c == '.' && dots_separate))
			to[used++] = '\\';
		to[used++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
	}
	return used;
}

#endif /* IW_PAYLOAD_TEXT_H */
