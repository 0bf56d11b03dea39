/*
 * Scanning of long runs; see cursor.h. SSE2 belongs to every x86-64 CPU, so
 * nothing has to be detected at run time; elsewhere the byte table does it.
 */
#include "wire/cursor.h"

#ifdef __SSE2__
#include <emmintrin.h>

/* Bit i is set when byte i cannot stand in a field value: a control but tab. */
static unsigned
controls_of(__m128i bytes)
{
	__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
	__m128i tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
	__m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));

	return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, low), del));
}

/* Moves over whole blocks; true when the cursor stands at a byte that ends the run. */
static bool
skip_blocks(struct cursor *c)
{
	while (cursor_left(c) >= sizeof(__m128i)) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)c->at);
		unsigned found = controls_of(bytes);

		if (found) {
			c->at += __builtin_ctz(found);
			return true;
		}
		c->at += sizeof(__m128i);
	}
	return false;
}
#else
static bool
skip_blocks(struct cursor *c)
{
	(void)c;
	return false;
}
#endif

struct slice
cursor_run_value(struct cursor *c)
{
	const char *start = c->at;

	if (!skip_blocks(c))
		cursor_run(c, BYTE_VALUE);
	return slice_make(start, (size_t)(c->at - start));
}
