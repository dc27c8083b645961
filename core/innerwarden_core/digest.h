/* SPDX-License-Identifier: Apache-2.0 */
/* MD5 (RFC 1321) and SHA-256 (FIPS 180-4), fed piece by piece. For naming things, not for trusting them. */
#ifndef IW_DIGEST_H
#define IW_DIGEST_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define IW_DIGEST_BLOCK 64

enum iw_digest_kind {
	IW_MD5,
	IW_SHA256,
};

struct iw_digest {
	uint32_t state[8];
	uint64_t size; /* bytes taken */
	enum iw_digest_kind kind;
	uint8_t block[IW_DIGEST_BLOCK];
};

static inline uint32_t iw_rol(uint32_t x, unsigned int n)
{
	return x << n | x >> (32 - n);
}

static inline uint32_t iw_ror(uint32_t x, unsigned int n)
{
	return x >> n | x << (32 - n);
}

/* floor(2^32 * |sin(i + 1)|), RFC 1321 3.4. */
static const uint32_t iw_md5_sines[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
	0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
	0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
	0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
	0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
	0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
	0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
	0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};
static const uint8_t iw_md5_turns[16] = { 7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21 };

static inline void iw_md5_block(uint32_t *state, const uint8_t *block)
{
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3], word, mixed, next;
	int i, from;

	for (i = 0; i < 64; i++) {
		if (i < 16) {
			mixed = (b & c) | (~b & d);
			from = i;
		} else if (i < 32) {
			mixed = (b & d) | (c & ~d);
			from = (5 * i + 1) & 15;
		} else if (i < 48) {
			mixed = b ^ c ^ d;
			from = (3 * i + 5) & 15;
		} else {
			mixed = c ^ (b | ~d);
			from = (7 * i) & 15;
		}
		word = (uint32_t)block[from * 4] | (uint32_t)block[from * 4 + 1] << 8 |
		       (uint32_t)block[from * 4 + 2] << 16 | (uint32_t)block[from * 4 + 3] << 24;
		next = b + iw_rol(a + mixed + iw_md5_sines[i] + word, iw_md5_turns[i >> 4 << 2 | (i & 3)]);
		a = d;
		d = c;
		c = b;
		b = next;
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
}

/* First 32 bits of the fractions of the cube roots of the first 64 primes, FIPS 180-4 4.2.2. */
static const uint32_t iw_sha256_roots[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline void iw_sha256_block(uint32_t *state, const uint8_t *block)
{
	uint32_t w[64], v[8], one, two;
	int i;

	for (i = 0; i < 16; i++)
		w[i] = (uint32_t)block[i * 4] << 24 | (uint32_t)block[i * 4 + 1] << 16 |
		       (uint32_t)block[i * 4 + 2] << 8 | block[i * 4 + 3];
	for (; i < 64; i++)
		w[i] = (iw_ror(w[i - 2], 17) ^ iw_ror(w[i - 2], 19) ^ w[i - 2] >> 10) + w[i - 7] +
		       (iw_ror(w[i - 15], 7) ^ iw_ror(w[i - 15], 18) ^ w[i - 15] >> 3) + w[i - 16];
	memcpy(v, state, sizeof(v));
	for (i = 0; i < 64; i++) {
		one = v[7] + (iw_ror(v[4], 6) ^ iw_ror(v[4], 11) ^ iw_ror(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) +
		      iw_sha256_roots[i] + w[i];
		two = (iw_ror(v[0], 2) ^ iw_ror(v[0], 13) ^ iw_ror(v[0], 22)) +
		      ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
		memmove(v + 1, v, 7 * sizeof(*v));
		v[4] += one;
		v[0] = one + two;
	}
	for (i = 0; i < 8; i++)
		state[i] += v[i];
}

static inline void iw_digest_begin(struct iw_digest *self, enum iw_digest_kind kind)
{
	static const uint32_t md5[8] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 };
	static const uint32_t sha256[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

	memcpy(self->state, kind == IW_MD5 ? md5 : sha256, sizeof(self->state));
	self->size = 0;
	self->kind = kind;
}

static inline void iw_digest_add(struct iw_digest *self, const void *data, size_t size)
{
	const uint8_t *from = data;

	while (size--) {
		self->block[self->size++ % IW_DIGEST_BLOCK] = *from++;
		if (self->size % IW_DIGEST_BLOCK)
			continue;
		if (self->kind == IW_MD5)
			iw_md5_block(self->state, self->block);
		else
			iw_sha256_block(self->state, self->block);
	}
}

/* The first `characters` hexadecimal digits; at most 32 of MD5, 64 of SHA-256. */
static inline void iw_digest_end(struct iw_digest *self, char *out, int characters)
{
	static const char hex[] = "0123456789abcdef";
	uint64_t bits = self->size * 8;
	uint8_t length[8];
	int i;

	for (i = 0; i < 8; i++)
		length[i] = (uint8_t)(bits >> (self->kind == IW_MD5 ? i * 8 : 56 - i * 8));
	iw_digest_add(self, "\x80", 1);
	while (self->size % IW_DIGEST_BLOCK != IW_DIGEST_BLOCK - 8)
		iw_digest_add(self, "", 1);
	iw_digest_add(self, length, 8);
	for (i = 0; i < characters; i++) {
		int byte = i / 2, shift = self->kind == IW_MD5 ? byte % 4 * 8 : 24 - byte % 4 * 8;

		out[i] = hex[self->state[byte / 4] >> (shift + (i & 1 ? 0 : 4)) & 15];
	}
}

#endif /* IW_DIGEST_H */
