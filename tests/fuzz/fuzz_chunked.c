/*
 * The chunked coding (wire/chunked.h): the same data, verdict and end however
 * the input is cut; what is decoded is never longer than what came.
 */
#include "base/err.h"
#include "fuzz.h"
#include "wire/chunked.h"

enum { MAX_OVERHEAD = 512 };

struct outcome {
	int err;
	enum chunked_state state;
	size_t used; /* of the input */
	size_t data_bytes; /* decoded */
	uint64_t sum; /* over them, in their order */
};

static void
add_data(struct outcome *o, struct slice data)
{
	for (size_t i = 0; i < data.len; i++)
		o->sum = o->sum * 31 + (unsigned char)data.at[i] + 1;
	o->data_bytes += data.len;
}

static void
decode(struct slice in, size_t step, struct outcome *o)
{
	struct chunked c;

	*o = (struct outcome){ 0 };
	chunked_init(&c, MAX_OVERHEAD);
	while (o->used < in.len && o->err == 0 && c.state != CHUNKED_END) {
		size_t n = in.len - o->used < step ? in.len - o->used : step;
		struct slice piece = slice_make(in.at + o->used, n), data;

		o->err = chunked_decode(&c, &piece, &data);
		FUZZ_CHECK(piece.len < n || o->err < 0);
		if (o->err == 0)
			add_data(o, data);
		o->used += n - piece.len;
	}
	o->state = c.state;
	FUZZ_CHECK(c.digits <= 15 && o->data_bytes <= o->used);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const size_t steps[] = { 1, 2, 7, 64 };
	struct slice in = slice_make((const char *)bytes, len);
	struct outcome whole, cut;

	decode(in, len, &whole);
	FUZZ_CHECK(whole.err == 0 || whole.err == ERR_PROTOCOL || whole.err == ERR_TOO_LARGE);
	FUZZ_CHECK(whole.err || whole.state == CHUNKED_END || whole.used == len);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		decode(in, steps[i], &cut);
		FUZZ_CHECK(cut.err == whole.err && cut.state == whole.state);
		FUZZ_CHECK(cut.used == whole.used && cut.data_bytes == whole.data_bytes);
		FUZZ_CHECK(cut.sum == whole.sum);
	}
	return 0;
}
