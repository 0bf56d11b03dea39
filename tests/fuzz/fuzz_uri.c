/*
 * Paths, escapes, queries and authorities (http/uri.h). Up to a newline the
 * input is a path, then a query, then an authority.
 */
#include "base/err.h"
#include "fuzz.h"
#include "http/uri.h"

enum { TEXT_BYTES = 2048 };

/* No dot segments, no NUL, no escapes but the two that stay; a form of itself. */
static void
check_path(struct slice raw)
{
	char memory[TEXT_BYTES], again[TEXT_BYTES];
	struct slice path, rest, same;

	if (uri_path_decode(raw, memory, &path) != 0)
		return;
	FUZZ_CHECK(path.len > 0 && path.at[0] == '/' && path.len <= raw.len);
	FUZZ_CHECK(slice_find(path, 0) == path.len);
	FUZZ_CHECK(uri_path_decode(path, again, &same) == 0 && slice_eq(same, path));
	for (rest = path; rest.len;) {
		struct slice segment = slice_cut(&rest, '/');

		FUZZ_CHECK(!slice_eq(segment, SLICE(".")) && !slice_eq(segment, SLICE("..")));
		while (segment.len) {
			segment = slice_after(segment, slice_find(segment, '%'));
			FUZZ_CHECK(segment.len == 0 || slice_has_prefix(segment, SLICE("%2F")) ||
				   slice_has_prefix(segment, SLICE("%25")));
			segment = slice_after(segment, 3);
		}
	}
}

/* What is encoded decodes to itself, unless it holds a NUL. */
static void
check_encoding(struct slice s)
{
	char encoded[3 * TEXT_BYTES], decoded[3 * TEXT_BYTES];
	struct writer w = writer_over(encoded, sizeof(encoded));
	struct slice back;
	int err;

	uri_encode(&w, s);
	FUZZ_CHECK(!w.is_full);
	err = uri_decode(writer_slice(&w), decoded, &back);
	FUZZ_CHECK(slice_find(s, 0) < s.len ? err == ERR_SYNTAX : err == 0 && slice_eq(back, s));
}

static void
check_query(struct slice query)
{
	char name[TEXT_BYTES], decoded[TEXT_BYTES];
	struct slice rest = query, wanted, value;

	while (rest.len) {
		struct slice pair = slice_cut(&rest, '&');
		struct slice raw = slice_cut(&pair, '=');

		if (raw.len == 0 || uri_query_decode(raw, name, &wanted) != 0)
			continue;
		FUZZ_CHECK(wanted.len <= raw.len);
		FUZZ_CHECK(uri_query_find(query, wanted, &value));
		if (uri_query_decode(value, decoded, &value) == 0)
			FUZZ_CHECK(slice_find(value, 0) == value.len);
	}
}

static void
check_authority(struct slice s)
{
	struct slice host = uri_host(s);

	FUZZ_CHECK(host.len <= s.len);
	if (!uri_is_authority(s))
		return;
	FUZZ_CHECK(slice_find(s, '@') == s.len && slice_find(s, '/') == s.len);
	FUZZ_CHECK(host.len == s.len || s.at[host.len] == ':');
	FUZZ_CHECK(uri_is_authority(host));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct slice rest = slice_make((const char *)bytes, len);
	struct slice path, query;

	if (len == 0 || len > TEXT_BYTES)
		return 0;
	path = slice_cut(&rest, '\n');
	query = slice_cut(&rest, '\n');
	check_path(path);
	check_encoding(path);
	check_query(query);
	check_authority(rest);
	return 0;
}
