/*
 * Conditional requests (http/conditional.h). The input is our entity tag, then
 * lines, each of one byte that says which field and method, and its value.
 */
#include "fuzz.h"
#include "http/conditional.h"

enum { FIELDS = 8, SECOND = 784111777 };

static const enum field_id ids[] = { FIELD_IF_MATCH,          FIELD_IF_NONE_MATCH,
				     FIELD_IF_MODIFIED_SINCE, FIELD_IF_UNMODIFIED_SINCE,
				     FIELD_IF_RANGE,          FIELD_RANGE };

/* What holds whatever was asked. */
static void
check(const struct request *r, const struct validators *v)
{
	enum condition c = condition_check(r, v);
	bool is_read = r->method == METHOD_GET;

	if (!condition_is_asked(r))
		FUZZ_CHECK(c == CONDITION_PASSED && condition_range_counts(r, v));
	FUZZ_CHECK(is_read || c != CONDITION_NOT_MODIFIED);
	if (c == CONDITION_FAILED && is_read)
		FUZZ_CHECK(fields_find(&r->fields, FIELD_IF_MATCH) ||
			   fields_find(&r->fields, FIELD_IF_UNMODIFIED_SINCE));
	/* A weak entity tag is nothing that a range may rest on. */
	if (slice_has_prefix(v->etag, SLICE("W/")) && !v->has_modified &&
	    fields_find(&r->fields, FIELD_IF_RANGE))
		FUZZ_CHECK(!condition_range_counts(r, v));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct slice rest = slice_make((const char *)bytes, len);
	struct field memory[FIELDS];
	struct request r = { .method = METHOD_GET, .fields = { .at = memory, .cap = FIELDS } };
	struct validators v = { .modified_s = SECOND };

	v.etag = slice_cut(&rest, '\n');
	while (rest.len) {
		struct slice line = slice_cut(&rest, '\n');
		unsigned which = line.len ? (unsigned char)line.at[0] : 0;

		if (which & 0x40)
			r.method = METHOD_PUT;
		v.has_modified |= (which & 0x80) != 0;
		v.is_modified_strong |= (which & 0x20) != 0;
		if (fields_add(&r.fields, ids[which % (sizeof(ids) / sizeof(ids[0]))],
			       slice_after(line, 1)) != 0)
			break;
	}
	check(&r, &v);
	if (etag_list_has(v.etag, v.etag, true))
		FUZZ_CHECK(etag_list_has(v.etag, v.etag, false));
	return 0;
}
