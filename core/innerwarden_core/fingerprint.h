/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JA3 and JA4 of a client hello. JA3: https://github.com/salesforce/ja3 (README, "How it works"). JA4:
 * https://github.com/FoxIO-LLC/ja4/blob/main/technical_details/JA4.md. GREASE (RFC 8701) counts nowhere.
 */
#ifndef IW_FINGERPRINT_H
#define IW_FINGERPRINT_H

#include <stdlib.h>

#include "digest.h"
#include "payload_tls.h"

#define IW_JA3_SIZE 32
#define IW_JA4_SIZE 36
#define IW_JA4_PART 12
#define IW_TLS_EXT_GROUPS 10
#define IW_TLS_EXT_POINTS 11
#define IW_TLS_EXT_SIGNATURES 13
#define IW_NUMBERS_MAX (IW_HELLO_MAX / 2)

/* The lists of a hello, as offered, with GREASE; each is a run of big-endian numbers of 2 bytes, points of 1. */
struct iw_offer {
	uint32_t legacy;
	uint32_t version; /* the highest of supported_versions, where there are any; else the legacy one */
	int has_sni;
	struct iw_rest ciphers, groups, points, signatures, alpn;
	uint32_t extension_count; /* of `extensions`, which has no GREASE */
	uint16_t extensions[IW_NUMBERS_MAX];
};

static inline int iw_offer_extension(struct iw_offer *offer, uint32_t type, struct iw_rest data)
{
	struct iw_rest list, name;
	uint32_t version;

	if (type == IW_TLS_EXT_SERVER_NAME) {
		offer->has_sni = 1;
	} else if (type == IW_TLS_EXT_GROUPS) {
		return iw_vector(&data, 2, &offer->groups);
	} else if (type == IW_TLS_EXT_POINTS) {
		return iw_vector(&data, 1, &offer->points);
	} else if (type == IW_TLS_EXT_SIGNATURES) {
		return iw_vector(&data, 2, &offer->signatures);
	} else if (type == IW_TLS_EXT_ALPN) {
		if (!iw_vector(&data, 2, &list))
			return 0;
		while (list.len && !offer->alpn.len) {
			if (!iw_vector(&list, 1, &name))
				return 0;
			if (name.len != 2 || !iw_is_grease(iw_be16(name.at)))
				offer->alpn = name;
		}
	} else if (type == IW_TLS_EXT_VERSIONS) {
		if (!iw_vector(&data, 1, &list))
			return 0;
		offer->version = 0;
		while (iw_number16(&list, &version))
			if (!iw_is_grease(version) && version > offer->version)
				offer->version = version;
	}
	return 1;
}

/* A whole handshake message, header first; 0 when it is not one. */
static inline int iw_offer_read(const uint8_t *message, size_t size, struct iw_offer *offer)
{
	struct iw_rest rest = { message, size }, part, data;
	uint32_t type;

	memset(offer, 0, offsetof(struct iw_offer, extensions));
	if (size < 4 || message[0] != IW_TLS_CLIENT_HELLO || iw_be24(message + 1) != size - 4)
		return 0;
	iw_take(&rest, 4, &part);
	if (!iw_number16(&rest, &offer->legacy) || !iw_take(&rest, 32, &part) || !iw_vector(&rest, 1, &part) ||
	    !iw_vector(&rest, 2, &offer->ciphers) || !iw_vector(&rest, 1, &part))
		return 0;
	offer->version = offer->legacy;
	if (!rest.len)
		return 1;
	if (!iw_vector(&rest, 2, &part))
		return 0;
	while (part.len) {
		if (!iw_number16(&part, &type) || !iw_vector(&part, 2, &data))
			return 0;
		if (iw_is_grease(type))
			continue;
		if (offer->extension_count == IW_NUMBERS_MAX || !iw_offer_extension(offer, type, data))
			return 0;
		offer->extensions[offer->extension_count++] = (uint16_t)type;
	}
	return 1;
}

/* Numbers of a list without GREASE. */
static inline uint32_t iw_offer_numbers(struct iw_rest list, uint16_t *out)
{
	uint32_t number, count = 0;

	while (iw_number16(&list, &number))
		if (!iw_is_grease(number) && count < IW_NUMBERS_MAX)
			out[count++] = (uint16_t)number;
	return count;
}

static inline void iw_ja3_numbers(struct iw_digest *digest, const uint16_t *numbers, uint32_t count)
{
	char text[8];
	uint32_t i;

	for (i = 0; i < count; i++) {
		uint32_t number = numbers[i], used = sizeof(text);

		do
			text[--used] = (char)('0' + number % 10);
		while (number /= 10);
		if (i)
			text[--used] = '-';
		iw_digest_add(digest, text + used, sizeof(text) - used);
	}
}

/* MD5 of version,ciphers,extensions,groups,points in the order offered, numbers in decimal. */
static inline void iw_ja3(const struct iw_offer *offer, char *out)
{
	uint16_t numbers[IW_NUMBERS_MAX], legacy = (uint16_t)offer->legacy;
	struct iw_digest digest;
	uint32_t i;

	iw_digest_begin(&digest, IW_MD5);
	iw_ja3_numbers(&digest, &legacy, 1);
	iw_digest_add(&digest, ",", 1);
	iw_ja3_numbers(&digest, numbers, iw_offer_numbers(offer->ciphers, numbers));
	iw_digest_add(&digest, ",", 1);
	iw_ja3_numbers(&digest, offer->extensions, offer->extension_count);
	iw_digest_add(&digest, ",", 1);
	iw_ja3_numbers(&digest, numbers, iw_offer_numbers(offer->groups, numbers));
	iw_digest_add(&digest, ",", 1);
	for (i = 0; i < offer->points.len && i < IW_NUMBERS_MAX; i++)
		numbers[i] = offer->points.at[i];
	iw_ja3_numbers(&digest, numbers, i);
	iw_digest_end(&digest, out, IW_JA3_SIZE);
}

static inline int iw_compare16(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static inline void iw_ja4_numbers(struct iw_digest *digest, const uint16_t *numbers, uint32_t count)
{
	static const char hex[] = "0123456789abcdef";
	uint32_t i;

	for (i = 0; i < count; i++) {
		char text[5] = { ',', hex[numbers[i] >> 12], hex[numbers[i] >> 8 & 15], hex[numbers[i] >> 4 & 15],
				 hex[numbers[i] & 15] };

		iw_digest_add(digest, text + !i, 5 - !i);
	}
}

static inline int iw_is_alphanumeric(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static inline void iw_ja4_version(uint32_t version, char *out)
{
	static const char names[5][3] = { "s3", "10", "11", "12", "13" };

	memcpy(out, version == 2 ? "s2" : version >= 0x300 && version <= 0x304 ? names[version - 0x300] : "00", 2);
}

/* First and last character of the first protocol; of its hexadecimal form when one of them is no letter or digit. */
static inline void iw_ja4_protocol(struct iw_rest alpn, char *out)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t first, last;

	memcpy(out, "00", 2);
	if (!alpn.len)
		return;
	first = alpn.at[0];
	last = alpn.at[alpn.len - 1];
	if (iw_is_alphanumeric(first) && iw_is_alphanumeric(last)) {
		out[0] = (char)first;
		out[1] = (char)last;
	} else {
		out[0] = hex[first >> 4];
		out[1] = hex[last & 15];
	}
}

static inline void iw_ja4_count(uint32_t count, char *out)
{
	if (count > 99)
		count = 99;
	out[0] = (char)('0' + count / 10);
	out[1] = (char)('0' + count % 10);
}

static inline void iw_ja4_ciphers(const struct iw_offer *offer, char *count, char *out)
{
	uint16_t numbers[IW_NUMBERS_MAX];
	uint32_t n = iw_offer_numbers(offer->ciphers, numbers);
	struct iw_digest digest;

	iw_ja4_count(n, count);
	if (!n) {
		memset(out, '0', IW_JA4_PART);
		return;
	}
	qsort(numbers, n, sizeof(*numbers), iw_compare16);
	iw_digest_begin(&digest, IW_SHA256);
	iw_ja4_numbers(&digest, numbers, n);
	iw_digest_end(&digest, out, IW_JA4_PART);
}

/* Extensions but for the server name and the protocols, sorted; then the signature algorithms as offered. */
static inline void iw_ja4_extensions(const struct iw_offer *offer, char *out)
{
	uint16_t numbers[IW_NUMBERS_MAX];
	struct iw_digest digest;
	uint32_t i, n = 0;

	for (i = 0; i < offer->extension_count; i++)
		if (offer->extensions[i] != IW_TLS_EXT_SERVER_NAME && offer->extensions[i] != IW_TLS_EXT_ALPN)
			numbers[n++] = offer->extensions[i];
	if (!n) {
		memset(out, '0', IW_JA4_PART);
		return;
	}
	qsort(numbers, n, sizeof(*numbers), iw_compare16);
	iw_digest_begin(&digest, IW_SHA256);
	iw_ja4_numbers(&digest, numbers, n);
	n = iw_offer_numbers(offer->signatures, numbers);
	if (n) {
		iw_digest_add(&digest, "_", 1);
		iw_ja4_numbers(&digest, numbers, n);
	}
	iw_digest_end(&digest, out, IW_JA4_PART);
}

static inline void iw_ja4(const struct iw_offer *offer, char *out)
{
	out[0] = 't'; /* QUIC's hellos are encrypted; see the blind spots */
	iw_ja4_version(offer->version, out + 1);
	out[3] = offer->has_sni ? 'd' : 'i';
	iw_ja4_count(offer->extension_count, out + 6);
	iw_ja4_protocol(offer->alpn, out + 8);
	out[10] = '_';
	iw_ja4_ciphers(offer, out + 4, out + 11);
	out[23] = '_';
	iw_ja4_extensions(offer, out + 24);
}

#endif /* IW_FINGERPRINT_H */
