/*
 * base/json.h: in a valid text, what a path finds lies inside the text and is itself a valid
 * text; in any other, nothing is read outside it. Any bytes written as a string validate,
 * and read back as they were if they were UTF-8; whole or in pieces.
 */
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "fuzz.h"

enum { PATH_STEPS = 3, PIECE_BYTES = 16, ESCAPE_MAX = 6 };

static const struct slice names[] = {
	SLICE_INIT("a"), SLICE_INIT("0"), SLICE_INIT("1"), SLICE_INIT(""), SLICE_INIT("\xC3\xA9"),
};

enum { NAMES = sizeof(names) / sizeof(names[0]) };

static void
try_path(struct slice json, bool is_valid, const struct slice path[], size_t n, char *memory,
	 size_t cap)
{
	struct writer w = writer_over(memory, cap);
	struct slice value, text;

	if (json_find(json, path, n, &value) != 0)
		return;
	FUZZ_CHECK(value.at >= json.at && value.len <= json.len &&
		   value.at + value.len <= json.at + json.len);
	FUZZ_CHECK(!is_valid || json_validate(value, JSON_DEPTH_MAX, NULL) == 0);
	if (json_text(value, &w) != 0)
		return;
	/* A text is never longer than what it is written as. */
	FUZZ_CHECK(!w.is_full);
	FUZZ_CHECK(!is_valid || utf8_is_valid(writer_slice(&w)));
	if (json_text_borrow(value, &text))
		FUZZ_CHECK(slice_eq(text, writer_slice(&w)));
}

static void
try_paths(struct slice json, bool is_valid, char *memory, size_t cap)
{
	for (size_t k = 0; k < NAMES * NAMES * NAMES; k++) {
		struct slice path[PATH_STEPS] = {
			names[k % NAMES],
			names[k / NAMES % NAMES],
			names[k / NAMES / NAMES],
		};

		for (size_t n = 0; n <= PATH_STEPS; n++)
			try_path(json, is_valid, path, n, memory, cap);
	}
}

static void
try_writing(struct slice s, char *memory, size_t cap)
{
	struct writer w = writer_over(memory, cap);
	char *back = mem_alloc(cap);
	struct writer read = writer_over(back, back ? cap : 0);
	struct slice rest = s;
	size_t len = 1;

	json_write_string(&w, s);
	FUZZ_CHECK(!w.is_full && json_validate(writer_slice(&w), 0, NULL) == 0);
	FUZZ_CHECK(json_text(writer_slice(&w), &read) == 0 && utf8_is_valid(writer_slice(&read)));
	FUZZ_CHECK(!utf8_is_valid(s) || slice_eq(writer_slice(&read), s));
	while (rest.len) {
		struct writer piece = writer_over(back, PIECE_BYTES);

		rest = json_write_some(&piece, rest);
		FUZZ_CHECK(piece.len > 0 && !piece.is_full);
		FUZZ_CHECK(
		    slice_has_prefix(slice_after(writer_slice(&w), len), writer_slice(&piece)));
		len += piece.len;
	}
	FUZZ_CHECK(len + 1 == w.len);
	mem_free(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct slice text = slice_make((const char *)bytes, len);
	size_t cap = len * ESCAPE_MAX + PIECE_BYTES, offset = 0;
	char *memory = mem_alloc(cap);
	int error = json_validate(text, JSON_DEPTH_MAX, &offset);

	if (!memory)
		return 0;
	FUZZ_CHECK(offset <= len);
	FUZZ_CHECK(error || utf8_is_valid(text));
	try_paths(text, error == 0, memory, cap);
	try_writing(text, memory, cap);
	mem_free(&memory);
	return 0;
}
