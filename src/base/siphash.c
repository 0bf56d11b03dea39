/*
 * SipHash-2-4; see siphash.h. Names are those of the paper, section 2.
 */
#include "base/siphash.h"

enum { COMPRESS_ROUNDS = 2, FINISH_ROUNDS = 4 };

static uint64_t
rotate(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static void
mix(uint64_t v[4], unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

/* Up to eight bytes, the first one lowest. */
static uint64_t
load(struct slice s)
{
	uint64_t word = 0;

	for (size_t i = 0; i < s.len && i < 8; i++)
		word |= (uint64_t)(unsigned char)s.at[i] << 8 * i;
	return word;
}

static void
compress(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	mix(v, COMPRESS_ROUNDS);
	v[0] ^= word;
}

uint64_t
siphash(const struct siphash_key *key, struct slice text)
{
	uint64_t length = (uint64_t)text.len << 56;
	uint64_t v[4] = {
		key->half[0] ^ UINT64_C(0x736f6d6570736575),
		key->half[1] ^ UINT64_C(0x646f72616e646f6d),
		key->half[0] ^ UINT64_C(0x6c7967656e657261),
		key->half[1] ^ UINT64_C(0x7465646279746573),
	};

	for (; text.len >= 8; text = slice_after(text, 8))
		compress(v, load(text));
	compress(v, load(text) | length);
	v[2] ^= 0xff;
	mix(v, FINISH_ROUNDS);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
