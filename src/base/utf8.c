/*
 * Checking and writing UTF-8; see utf8.h.
 */
#include "base/utf8.h"

#include "base/assert.h"

#define HIGH_BITS UINT64_C(0x8080808080808080)

/*
 * RFC 3629 4, by first byte: how many bytes the character takes, and the range of its
 * second byte, which alone rules out overlong forms, surrogates and what is too large. In
 * order and without gaps.
 */
static const struct lead {
	unsigned char first, last; /* of the first byte */
	unsigned char len;
	unsigned char low, high; /* of the second byte */
} leads[] = {
	{ 0xC2, 0xDF, 2, 0x80, 0xBF }, { 0xE0, 0xE0, 3, 0xA0, 0xBF }, { 0xE1, 0xEC, 3, 0x80, 0xBF },
	{ 0xED, 0xED, 3, 0x80, 0x9F }, { 0xEE, 0xEF, 3, 0x80, 0xBF }, { 0xF0, 0xF0, 4, 0x90, 0xBF },
	{ 0xF1, 0xF3, 4, 0x80, 0xBF }, { 0xF4, 0xF4, 4, 0x80, 0x8F },
};

static const struct lead *
find_lead(unsigned char c)
{
	size_t i = 0;

	if (c < leads[0].first || c > 0xF4)
		return NULL;
	while (c > leads[i].last)
		i++;
	return &leads[i];
}

static inline bool
is_tail(unsigned char c)
{
	return (c & 0xC0) == 0x80;
}

size_t
utf8_length(struct slice s)
{
	const unsigned char *at = (const unsigned char *)s.at;
	const struct lead *lead;

	if (s.len == 0)
		return 0;
	if (at[0] < 0x80)
		return 1;
	lead = find_lead(at[0]);
	if (!lead || s.len < lead->len || at[1] < lead->low || at[1] > lead->high)
		return 0;
	for (size_t i = 2; i < lead->len; i++) {
		if (!is_tail(at[i]))
			return 0;
	}
	return lead->len;
}

/* How many bytes at the start are ASCII, sixteen at a time; may stop early. */
static size_t
ascii_run(const char *at, size_t len)
{
	uint64_t word[2];
	size_t n = 0;

	for (; len - n >= sizeof(word); n += sizeof(word)) {
		memcpy(word, at + n, sizeof(word));
		if ((word[0] | word[1]) & HIGH_BITS)
			break;
	}
	return n;
}

size_t
utf8_prefix(struct slice s)
{
	size_t n = 0;

	while (n < s.len) {
		n += ascii_run(s.at + n, s.len - n);
		/* After a run, single steps: a text in another script has no runs. */
		do {
			size_t len = utf8_length(slice_after(s, n));

			if (len == 0)
				return n;
			n += len;
		} while (n < s.len && (s.at[n] & 0x80));
	}
	return n;
}

void
utf8_write(struct writer *w, uint32_t code)
{
	char bytes[4];
	size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const unsigned char marks[] = { 0, 0x00, 0xC0, 0xE0, 0xF0 };

	ASSERT(code <= 0x10FFFF && (code & 0xFFFFF800) != 0xD800);
	for (size_t i = len - 1; i > 0; i--) {
		bytes[i] = (char)(0x80 | (code & 0x3F));
		code >>= 6;
	}
	bytes[0] = (char)(marks[len] | code);
	writer_put(w, slice_make(bytes, len));
}
