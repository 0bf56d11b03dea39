/*
 * Accept-Encoding (http/coding.h). The first byte is what is offered; each line
 * of the rest is one field.
 */
#include "fuzz.h"
#include "http/coding.h"

enum { FIELDS = 4 };

static unsigned
offer(unsigned set, enum coding *offered)
{
	unsigned n = 0;

	for (unsigned i = CODING_IDENTITY + 1; i < CODING_COUNT; i++) {
		if (set & (1u << i))
			offered[n++] = (enum coding)i;
	}
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct field memory[FIELDS];
	struct fields f = { .at = memory, .cap = FIELDS };
	enum coding offered[CODING_COUNT], ranked[CODING_COUNT];
	struct coding_weights w;
	struct slice rest;
	unsigned n, taken;

	if (len == 0)
		return 0;
	n = offer(bytes[0], offered);
	rest = slice_make((const char *)bytes + 1, len - 1);
	while (rest.len && fields_add(&f, FIELD_ACCEPT_ENCODING, slice_cut(&rest, '\n')) == 0)
		;
	w = coding_weights_of(&f);
	taken = coding_rank(&w, offered, n, ranked);
	FUZZ_CHECK(taken <= n && (f.count > 0 || taken == 0));
	for (unsigned i = 0; i < taken; i++) {
		unsigned weight = w.at[ranked[i]];

		FUZZ_CHECK(weight > 0 && weight <= CODING_WEIGHT_MAX);
		FUZZ_CHECK(!w.has_identity || weight >= w.at[CODING_IDENTITY]);
		FUZZ_CHECK(i == 0 || weight <= w.at[ranked[i - 1]]);
	}
	return 0;
}
