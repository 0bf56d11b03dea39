/*
 * Numbers and formats for the bounded writer; see writer.h.
 */
#include "base/writer.h"

#include <stdarg.h>
#include <stdio.h>

enum { DIGITS_MAX = 21 }; /* of 64 bits in decimal, and a sign */

/* Inlined, so that dividing by a base that is known is a multiplication. */
__attribute__((always_inline)) static inline void
put_digits(struct writer *w, bool is_negative, uint64_t value, unsigned base)
{
	char digits[DIGITS_MAX];
	size_t i = sizeof(digits);

	do {
		digits[--i] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value > 0);
	if (is_negative)
		digits[--i] = '-';
	writer_put(w, slice_make(digits + i, sizeof(digits) - i));
}

void
writer_u64(struct writer *w, uint64_t value)
{
	put_digits(w, false, value, 10);
}

void
writer_i64(struct writer *w, int64_t value)
{
	uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	put_digits(w, value < 0, size, 10);
}

void
writer_hex(struct writer *w, uint64_t value)
{
	put_digits(w, false, value, 16);
}

void
writer_format(struct writer *w, const char *format, ...)
{
	size_t room = w->cap - w->len;
	va_list args;
	int n;

	if (w->is_full)
		return;
	va_start(args, format);
	n = vsnprintf(room ? w->at + w->len : NULL, room, format, args);
	va_end(args);
	/* vsnprintf wants a byte for its NUL: a text that fills the room to the
	 * last byte counts as not fitting. */
	if (n < 0 || (size_t)n >= room)
		w->is_full = true;
	else
		w->len += (size_t)n;
}
