/* SPDX-License-Identifier: Apache-2.0 */
/* A TLS ClientHello: record layer (RFC 8446 5.1), message (4.1.2) and the three extensions that say where it goes. */
#ifndef IW_PAYLOAD_TLS_H
#define IW_PAYLOAD_TLS_H

#include "payload_text.h"

#define IW_HELLO_MAX 4096 /* bytes of a message that are looked at, and of a stream that the kernel program sends */
#define IW_TLS_HANDSHAKE 22
#define IW_TLS_MAJOR 3
#define IW_TLS_RECORD_MAX (16384 + 2048) /* RFC 5246 6.2.3 */
#define IW_TLS_CLIENT_HELLO 1
#define IW_TLS_SESSION_MAX 32

/* https://www.iana.org/assignments/tls-extensiontype-values */
#define IW_TLS_EXT_SERVER_NAME 0
#define IW_TLS_EXT_ALPN 16
#define IW_TLS_EXT_VERSIONS 43
#define IW_TLS_EXT_ECH 0xfe0d
#define IW_TLS_EXT_ESNI 0xffce /* draft-ietf-tls-esni-05, ECH's predecessor */

/* Values of tls_flags. */
#define IW_TLS_ECH 1
#define IW_TLS_NO_SNI 2
#define IW_TLS_INCOMPLETE 4

/* Bytes not yet read. */
struct iw_rest {
	const uint8_t *at;
	size_t len;
};

struct iw_hello {
	struct iw_rest sni;  /* as sent; len 0 without */
	struct iw_rest alpn; /* the first protocol that is no GREASE */
	uint32_t version;
	uint32_t flags;
	uint32_t size;     /* bytes of `message` */
	uint32_t complete; /* the whole message is there */
	uint8_t message[IW_HELLO_MAX]; /* handshake header first, record headers taken out */
};

/* RFC 8701: 0x0a0a, 0x1a1a, ... */
static inline int iw_is_grease(uint32_t value)
{
	return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff);
}

static inline int iw_take(struct iw_rest *rest, size_t n, struct iw_rest *out)
{
	if (n > rest->len)
		return 0;
	*out = (struct iw_rest){ rest->at, n };
	rest->at += n;
	rest->len -= n;
	return 1;
}

/* A vector behind its length of `bytes` bytes, 1 or 2. */
static inline int iw_vector(struct iw_rest *rest, size_t bytes, struct iw_rest *out)
{
	struct iw_rest length;

	return iw_take(rest, bytes, &length) &&
	       iw_take(rest, bytes == 1 ? length.at[0] : iw_be16(length.at), out);
}

static inline int iw_number16(struct iw_rest *rest, uint32_t *out)
{
	struct iw_rest number;

	if (!iw_take(rest, 2, &number))
		return 0;
	*out = iw_be16(number.at);
	return 1;
}

/* Records -> hello->message. A message may be spread over any number of records (RFC 8446 5.1). */
static inline int iw_hello_unpack(const uint8_t *stream, size_t size, struct iw_hello *hello)
{
	struct iw_rest rest = { stream, size }, head, body;

	hello->size = hello->complete = 0;
	while (rest.len && !hello->complete) {
		size_t room = IW_HELLO_MAX - hello->size, length;

		if (rest.at[0] != IW_TLS_HANDSHAKE || (rest.len > 1 && rest.at[1] != IW_TLS_MAJOR))
			return IW_UNPARSED_RECORD;
		if (!iw_take(&rest, 5, &head))
			break;
		length = iw_be16(head.at + 3);
		if (!length || length > IW_TLS_RECORD_MAX)
			return IW_UNPARSED_RECORD;
		body = rest;
		if (body.len > length)
			body.len = length;
		rest.at += body.len;
		rest.len -= body.len;
		if (body.len > room)
			body.len = room;
		memcpy(hello->message + hello->size, body.at, body.len);
		hello->size += (uint32_t)body.len;
		if (hello->size && hello->message[0] != IW_TLS_CLIENT_HELLO)
			return IW_UNPARSED_HANDSHAKE;
		if (hello->size >= 4 && hello->size - 4 >= iw_be24(hello->message + 1)) {
			hello->size = iw_be24(hello->message + 1) + 4;
			hello->complete = 1;
		}
		if (body.len == room)
			break;
	}
	return IW_PARSED;
}

static inline int iw_hello_server_name(struct iw_rest data, struct iw_hello *hello)
{
	struct iw_rest list, kind, name;

	if (!iw_vector(&data, 2, &list))
		return 0;
	while (list.len) {
		if (!iw_take(&list, 1, &kind) || !iw_vector(&list, 2, &name))
			return 0;
		if (!kind.at[0] && !hello->sni.len)
			hello->sni = name;
	}
	/* A final dot means nothing and would hide a name from a comparison (RFC 6066 3 forbids it). */
	if (hello->sni.len > 1 && hello->sni.at[hello->sni.len - 1] == '.')
		hello->sni.len--;
	return 1;
}

static inline int iw_hello_alpn(struct iw_rest data, struct iw_hello *hello)
{
	struct iw_rest list, name;

	if (!iw_vector(&data, 2, &list))
		return 0;
	while (list.len) {
		if (!iw_vector(&list, 1, &name))
			return 0;
		if (!hello->alpn.len && !(name.len == 2 && iw_is_grease(iw_be16(name.at))))
			hello->alpn = name;
	}
	return 1;
}

/* The highest; GREASE and drafts have another first byte than 3. */
static inline int iw_hello_versions(struct iw_rest data, struct iw_hello *hello)
{
	uint32_t version, highest = 0;
	struct iw_rest list;

	if (!iw_vector(&data, 1, &list))
		return 0;
	while (list.len) {
		if (!iw_number16(&list, &version))
			return 0;
		if (version >> 8 == IW_TLS_MAJOR && version > highest)
			highest = version;
	}
	if (highest)
		hello->version = highest;
	return 1;
}

static inline int iw_hello_extensions(struct iw_rest rest, struct iw_hello *hello)
{
	struct iw_rest data;
	uint32_t type;
	int sound = 1;

	while (rest.len) {
		if (!iw_number16(&rest, &type) || !iw_vector(&rest, 2, &data))
			return 0;
		if (type == IW_TLS_EXT_SERVER_NAME)
			sound = iw_hello_server_name(data, hello);
		else if (type == IW_TLS_EXT_ALPN)
			sound = iw_hello_alpn(data, hello);
		else if (type == IW_TLS_EXT_VERSIONS)
			sound = iw_hello_versions(data, hello);
		else if (type == IW_TLS_EXT_ECH || type == IW_TLS_EXT_ESNI)
			hello->flags |= IW_TLS_ECH;
		if (!sound)
			return 0;
	}
	return 1;
}

/* The message's body as far as it came; 0 when it ends early or contradicts itself. */
static inline int iw_hello_body(struct iw_rest rest, struct iw_hello *hello)
{
	struct iw_rest part;
	uint32_t length;

	if (!iw_number16(&rest, &hello->version))
		return 0;
	if (!iw_take(&rest, 32, &part)) /* random */
		return 0;
	if (!iw_vector(&rest, 1, &part) || part.len > IW_TLS_SESSION_MAX)
		return 0;
	if (!iw_vector(&rest, 2, &part) || part.len & 1) /* cipher suites */
		return 0;
	if (!iw_vector(&rest, 1, &part)) /* compression methods */
		return 0;
	if (!rest.len)
		return 1; /* no extensions: before TLS 1.2 that was usual */
	if (!iw_number16(&rest, &length))
		return 0;
	/* What is here of the extensions is read even when their end is missing. */
	if (rest.len > length)
		return 0;
	return iw_hello_extensions(rest, hello) && rest.len == length;
}

/*
 * Bytes of a stream that begins with the hello. IW_PARSED with `hello` filled, IW_TLS_INCOMPLETE set when more must
 * come; IW_UNPARSED_SHORT when not even the version is there; else what is wrong. Names point into hello->message.
 */
static inline int iw_hello_parse(const uint8_t *stream, size_t size, struct iw_hello *hello)
{
	int reason = iw_hello_unpack(stream, size, hello), sound;

	if (reason)
		return reason;
	if (hello->size < 6)
		return hello->complete ? IW_UNPARSED_HELLO : IW_UNPARSED_SHORT;
	hello->sni = hello->alpn = (struct iw_rest){ hello->message, 0 };
	hello->version = hello->flags = 0;
	sound = iw_hello_body((struct iw_rest){ hello->message + 4, hello->size - 4 }, hello);
	if (!hello->complete) {
		hello->flags |= IW_TLS_INCOMPLETE;
		return IW_PARSED;
	}
	if (!sound)
		return IW_UNPARSED_HELLO;
	if (!hello->sni.len)
		hello->flags |= IW_TLS_NO_SNI;
	return IW_PARSED;
}

#endif /* IW_PAYLOAD_TLS_H */
