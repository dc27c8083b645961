/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of bad addresses, networks, names and TLS fingerprints, from text that an operator put there. A look-up costs a
 * probe per prefix length that is in use, or per label of a name; the tables are filled once and then only read.
 */
#ifndef IW_INTEL_H
#define IW_INTEL_H

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "net.h"

#define IW_INTEL_LISTS 65535
#define IW_INTEL_LINE 1024 /* bytes of a line that are looked at */
#define IW_INTEL_V4_MIN 8  /* a shorter prefix is a mistake: a sixteenth of the internet and more */
#define IW_INTEL_V6_MIN 16

enum iw_intel_reason {
	IW_INTEL_TAKEN,
	IW_INTEL_EMPTY,     /* blank, or a comment */
	IW_INTEL_UNKNOWN,   /* no address, network, name or fingerprint */
	IW_INTEL_HOST_BITS, /* a network with bits set behind its prefix */
	IW_INTEL_WIDE,      /* a prefix so short that it is a mistake */
	IW_INTEL_SUFFIX,    /* a public suffix, under which everybody registers */
	IW_INTEL_LONG,
	IW_INTEL_LOCAL,     /* a private, loopback or multicast address */
	IW_INTEL_REASONS,
};

enum iw_intel_kind {
	IW_INTEL_V4,
	IW_INTEL_V6,
	IW_INTEL_NAME,
	IW_INTEL_PRINT,
	IW_INTEL_KINDS,
};

struct iw_indicator {
	enum iw_intel_kind kind;
	uint8_t address[16]; /* v4 in the first four bytes */
	uint32_t prefix;
	const char *text; /* into the line */
	uint32_t size;
};

/* v4: 1 bit, prefix (6), address (32) and list (16), so exact. Others: a keyed 64-bit hash, list apart. */
struct iw_intel {
	const uint8_t **names; /* of list n - 1, and their sizes */
	uint32_t *name_sizes;
	uint64_t *v4;
	uint64_t v4_slots;
	uint64_t *keys;
	uint16_t *lists;
	uint64_t slots;
	uint64_t v4_prefixes;      /* bit n: a prefix of n bits is in use */
	uint64_t v6_prefixes[3];
	uint64_t seed;
	uint64_t count[IW_INTEL_KINDS];
};

static inline uint64_t iw_intel_mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	return x ^ x >> 32;
}

static inline uint64_t iw_intel_hash(const struct iw_intel *self, const void *data, size_t size, uint64_t tag)
{
	const uint8_t *from = data;
	uint64_t hash = self->seed ^ iw_intel_mix(tag + 1 + (size << 8));

	for (; size >= 8; size -= 8, from += 8) {
		uint64_t word;

		memcpy(&word, from, 8);
		hash = iw_intel_mix(hash ^ word) * 0x9e3779b97f4a7c15ull;
	}
	for (; size; size--)
		hash = (hash ^ *from++) * 0x100000001b3ull;
	hash = iw_intel_mix(hash);
	return hash ? hash : 1; /* 0 marks a free slot */
}

static inline uint64_t iw_intel_place(uint64_t hash, uint64_t slots)
{
	return (uint64_t)((unsigned __int128)hash * slots >> 64);
}

static inline uint64_t iw_intel_v4_key(uint32_t address, uint32_t prefix)
{
	return 1ull << 63 | (uint64_t)prefix << 56 | (uint64_t)address << 16;
}

/* The list (from 1) of this very network; 0 when it is in none. */
static inline uint32_t iw_intel_v4_find(const struct iw_intel *self, uint64_t key)
{
	uint64_t at = iw_intel_place(iw_intel_mix(key ^ self->seed), self->v4_slots);

	while (self->v4[at]) {
		if ((self->v4[at] ^ key) >> 16 == 0)
			return (uint32_t)(self->v4[at] & 0xffff);
		if (++at == self->v4_slots)
			at = 0;
	}
	return 0;
}

static inline uint32_t iw_intel_find(const struct iw_intel *self, uint64_t hash)
{
	uint64_t at = iw_intel_place(hash, self->slots);

	while (self->keys[at]) {
		if (self->keys[at] == hash)
			return self->lists[at];
		if (++at == self->slots)
			at = 0;
	}
	return 0;
}

/* The first `prefix` bits of 16 bytes, the rest zero. */
static inline void iw_intel_mask(uint8_t *address, uint32_t prefix)
{
	uint32_t i;

	for (i = 0; i < 16; i++) {
		uint32_t bits = prefix > i * 8 ? prefix - i * 8 : 0;

		if (bits < 8)
			address[i] &= (uint8_t)(0xff00 >> bits);
	}
}

static inline uint64_t iw_intel_v6_hash(const struct iw_intel *self, const uint8_t *address, uint32_t prefix)
{
	uint8_t masked[17];

	memcpy(masked, address, 16);
	iw_intel_mask(masked, prefix);
	masked[16] = (uint8_t)prefix;
	return iw_intel_hash(self, masked, 17, IW_INTEL_V6);
}

/* An address, v4 in v4-mapped form: the list of its longest listed network, and that network's bits in *prefix. */
static inline uint32_t iw_intel_address(const struct iw_intel *self, const uint8_t *address, uint32_t *prefix)
{
	uint32_t value, list, bits;
	int word;

	if (iw_is_mapped(address)) {
		uint64_t left = self->v4_prefixes;

		value = (uint32_t)address[12] << 24 | (uint32_t)address[13] << 16 | (uint32_t)address[14] << 8 |
			address[15];
		while (left) {
			bits = 63 - (uint32_t)__builtin_clzll(left);
			left &= ~(1ull << bits);
			list = iw_intel_v4_find(self, iw_intel_v4_key(value & (uint32_t)(0xffffffff00000000ull >> bits), bits));
			if (list) {
				*prefix = bits;
				return list;
			}
		}
		return 0;
	}
	for (word = 2; word >= 0; word--) {
		uint64_t left = self->v6_prefixes[word];

		while (left) {
			bits = 63 - (uint32_t)__builtin_clzll(left);
			left &= ~(1ull << bits);
			list = iw_intel_find(self, iw_intel_v6_hash(self, address, (uint32_t)word * 64 + bits));
			if (list) {
				*prefix = (uint32_t)word * 64 + bits;
				return list;
			}
		}
	}
	return 0;
}

/* A name or one that it lies under; *at is where the listed one begins. */
static inline uint32_t iw_intel_name(const struct iw_intel *self, const uint8_t *name, size_t size, size_t *at)
{
	size_t start, end = iw_registered(name, size);
	uint32_t list;

	if (!self->count[IW_INTEL_NAME])
		return 0;
	for (start = 0; start < size; start++) {
		if (start && !iw_label_begins(name, start))
			continue;
		if (start > end)
			break; /* public suffixes are in no list */
		list = iw_intel_find(self, iw_intel_hash(self, name + start, size - start, IW_INTEL_NAME));
		if (list) {
			*at = start;
			return list;
		}
	}
	return 0;
}

/* JA3 or JA4 as text. */
static inline uint32_t iw_intel_print(const struct iw_intel *self, const char *text, size_t size)
{
	return self->count[IW_INTEL_PRINT] ? iw_intel_find(self, iw_intel_hash(self, text, size, IW_INTEL_PRINT)) : 0;
}

static inline int iw_intel_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == ',' || c == ';';
}

static inline int iw_intel_is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* t13d1516h2_8daaf6152771_e5627efa2ab1 */
static inline int iw_intel_is_ja4(const char *text, uint32_t size)
{
	uint32_t i;

	if (size != 36 || (text[0] != 't' && text[0] != 'q' && text[0] != 'd') || text[10] != '_' || text[23] != '_')
		return 0;
	for (i = 11; i < size; i++)
		if (i != 23 && !iw_intel_is_hex(text[i]))
			return 0;
	return 1;
}

static inline int iw_intel_is_ja3(const char *text, uint32_t size)
{
	uint32_t i;

	for (i = 0; i < size; i++)
		if (!iw_intel_is_hex(text[i]))
			return 0;
	return size == 32;
}

/* Letters, digits, hyphens, underscores; two labels at least, none empty or longer than 63, and not all digits. */
static inline int iw_intel_is_name(const char *text, uint32_t size)
{
	uint32_t i, label = 0, dots = 0, letters = 0;

	if (size > 253)
		return 0;
	for (i = 0; i < size; i++) {
		char c = text[i];

		if (c == '.') {
			if (!label)
				return 0;
			dots++;
			label = 0;
			letters = 0;
			continue;
		}
		if ((iw_name_index((uint8_t)c) < 0 && c != '-' && c != '_') || ++label > 63)
			return 0;
		letters += c < '0' || c > '9';
	}
	return dots && label && letters;
}

/* Lists of networks that nobody routes name private ones too, which is where this machine's neighbours are. */
static inline int iw_intel_is_local(const struct iw_indicator *one)
{
	uint8_t mapped[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	if (one->kind == IW_INTEL_V6)
		return iw_is_local(one->address);
	memcpy(mapped + 12, one->address, 4);
	return iw_is_local(mapped);
}

/* v4-mapped form is the way that all v4 addresses are looked up. */
static inline void iw_intel_unmap(struct iw_indicator *one)
{
	if (one->kind != IW_INTEL_V6 || one->prefix < 96 + IW_INTEL_V4_MIN || !iw_is_mapped(one->address))
		return;
	memmove(one->address, one->address + 12, 4);
	memset(one->address + 4, 0, 12);
	one->kind = IW_INTEL_V4;
	one->prefix -= 96;
}

static inline enum iw_intel_reason iw_intel_network(const char *text, uint32_t size, struct iw_indicator *out)
{
	char copy[64];
	uint8_t masked[16] = { 0 };
	char *slash, *end;
	uint32_t width;
	unsigned long bits;

	if (size >= sizeof(copy))
		return IW_INTEL_UNKNOWN;
	memcpy(copy, text, size);
	copy[size] = 0;
	slash = strchr(copy, '/');
	if (slash)
		*slash = 0;
	memset(out->address, 0, 16);
	if (inet_pton(AF_INET, copy, out->address) == 1) {
		out->kind = IW_INTEL_V4;
		width = 32;
	} else if (inet_pton(AF_INET6, copy, out->address) == 1) {
		out->kind = IW_INTEL_V6;
		width = 128;
	} else {
		return IW_INTEL_UNKNOWN;
	}
	bits = width;
	if (slash) {
		if (slash[1] < '0' || slash[1] > '9')
			return IW_INTEL_UNKNOWN;
		bits = strtoul(slash + 1, &end, 10);
		if (bits > width || *end)
			return IW_INTEL_UNKNOWN;
	}
	if (bits < (width == 32 ? IW_INTEL_V4_MIN : IW_INTEL_V6_MIN))
		return IW_INTEL_WIDE;
	memcpy(masked, out->address, 16);
	iw_intel_mask(masked, (uint32_t)bits);
	if (memcmp(masked, out->address, 16))
		return IW_INTEL_HOST_BITS;
	out->prefix = (uint32_t)bits;
	iw_intel_unmap(out);
	return iw_intel_is_local(out) ? IW_INTEL_LOCAL : IW_INTEL_TAKEN;
}

/* One word of a list, already in lower case. */
static inline enum iw_intel_reason iw_intel_word(const char *text, uint32_t size, struct iw_indicator *out)
{
	enum iw_intel_reason reason = iw_intel_network(text, size, out);

	if (reason != IW_INTEL_UNKNOWN)
		return reason;
	out->kind = IW_INTEL_PRINT;
	out->text = text;
	out->size = size;
	if (iw_intel_is_ja3(text, size) || iw_intel_is_ja4(text, size))
		return IW_INTEL_TAKEN;
	if (size > 2 && text[0] == '*' && text[1] == '.') {
		text += 2;
		size -= 2;
	} else if (size > 1 && text[0] == '.') {
		text++;
		size--;
	}
	if (size > 1 && text[size - 1] == '.')
		size--;
	if (!iw_intel_is_name(text, size))
		return IW_INTEL_UNKNOWN;
	out->kind = IW_INTEL_NAME;
	out->text = text;
	out->size = size;
	return iw_registered((const uint8_t *)text, size) == size ? IW_INTEL_SUFFIX : IW_INTEL_TAKEN;
}

static inline int iw_intel_is(const char *text, uint32_t size, const char *other)
{
	return strlen(other) == size && !memcmp(text, other, size);
}

/*
 * A line: what it lists, or why nothing. `line` has IW_INTEL_LINE bytes of room and is changed to lower case. Its first word
 * counts, or the second of a hosts file's line, whose first is where the name shall lead to.
 */
static inline enum iw_intel_reason iw_intel_line(char *line, uint32_t size, struct iw_indicator *out)
{
	uint32_t i, start = 0, end;

	for (i = 0; i < size; i++) {
		if (line[i] == '#' || line[i] == '!')
			size = i;
		else if (line[i] >= 'A' && line[i] <= 'Z')
			line[i] += 32;
	}
	while (start < size && iw_intel_is_space(line[start]))
		start++;
	for (end = start; end < size && !iw_intel_is_space(line[end]); end++)
		;
	if (start == end)
		return IW_INTEL_EMPTY;
	if (iw_intel_is(line + start, end - start, "0.0.0.0") || iw_intel_is(line + start, end - start, "127.0.0.1") ||
	    iw_intel_is(line + start, end - start, "::1") || iw_intel_is(line + start, end - start, "::")) {
		uint32_t second = end;

		while (second < size && iw_intel_is_space(line[second]))
			second++;
		if (second == size)
			return IW_INTEL_LOCAL;
		for (end = second; end < size && !iw_intel_is_space(line[end]); end++)
			;
		start = second;
		if (!memchr(line + start, '.', end - start) || iw_intel_is(line + start, end - start, "localhost.localdomain") ||
		    iw_intel_is(line + start, end - start, "0.0.0.0"))
			return IW_INTEL_EMPTY; /* the head of every hosts file */
	}
	return iw_intel_word(line + start, end - start, out);
}

/* Room for so many; 0 without memory. A third stays free, so that a probe ends soon. */
static inline int iw_intel_room(struct iw_intel *self, uint64_t v4, uint64_t others)
{
	self->v4_slots = v4 + v4 / 2 + 8;
	self->slots = others + others / 2 + 8;
	self->v4 = calloc(self->v4_slots, sizeof(*self->v4));
	self->keys = calloc(self->slots, sizeof(*self->keys));
	self->lists = calloc(self->slots, sizeof(*self->lists));
	return self->v4 && self->keys && self->lists;
}

static inline void iw_intel_free(struct iw_intel *self)
{
	free(self->v4);
	free(self->keys);
	free(self->lists);
	self->v4 = self->keys = NULL;
	self->lists = NULL;
}

/* What two lists name is the first one's. Room was made for it. */
static inline void iw_intel_put(struct iw_intel *self, const struct iw_indicator *one, uint32_t list)
{
	uint64_t hash, at;

	if (one->kind == IW_INTEL_V4) {
		uint64_t key = iw_intel_v4_key((uint32_t)one->address[0] << 24 | (uint32_t)one->address[1] << 16 |
						       (uint32_t)one->address[2] << 8 | one->address[3], one->prefix);

		if (iw_intel_v4_find(self, key))
			return;
		for (at = iw_intel_place(iw_intel_mix(key ^ self->seed), self->v4_slots); self->v4[at];)
			if (++at == self->v4_slots)
				at = 0;
		self->v4[at] = key | list;
		self->v4_prefixes |= 1ull << one->prefix;
		self->count[IW_INTEL_V4]++;
		return;
	}
	hash = one->kind == IW_INTEL_V6 ? iw_intel_v6_hash(self, one->address, one->prefix)
					: iw_intel_hash(self, one->text, one->size, one->kind);
	if (iw_intel_find(self, hash))
		return;
	for (at = iw_intel_place(hash, self->slots); self->keys[at];)
		if (++at == self->slots)
			at = 0;
	self->keys[at] = hash;
	self->lists[at] = (uint16_t)list;
	if (one->kind == IW_INTEL_V6)
		self->v6_prefixes[one->prefix / 64] |= 1ull << one->prefix % 64;
	self->count[one->kind]++;
}

#endif /* IW_INTEL_H */
