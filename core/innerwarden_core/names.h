/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Domain names as text (see iw_name_text): who registered one, by the public suffix list, and how much of it looks like
 * data that was encoded. The list is a table made at build time (setup.py), so that it costs no private memory.
 */
#ifndef IW_NAMES_H
#define IW_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "name_pairs.h"
#include "suffix_table.h"

/* Low bits of a cell of iw_suffixes; the rest is the suffix's hash. */
#define IW_SUFFIX_RULE 1
#define IW_SUFFIX_WILD 2      /* one more label belongs to the suffix */
#define IW_SUFFIX_EXCEPTION 4 /* one label less does */
#define IW_SUFFIX_BITS 7

/* FNV-1a from the end of the name to its beginning, so that a suffix's hash goes on into the next longer one's. */
#define IW_NAME_HASH_SEED 0xcbf29ce484222325ull
#define IW_NAME_HASH_STEP(hash, byte) (((hash) ^ (uint8_t)(byte)) * 0x100000001b3ull)

static inline uint32_t iw_suffix_look(uint64_t hash)
{
	uint32_t slot = (uint32_t)(hash * 0x9e3779b97f4a7c15ull >> (64 - IW_SUFFIX_SHIFT));

	while (iw_suffixes[slot]) {
		if ((iw_suffixes[slot] ^ hash) <= IW_SUFFIX_BITS)
			return iw_suffixes[slot] & IW_SUFFIX_BITS;
		slot = (slot + 1) & ((1u << IW_SUFFIX_SHIFT) - 1);
	}
	return 0;
}

/* Does a label begin at `at`? A dot inside a label stands behind an odd number of backslashes. */
static inline int iw_label_begins(const uint8_t *name, size_t at)
{
	size_t back = 0;

	if (!at)
		return 1;
	if (name[at - 1] != '.')
		return 0;
	while (back + 1 < at && name[at - 2 - back] == '\\')
		back++;
	return !(back & 1);
}

/*
 * Where the domain begins that somebody registered: one label more than the public suffix. `size` when there is none:
 * the name is itself a public suffix, or the root. https://publicsuffix.org/list/ "Algorithm".
 */
static inline size_t iw_registered(const uint8_t *name, size_t size)
{
	uint64_t hash = IW_NAME_HASH_SEED;
	size_t starts[IW_SUFFIX_LABELS + 2], at = size;
	uint32_t labels = 0, suffix = 1, found;

	while (at > 0 && labels < IW_SUFFIX_LABELS + 2) {
		at--;
		hash = IW_NAME_HASH_STEP(hash, name[at]);
		if (!iw_label_begins(name, at))
			continue;
		starts[labels++] = at;
		found = iw_suffix_look(hash & ~(uint64_t)IW_SUFFIX_BITS);
		if (found & IW_SUFFIX_EXCEPTION) {
			suffix = labels - 1;
			break;
		}
		if (found & IW_SUFFIX_RULE && labels > suffix)
			suffix = labels;
		if (found & IW_SUFFIX_WILD && labels + 1 > suffix)
			suffix = labels + 1;
	}
	return suffix < labels ? starts[suffix] : size;
}

#define IW_ENCODED_LABEL 8 /* letters and digits of a label that is looked at */
#define IW_ENCODED_PAIRS 6
#define IW_ENCODED_MEAN (-4) /* of iw_name_pairs, in sixteenths: of random text 99 of 100 labels lie below, of names 1 */
#define IW_ENCODED_BYTES 4   /* escaped bytes that no name of people has */

static inline int iw_name_index(uint8_t c)
{
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	return c >= '0' && c <= '9' ? c - '0' + 26 : -1;
}

/* Letters and digits of a label that looks like encoded data; 0 when it looks like a name, a number or an address. */
static inline uint32_t iw_label_encoded(const uint8_t *label, size_t size)
{
	uint32_t known = 0, letters = 0, pairs = 0, escaped = 0;
	int index, before = -1;
	int32_t sum = 0;
	size_t i;

	if (size >= 4 && label[0] == 'x' && label[1] == 'n' && label[2] == '-' && label[3] == '-')
		return 0; /* another script's letters, RFC 5890 */
	for (i = 0; i < size; i++) {
		if (label[i] == '\\' && i + 3 < size && label[i + 1] <= '9') {
			escaped++;
			i += 3;
			before = -1;
			continue;
		}
		index = iw_name_index(label[i]);
		if (index >= 0) {
			known++;
			letters += index < 26;
			if (before >= 0) {
				sum += iw_name_pairs[before][index];
				pairs++;
			}
		}
		before = index;
	}
	if (escaped >= IW_ENCODED_BYTES)
		return known + escaped;
	if (known < IW_ENCODED_LABEL || !letters || pairs < IW_ENCODED_PAIRS)
		return 0;
	return sum < IW_ENCODED_MEAN * (int32_t)pairs ? known : 0;
}

/* The same over all labels in front of `end`, where the registered domain begins. */
static inline uint32_t iw_name_encoded(const uint8_t *name, size_t end)
{
	uint32_t total = 0;
	size_t start = 0, i;

	for (i = 1; i <= end; i++) {
		if (i != end && !iw_label_begins(name, i))
			continue;
		total += iw_label_encoded(name + start, i - start - (i > start && name[i - 1] == '.'));
		start = i;
	}
	return total;
}

#endif /* IW_NAMES_H */
