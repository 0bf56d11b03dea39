/*
 * The other readings of a path; see reading.h.
 */
#include "http/reading.h"

#include "base/writer.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum oddity {
	ODD_EMPTY = 1, /* segments: // is / */
	ODD_PARAMETER = 2, /* /a;b is /a */
	ODD_ESCAPED = 4, /* %2F is / */
	ODD_BACKSLASH = 8, /* \ is / */
};

enum { BLOCK = 16 };

/* --- whether there are any ---------------------------------------------------------- */

#ifdef __SSE2__
static unsigned
equal(__m128i bytes, char wanted)
{
	return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted)));
}

static bool
is_block_odd(const char *at)
{
	__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
	unsigned slashes = equal(bytes, '/');

	return (slashes & slashes << 1) != 0 ||
	       (equal(bytes, ';') | equal(bytes, '%') | equal(bytes, '\\')) != 0;
}
#else
static bool
is_block_odd(const char *at)
{
	char before = 0;

	for (unsigned i = 0; i < BLOCK; i++) {
		if (at[i] == ';' || at[i] == '%' || at[i] == '\\' ||
		    (at[i] == '/' && before == '/'))
			return true;
		before = at[i];
	}
	return false;
}
#endif

/* Blocks share a byte: a pair of slashes lies within one of them. */
bool
reading_is_odd(struct slice path)
{
	char last[BLOCK] = { 0 };

	while (path.len >= BLOCK) {
		if (is_block_odd(path.at))
			return true;
		path = slice_after(path, BLOCK - 1);
	}
	memcpy(last, path.at, path.len);
	return is_block_odd(last);
}

/* --- which ----------------------------------------------------------------------------- */

static unsigned
oddity_at(struct slice s)
{
	switch (s.at[0]) {
	case ';':
		return ODD_PARAMETER;
	case '\\':
		return ODD_BACKSLASH;
	case '%':
		return slice_has_prefix(s, SLICE("%2F")) ? ODD_ESCAPED : 0;
	case '/':
		return slice_has_prefix(s, SLICE("//")) ? ODD_EMPTY : 0;
	default:
		return 0;
	}
}

void
reading_init(struct reading *r, struct slice path)
{
	*r = (struct reading){ .path = path };
	for (struct slice s = path; s.len > 0; s = slice_after(s, 1))
		r->odd |= oddity_at(s);
	/* What is left out or becomes a slash may leave two of them together. */
	r->odd |= r->odd ? ODD_EMPTY : 0;
}

/* --- one of them ------------------------------------------------------------------------- */

/* "." or ".." behind the last slash. */
static bool
ends_in_dots(const struct writer *w)
{
	struct slice s = writer_slice(w);
	size_t dots = 0;

	while (dots < s.len && s.at[s.len - 1 - dots] == '.')
		dots++;
	return (dots == 1 || dots == 2) && dots < s.len && s.at[s.len - 1 - dots] == '/';
}

/* Takes one byte, or an escape that is read as a slash. */
static char
take(struct slice *s, unsigned how)
{
	unsigned odd = oddity_at(*s) & how;
	char c = odd & (ODD_ESCAPED | ODD_BACKSLASH) ? '/' : s->at[0];

	*s = slice_after(*s, odd & ODD_ESCAPED ? 3 : 1);
	return c;
}

/* False: it has a dot segment. */
static bool
write_reading(struct writer *w, struct slice path, unsigned how)
{
	bool is_left_out = false;

	while (path.len > 0) {
		char c = take(&path, how);

		if (c == '/' && ends_in_dots(w))
			return false;
		is_left_out = c != '/' && (is_left_out || (c == ';' && (how & ODD_PARAMETER)));
		if (is_left_out ||
		    (c == '/' && (how & ODD_EMPTY) && w->len > 0 && w->at[w->len - 1] == '/'))
			continue;
		writer_char(w, c);
	}
	return !ends_in_dots(w);
}

bool
reading_next(struct reading *r, char *memory, struct slice *text)
{
	struct writer w = writer_over(memory, r->path.len);

	/* The next of the sets of what there is. */
	r->how = ((r->how | ~r->odd) + 1) & r->odd;
	if (r->how == 0)
		return false;
	*text = write_reading(&w, r->path, r->how) ? writer_slice(&w) : SLICE("");
	return true;
}
