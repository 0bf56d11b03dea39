/*
 * http/trace.h: lines of tracestate, the first of which stands for traceparent too. What is
 * written is within its bounds, and read again it is the same.
 */
#include "fuzz.h"
#include "http/trace.h"

enum { LINES = 64 };

static void
write_state(const struct fields *f, char *memory, size_t cap, struct slice *text)
{
	struct writer w = writer_over(memory, cap);

	trace_write_state(f, &w);
	FUZZ_CHECK(!w.is_full && w.len <= TRACE_STATE_BYTES);
	*text = writer_slice(&w);
}

static void
check_parent(struct slice value, struct random *r)
{
	static const struct trace_conf conf = { .mode = TRACE_MAKE };
	struct field at = { .id = FIELD_TRACEPARENT, .value = value };
	const struct fields f = { .at = &at, .count = 1, .cap = 1 };
	struct trace t = { .conf = &conf };
	char memory[64];
	struct writer w = writer_over(memory, sizeof(memory));
	struct slice id;
	unsigned flags;
	bool is_valid = trace_parse(value, &id, &flags) == 0;

	FUZZ_CHECK(trace_take(&t, &f, r));
	FUZZ_CHECK(t.state == (is_valid ? TRACE_CONTINUED : TRACE_BEGUN));
	FUZZ_CHECK(!is_valid || slice_eq(id, trace_id(&t, &f)));
	trace_write_parent(&t, r, &w);
	FUZZ_CHECK(!w.is_full && trace_parse(writer_slice(&w), &id, &flags) == 0);
	FUZZ_CHECK(slice_eq(id, trace_id(&t, &f)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct slice rest = slice_make((const char *)bytes, len), first, again;
	char text[TRACE_STATE_BYTES + 1], more[TRACE_STATE_BYTES + 1];
	struct field at[LINES];
	struct fields f = { .at = at, .cap = LINES };
	struct random r;

	random_init(&r, len);
	while (rest.len > 0 && f.count < LINES)
		at[f.count++] = (struct field){ .id = FIELD_TRACESTATE,
						.value = slice_trim(slice_cut(&rest, '\n')) };
	if (f.count > 0)
		check_parent(at[0].value, &r);
	write_state(&f, text, sizeof(text), &first);
	at[0] = (struct field){ .id = FIELD_TRACESTATE, .value = first };
	f.count = 1;
	write_state(&f, more, sizeof(more), &again);
	FUZZ_CHECK(slice_eq(first, again));
	return 0;
}
