/* SPDX-License-Identifier: Apache-2.0 */
/* Classes of addresses: 16 bytes, v4 in v4-mapped form. */
#ifndef IW_NET_H
#define IW_NET_H

#include <stdint.h>
#include <string.h>

static inline int iw_is_mapped(const uint8_t *address)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	return !memcmp(address, mapped, 12);
}

/* Not routed on the internet: private, shared, loopback, link-local, multicast, unspecified. RFC 6890. */
static inline int iw_is_local(const uint8_t *address)
{
	static const uint8_t none[15];
	const uint8_t *a = address + 12;

	if (!iw_is_mapped(address))
		return !memcmp(address, none, 15) || (address[0] & 0xfe) == 0xfc ||
		       (address[0] == 0xfe && (address[1] & 0xc0) == 0x80) || address[0] == 0xff;
	return a[0] == 0 || a[0] == 10 || a[0] == 127 || a[0] >= 224 || (a[0] == 100 && (a[1] & 0xc0) == 64) ||
	       (a[0] == 169 && a[1] == 254) || (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168);
}

#endif /* IW_NET_H */
