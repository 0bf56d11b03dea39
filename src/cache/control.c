/*
 * Cache-Control, read; see control.h.
 */
#include "cache/control.h"

#include <stddef.h>

/* RFC 9111 1.2.2: what is larger counts as this. */
static const int64_t seconds_max = INT64_C(1) << 31;

static const struct row {
	struct slice name;
	size_t at;
	bool is_number;
} rows[] = {
#define FLAG(name, field)                                                                          \
	{                                                                                          \
		SLICE_INIT(name), offsetof(struct cache_control, field), false                     \
	}
#define NUMBER(name, field)                                                                        \
	{                                                                                          \
		SLICE_INIT(name), offsetof(struct cache_control, field), true                      \
	}
	FLAG("no-store", no_store),
	FLAG("no-cache", no_cache),
	FLAG("private", is_private),
	FLAG("public", is_public),
	FLAG("must-revalidate", must_revalidate),
	FLAG("proxy-revalidate", proxy_revalidate),
	FLAG("only-if-cached", only_if_cached),
	NUMBER("max-age", max_age),
	NUMBER("s-maxage", s_maxage),
	NUMBER("stale-while-revalidate", stale_while_revalidate),
	NUMBER("stale-if-error", stale_if_error),
#undef FLAG
#undef NUMBER
};

/* Up to the next comma that is not in a quoted string. */
static struct slice
cut_directive(struct slice *rest)
{
	struct slice s = *rest;
	bool is_quoted = false;
	size_t n = 0;

	for (; n < s.len && (is_quoted || s.at[n] != ','); n++) {
		if (is_quoted && s.at[n] == '\\' && n + 1 < s.len)
			n++;
		else if (s.at[n] == '"')
			is_quoted = !is_quoted;
	}
	*rest = slice_after(s, n < s.len ? n + 1 : n);
	return slice_make(s.at, n);
}

static int64_t
seconds_of(struct slice value)
{
	uint64_t number;

	/* RFC 9111 5.2: a token or a quoted string. */
	if (value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"')
		value = slice_make(value.at + 1, value.len - 2);
	for (size_t i = 0; i < value.len; i++) {
		if (!ascii_is_digit(value.at[i]))
			return 0;
	}
	if (value.len == 0)
		return 0;
	if (slice_to_u64(value, &number) != 0 || number > (uint64_t)seconds_max)
		return seconds_max;
	return (int64_t)number;
}

static void
note(struct cache_control *c, struct slice directive)
{
	struct slice value = directive, name = slice_trim(slice_cut(&value, '='));

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *field = (char *)c + rows[i].at;

		if (!slice_eq_nocase(name, rows[i].name))
			continue;
		if (rows[i].is_number) {
			int64_t seconds = seconds_of(slice_trim(value)), *said = (void *)field;

			if (*said == CACHE_UNSAID || seconds < *said)
				*said = seconds;
		} else {
			*(bool *)field = true;
		}
	}
}

void
cache_control_read(const struct fields *f, struct cache_control *c)
{
	*c = (struct cache_control){
		.max_age = CACHE_UNSAID,
		.s_maxage = CACHE_UNSAID,
		.stale_while_revalidate = CACHE_UNSAID,
		.stale_if_error = CACHE_UNSAID,
	};
	for (unsigned i = 0; i < f->count; i++) {
		struct slice rest = f->at[i].value;

		while (f->at[i].id == FIELD_CACHE_CONTROL && rest.len > 0)
			note(c, slice_trim(cut_directive(&rest)));
	}
}
