/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt told by two sources (auth.log and the journal) counts once.
 *
 * Sources are compared as multisets: of n equal messages in one and m in the other, max(n, m) pass, in
 * whatever order and grouping ("message repeated 5 times") they arrive. The time is not part of the key,
 * because the sources stamp a message each on its own; a message that the other source did not tell within
 * IW_DEDUP_S is forgotten.
 */
#ifndef IW_AUTHLOG_DEDUP_H
#define IW_AUTHLOG_DEDUP_H

#include "authlog_base.h"

static inline uint64_t iw_hash_bytes(uint64_t hash, struct iw_span s)
{
	size_t n;

	for (n = 0; n + 8 <= s.len; n += 8) {
		uint64_t word;

		memcpy(&word, s.at + n, 8);
		hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 29;
	}
	for (; n < s.len; n++)
		hash = (hash ^ (uint8_t)s.at[n]) * 0x100000001b3ULL;
	return hash ^ hash >> 32;
}

static inline struct iw_dedup_entry *iw_dedup_entry(struct iw_dedup *d, uint64_t key, int64_t now_s)
{
	struct iw_dedup_entry *set = d->entries[(key >> 16) & (IW_DEDUP_SETS - 1)], *oldest = set;
	int n;

	for (n = 0; n < IW_DEDUP_WAYS; n++) {
		if (set[n].key == key)
			break;
		if (set[n].seen_s < oldest->seen_s)
			oldest = &set[n];
	}
	if (n < IW_DEDUP_WAYS)
		oldest = &set[n];
	if (oldest->key != key || now_s - oldest->seen_s > IW_DEDUP_S || oldest->seen_s - now_s > IW_DEDUP_S) {
		/* Only an entry that still waits for its counterpart is a loss. */
		if (oldest->key && oldest->key != key && oldest->balance && now_s - oldest->seen_s <= IW_DEDUP_S)
			d->evicted++;
		oldest->key = key;
		oldest->balance = 0;
	}
	oldest->seen_s = now_s;
	return oldest;
}

/* How many of `repeat` equal messages the other source has not told yet. */
static inline uint32_t iw_dedup_new(struct iw_auth *auth, struct iw_span program, struct iw_span message,
				    uint64_t ts_ns, uint32_t repeat)
{
	uint64_t key = iw_hash_bytes(iw_hash_bytes(0xcbf29ce484222325ULL, program), message) | 1;
	struct iw_dedup_entry *e = iw_dedup_entry(auth->dedup, key, (int64_t)(ts_ns / 1000000000ULL));
	int64_t ahead = -e->balance * auth->side; /* of the other source */
	uint32_t told = ahead <= 0 ? 0 : ahead < (int64_t)repeat ? (uint32_t)ahead : repeat;

	e->balance += auth->side * (int64_t)repeat;
	auth->dedup->duplicates += told;
	return repeat - told;
}

#endif /* IW_AUTHLOG_DEDUP_H */
