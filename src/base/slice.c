/*
 * Looking at borrowed bytes; see slice.h.
 */
#include "base/slice.h"

#include "base/err.h"

bool
slice_eq_nocase(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		if (ascii_lower(a.at[i]) != ascii_lower(b.at[i]))
			return false;
	}
	return true;
}

size_t
slice_find(struct slice s, char c)
{
	const char *found = s.len ? memchr(s.at, c, s.len) : NULL;

	return found ? (size_t)(found - s.at) : s.len;
}

struct slice
slice_trim(struct slice s)
{
	while (s.len && (s.at[0] == ' ' || s.at[0] == '\t'))
		s = slice_after(s, 1);
	while (s.len && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
		s.len--;
	return s;
}

struct slice
slice_cut(struct slice *rest, char separator)
{
	size_t n = slice_find(*rest, separator);
	struct slice first = { rest->at, n };

	*rest = slice_after(*rest, n < rest->len ? n + 1 : n);
	return first;
}

int
slice_to_u64(struct slice s, uint64_t *value)
{
	uint64_t total = 0;

	if (s.len == 0)
		return ERR_SYNTAX;
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_is_digit(s.at[i]))
			return ERR_SYNTAX;
		if (__builtin_mul_overflow(total, (uint64_t)10, &total) ||
		    __builtin_add_overflow(total, (uint64_t)(s.at[i] - '0'), &total))
			return ERR_TOO_LARGE;
	}
	*value = total;
	return 0;
}

int
slice_compare(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n ? memcmp(a.at, b.at, n) : 0;

	if (order != 0)
		return order;
	return a.len < b.len ? -1 : a.len > b.len;
}
