/* SPDX-License-Identifier: Apache-2.0 */
/* Client addresses in log text: strict, because an attacker writes part of the line. */
#ifndef IW_AUTHLOG_ADDR_H
#define IW_AUTHLOG_ADDR_H

#include <arpa/inet.h>

#include "authlog_base.h"

/* Four decimal octets without leading zeros, nothing else. */
static inline int iw_parse_v4(struct iw_span s, uint8_t *octets)
{
	const char *p = s.at, *end = s.at + s.len;
	int n;

	if (s.len < 7 || s.len > 15)
		return 0;
	for (n = 0; n < 4; n++) {
		unsigned int value;

		if (n && (p == end || *p++ != '.'))
			return 0;
		if (p == end || *p < '0' || *p > '9')
			return 0;
		value = (unsigned int)(*p++ - '0');
		while (value && p < end && *p >= '0' && *p <= '9' && value <= 255)
			value = value * 10 + (unsigned int)(*p++ - '0');
		if (value > 255)
			return 0;
		octets[n] = (uint8_t)value;
	}
	return p == end;
}

/* An address, with or without an IPv6 zone. v4 and v4-mapped give IW_AF_INET. */
static inline int iw_parse_ip(struct iw_span s, uint8_t *ip, uint16_t *family)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct iw_span bare;
	char text[INET6_ADDRSTRLEN];

	if (!s.len)
		return 0;
	if (iw_parse_v4(s, ip + 12)) {
		memcpy(ip, mapped, 12);
		*family = IW_AF_INET;
		return 1;
	}
	bare = iw_until(s, '%');
	/* A zone is an interface name: "fe80::1%eth0"; an empty one is no address. */
	if (bare.len + 1 == s.len || s.len - bare.len > 17)
		return 0;
	if (bare.len < 2 || bare.len >= sizeof(text) || !memchr(bare.at, ':', bare.len))
		return 0;
	memcpy(text, bare.at, bare.len);
	text[bare.len] = 0;
	if (strlen(text) != bare.len || inet_pton(AF_INET6, text, ip) != 1)
		return 0;
	*family = memcmp(ip, mapped, 12) ? IW_AF_INET6 : IW_AF_INET;
	return 1;
}

/* RFC 1123 characters with at least one letter; what sshd prints with UseDNS. */
static inline int iw_is_host_name(struct iw_span s)
{
	size_t n;
	int letters = 0;

	if (!s.len || s.len > 255 || s.at[0] == '.' || s.at[0] == '-')
		return 0;
	for (n = 0; n < s.len; n++) {
		char c = s.at[n];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
			letters = 1;
		else if (!((c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_'))
			return 0;
	}
	return letters;
}

/* Put an address or host name into the line; 0 when the text is neither. */
static inline int iw_set_source(struct iw_line *l, struct iw_span s)
{
	uint8_t ip[16];
	uint16_t family;

	if (iw_parse_ip(s, ip, &family)) {
		memcpy(l->ip, ip, 16);
		l->family = family;
		return 1;
	}
	if (!iw_is_host_name(s))
		return 0;
	if (!iw_is(s, "UNKNOWN"))
		l->src_host = s;
	return 1;
}

/*
 * "A[ port N]" at the front of `s`; returns what follows it, with `at` NULL when there is none.
 * Sets the source only on success. OpenSSH before 7 writes "A:" before a reason.
 */
static inline struct iw_span iw_endpoint(struct iw_span s, struct iw_line *l, int need_port)
{
	static const struct iw_span none = { 0, 0 };
	struct iw_span address = iw_until(s, ' ');
	struct iw_span rest = iw_span_from(s, address.len), after = rest;
	uint64_t port = 0;

	if (iw_skip(&after, " port ") && iw_number(&after, 65535, &port))
		rest = after;
	else if (need_port)
		return none;
	if (address.len && address.at[address.len - 1] == ':' && !port) {
		struct iw_span shorter = { address.at, address.len - 1 };

		/* "::" ends in a colon too, but no client has that address. */
		if (iw_set_source(l, shorter))
			return iw_span_from(s, shorter.len);
	}
	if (!iw_set_source(l, address))
		return none;
	l->port = (uint16_t)port;
	return rest;
}

#endif /* IW_AUTHLOG_ADDR_H */
