/* SPDX-License-Identifier: Apache-2.0 */
/* The first question of a DNS query: RFC 1035 4.1; EDNS and everything behind the question is not looked at. */
#ifndef IW_PAYLOAD_DNS_H
#define IW_PAYLOAD_DNS_H

#include "payload_text.h"

#define IW_DNS_HEADER 12
#define IW_DNS_NAME_MAX 255 /* RFC 1035 2.3.4: length bytes and the root's included */
#define IW_DNS_TEXT_MAX (IW_DNS_NAME_MAX * IW_ESCAPED)
#define IW_DNS_LABEL_TYPE 0xc0
#define IW_DNS_RESPONSE 0x8000
#define IW_DNS_OPCODE 0x7800

struct iw_dns {
	uint32_t id;
	uint32_t flags;
	uint32_t type;
	uint32_t name_len;
	char name[IW_DNS_TEXT_MAX]; /* without the final dot; "." for the root */
};

/*
 * Labels at `at` -> out->name. A pointer is refused and not followed: before the first question there is only the
 * header, and none may point forward (RFC 1035 4.1.4), so each would be a loop or read the header as a name.
 */
static inline int iw_dns_name(const uint8_t *message, size_t size, size_t *at, struct iw_dns *out)
{
	size_t wire = 1;

	for (;;) {
		uint32_t len;

		if (*at >= size)
			return IW_UNPARSED_SHORT;
		len = message[(*at)++];
		if (!len)
			break;
		if ((len & IW_DNS_LABEL_TYPE) == IW_DNS_LABEL_TYPE)
			return IW_UNPARSED_POINTER;
		if (len & IW_DNS_LABEL_TYPE)
			return IW_UNPARSED_LABEL;
		wire += len + 1;
		if (wire > IW_DNS_NAME_MAX)
			return IW_UNPARSED_NAME;
		if (len > size - *at)
			return IW_UNPARSED_SHORT;
		if (out->name_len)
			out->name[out->name_len++] = '.';
		out->name_len += (uint32_t)iw_name_text(out->name + out->name_len, message + *at, len, 1);
		*at += len;
	}
	if (!out->name_len)
		out->name[out->name_len++] = '.';
	return IW_PARSED;
}

/* IW_PARSED with `out` filled, or why not. `size` may be less than the whole message. */
static inline int iw_dns_parse(const uint8_t *message, size_t size, struct iw_dns *out)
{
	size_t at = IW_DNS_HEADER;
	int reason;

	if (size < IW_DNS_HEADER)
		return IW_UNPARSED_SHORT;
	out->name_len = 0;
	out->id = iw_be16(message);
	out->flags = iw_be16(message + 2);
	if (out->flags & IW_DNS_RESPONSE)
		return IW_UNPARSED_RESPONSE;
	if (out->flags & IW_DNS_OPCODE)
		return IW_UNPARSED_OPCODE;
	if (!iw_be16(message + 4))
		return IW_UNPARSED_NO_QUESTION;
	reason = iw_dns_name(message, size, &at, out);
	if (reason)
		return reason;
	if (size - at < 4)
		return IW_UNPARSED_SHORT;
	out->type = iw_be16(message + at);
	return IW_PARSED;
}

#endif /* IW_PAYLOAD_DNS_H */
