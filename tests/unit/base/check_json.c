/*
 * JSON as text: the check, paths, unescaping, writing.
 */
#include "base/json.h"

#include <check.h>
#include <stdlib.h>

#define COUNT(list) ((int)(sizeof(list) / sizeof((list)[0])))

enum { PATH_MAX_STEPS = 4 };

Suite *suite_base_json(void);

static const struct verdict {
	struct slice text;
	int error;
	size_t offset;
} verdicts[] = {
	{ SLICE_INIT("null"), 0, 0 },
	{ SLICE_INIT(" \t\r\n true \n"), 0, 0 },
	{ SLICE_INIT("false"), 0, 0 },
	{ SLICE_INIT("\"\""), 0, 0 },
	{ SLICE_INIT("{}"), 0, 0 },
	{ SLICE_INIT("[ ]"), 0, 0 },
	{ SLICE_INIT("{ \"a\" : [1, 2 , {\"b\":null}], \"c\":\"d\" }"), 0, 0 },
	{ SLICE_INIT("[[],{},\"\"]"), 0, 0 },
	{ SLICE_INIT("-0"), 0, 0 },
	{ SLICE_INIT("0.10e+01"), 0, 0 },
	{ SLICE_INIT("-12E-5"), 0, 0 },
	{ SLICE_INIT("123456789012345678901234567890"), 0, 0 },
	{ SLICE_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uABCD\""), 0, 0 },
	{ SLICE_INIT("\"\\ud83d\\ude00\""), 0, 0 },
	{ SLICE_INIT("\"\\ud83d\""), 0, 0 }, /* half a pair is within the grammar */
	{ SLICE_INIT("\"\xC3\xA9\xF0\x9F\x98\x80 long enough for a run of plain bytes\""), 0, 0 },
	{ SLICE_INIT("\"\x7F\""), 0, 0 },
	{ SLICE_INIT("{\"a\":1,\"a\":2}"), 0, 0 },
	{ SLICE_INIT(""), ERR_SYNTAX, 0 },
	{ SLICE_INIT("  "), ERR_SYNTAX, 2 },
	{ SLICE_INIT("\xEF\xBB\xBF{}"), ERR_SYNTAX, 0 },
	{ SLICE_INIT("nul"), ERR_SYNTAX, 0 },
	{ SLICE_INIT("nulL"), ERR_SYNTAX, 0 },
	{ SLICE_INIT("null null"), ERR_SYNTAX, 5 },
	{ SLICE_INIT("nullx"), ERR_SYNTAX, 4 },
	{ SLICE_INIT("{} ,"), ERR_SYNTAX, 3 },
	{ SLICE_INIT("NaN"), ERR_SYNTAX, 0 },
	{ SLICE_INIT("-"), ERR_SYNTAX, 1 },
	{ SLICE_INIT("-Infinity"), ERR_SYNTAX, 1 },
	{ SLICE_INIT("+1"), ERR_SYNTAX, 0 },
	{ SLICE_INIT("01"), ERR_SYNTAX, 1 },
	{ SLICE_INIT("-01"), ERR_SYNTAX, 2 },
	{ SLICE_INIT("1."), ERR_SYNTAX, 2 },
	{ SLICE_INIT(".5"), ERR_SYNTAX, 0 },
	{ SLICE_INIT("1e"), ERR_SYNTAX, 2 },
	{ SLICE_INIT("1e+"), ERR_SYNTAX, 3 },
	{ SLICE_INIT("0x1"), ERR_SYNTAX, 1 },
	{ SLICE_INIT("[1,]"), ERR_SYNTAX, 3 },
	{ SLICE_INIT("[,1]"), ERR_SYNTAX, 1 },
	{ SLICE_INIT("[1 2]"), ERR_SYNTAX, 3 },
	{ SLICE_INIT("["), ERR_SYNTAX, 1 },
	{ SLICE_INIT("[1"), ERR_SYNTAX, 2 },
	{ SLICE_INIT("[1}"), ERR_SYNTAX, 2 },
	{ SLICE_INIT("]"), ERR_SYNTAX, 0 },
	{ SLICE_INIT("{\"a\":1]"), ERR_SYNTAX, 6 },
	{ SLICE_INIT("{\"a\":1,}"), ERR_SYNTAX, 7 },
	{ SLICE_INIT("{\"a\"}"), ERR_SYNTAX, 4 },
	{ SLICE_INIT("{\"a\":}"), ERR_SYNTAX, 5 },
	{ SLICE_INIT("{a:1}"), ERR_SYNTAX, 1 },
	{ SLICE_INIT("{1:1}"), ERR_SYNTAX, 1 },
	{ SLICE_INIT("{'a':1}"), ERR_SYNTAX, 1 },
	{ SLICE_INIT("{,}"), ERR_SYNTAX, 1 },
	{ SLICE_INIT("[1] // x"), ERR_SYNTAX, 4 },
	{ SLICE_INIT("\"a"), ERR_SYNTAX, 2 },
	{ SLICE_INIT("\""), ERR_SYNTAX, 1 },
	{ SLICE_INIT("\"\\"), ERR_SYNTAX, 1 },
	{ SLICE_INIT("\"\\\""), ERR_SYNTAX, 3 },
	{ SLICE_INIT("\"\\x\""), ERR_SYNTAX, 1 },
	{ SLICE_INIT("\"\\\0\""), ERR_SYNTAX, 1 },
	{ SLICE_INIT("\"\\u12\""), ERR_SYNTAX, 1 },
	{ SLICE_INIT("\"\\u12G4\""), ERR_SYNTAX, 1 },
	{ SLICE_INIT("\"\\u"), ERR_SYNTAX, 1 },
	{ SLICE_INIT("\"tab\t\""), ERR_SYNTAX, 4 },
	{ SLICE_INIT("\"line\n\""), ERR_SYNTAX, 5 },
	{ SLICE_INIT("\"nul\0\""), ERR_SYNTAX, 4 },
	{ SLICE_INIT("\"\xFF\""), ERR_SYNTAX, 1 },
	{ SLICE_INIT("\"\xED\xA0\x80\""), ERR_SYNTAX, 1 },
	{ SLICE_INIT("\"\xC3"), ERR_SYNTAX, 1 },
	{ SLICE_INIT("[\0]"), ERR_SYNTAX, 1 },
	{ SLICE_INIT("1\0"), ERR_SYNTAX, 1 },
	{ SLICE_INIT("\f1"), ERR_SYNTAX, 0 },
};

/* Memory of exactly that size, so that a sanitizer sees a byte read behind it. */
static char *
exact_copy(struct slice s)
{
	char *copy = malloc(s.len ? s.len : 1);

	if (!copy)
		ck_abort_msg("out of memory");
	else if (s.len)
		memcpy(copy, s.at, s.len);
	return copy;
}

START_TEST(validate_is_strict_and_says_where)
{
	const struct verdict *v = &verdicts[_i];
	char *copy = exact_copy(v->text);
	size_t offset = 0;

	ck_assert_int_eq(json_validate(slice_make(copy, v->text.len), JSON_DEPTH_MAX, &offset),
			 v->error);
	ck_assert_uint_eq(offset, v->offset);
	free(copy);
}
END_TEST

/* Every byte that needs a look must be seen at each place within and behind a run of eight. */
START_TEST(odd_bytes_are_seen_wherever_they_stand)
{
	static const char odd[] = { '\0', '\n', '\x1F', '"', '\\', '\x80', '\xA2', '\xDC', '\xFF' };
	char text[40];

	for (size_t k = 0; k < sizeof(odd); k++) {
		for (size_t i = 1; i < sizeof(text) - 2; i++) {
			size_t offset = 0;

			memset(text, 'a', sizeof(text));
			text[0] = text[sizeof(text) - 1] = '"';
			text[i] = odd[k];
			ck_assert_int_eq(json_validate(slice_make(text, sizeof(text)), 1, &offset),
					 ERR_SYNTAX);
			ck_assert_uint_eq(offset, odd[k] == '"' ? i + 1 : i);
		}
	}
}
END_TEST

START_TEST(depth_is_bounded_by_the_caller)
{
	char text[2 * JSON_DEPTH_MAX + 2];
	size_t offset = 0;

	memset(text, '[', JSON_DEPTH_MAX);
	memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	ck_assert_int_eq(json_validate(slice_make(text, 2 * JSON_DEPTH_MAX), JSON_DEPTH_MAX, NULL),
			 0);
	ck_assert_int_eq(
	    json_validate(slice_make(text, 2 * JSON_DEPTH_MAX), JSON_DEPTH_MAX - 1, &offset),
	    ERR_TOO_LARGE);
	ck_assert_uint_eq(offset, JSON_DEPTH_MAX - 1);
	memset(text, '[', JSON_DEPTH_MAX + 1);
	ck_assert_int_eq(json_validate(slice_make(text, JSON_DEPTH_MAX + 1), JSON_DEPTH_MAX, NULL),
			 ERR_TOO_LARGE);
	ck_assert_int_eq(json_validate(SLICE("1"), 0, NULL), 0);
	ck_assert_int_eq(json_validate(SLICE("[]"), 0, NULL), ERR_TOO_LARGE);
}
END_TEST

/* Each level keeps its own kind, across the words that the bits are in. */
START_TEST(brackets_must_match_at_every_depth)
{
	for (size_t wrong = 0; wrong < JSON_DEPTH_MAX; wrong++) {
		char memory[JSON_DEPTH_MAX * 8];
		struct writer w = writer_over(memory, sizeof(memory));

		for (size_t i = 0; i < JSON_DEPTH_MAX; i++)
			writer_text(&w, i % 3 ? "[" : "{\"a\":");
		writer_text(&w, "0");
		for (size_t i = JSON_DEPTH_MAX; i-- > 0;)
			writer_char(&w, (i % 3 != 0) != (i == wrong) ? ']' : '}');
		ck_assert(!w.is_full);
		ck_assert_int_eq(json_validate(writer_slice(&w), JSON_DEPTH_MAX, NULL), ERR_SYNTAX);
	}
}
END_TEST

/* --- paths --------------------------------------------------------------------------- */

#define BOOK                                                                                       \
	" { \"id\" : 7 , \"name\":\"A \\\"B\\\"\", \"tags\":[ \"x\" , [1, 2],{\"k\":null} ],"      \
	"\"\":0, \"esc\\u0061ped\\n\":true, \"a.b\":{\"}\":\"]\"}, \"dup\":1, \"dup\":[3], "       \
	"\"\\ud83d\\ude00\":\"smile\", \"\\ud83d\":\"half\" , \"big\":-1.5e3, \"0\":\"zero\"} "

static const struct lookup {
	const char *path[PATH_MAX_STEPS]; /* NULL ends it */
	const char *value; /* NULL: missing */
} lookups[] = {
	{ { "id" }, "7" },
	{ { "name" }, "\"A \\\"B\\\"\"" },
	{ { "tags" }, "[ \"x\" , [1, 2],{\"k\":null} ]" },
	{ { "tags", "0" }, "\"x\"" },
	{ { "tags", "1" }, "[1, 2]" },
	{ { "tags", "1", "1" }, "2" },
	{ { "tags", "2", "k" }, "null" },
	{ { "tags", "3" }, NULL },
	{ { "tags", "00" }, NULL },
	{ { "tags", "01" }, NULL },
	{ { "tags", "-1" }, NULL },
	{ { "tags", "" }, NULL },
	{ { "tags", "x" }, NULL },
	{ { "tags", "18446744073709551616" }, NULL },
	{ { "tags", "0", "0" }, NULL }, /* a scalar has no inside */
	{ { "" }, "0" },
	{ { "escaped\n" }, "true" },
	{ { "esc\\u0061ped\\n" }, NULL }, /* names are compared unescaped */
	{ { "a.b" }, "{\"}\":\"]\"}" },
	{ { "a.b", "}" }, "\"]\"" },
	{ { "dup" }, "[3]" }, /* the last one counts */
	{ { "\xF0\x9F\x98\x80" }, "\"smile\"" },
	{ { "\xED\xA0\xBD" }, NULL }, /* half a pair equals nothing */
	{ { "big" }, "-1.5e3" },
	{ { "0" }, "\"zero\"" }, /* in an object digits are a name */
	{ { "nope" }, NULL },
	{ { "i" }, NULL },
	{ { "idx" }, NULL },
};

static int
look_up(struct slice json, const char *const names[], struct slice *value)
{
	struct slice path[PATH_MAX_STEPS];
	size_t n = 0;

	while (n < PATH_MAX_STEPS && names[n]) {
		path[n] = slice_of(names[n]);
		n++;
	}
	return json_find(json, path, n, value);
}

START_TEST(find_follows_names_and_indices)
{
	const struct lookup *l = &lookups[_i];
	struct slice value = SLICE("unchanged");

	ck_assert_int_eq(json_validate(SLICE(BOOK), JSON_DEPTH_MAX, NULL), 0);
	ck_assert_int_eq(look_up(SLICE(BOOK), l->path, &value), l->value ? 0 : ERR_MISSING);
	ck_assert_msg(slice_eq(value, slice_of(l->value ? l->value : "unchanged")), "got %.*s",
		      SLICE_PRINT(value));
}
END_TEST

START_TEST(an_empty_path_is_the_whole_value)
{
	struct slice value;

	ck_assert_int_eq(json_find(SLICE(" [1] "), NULL, 0, &value), 0);
	ck_assert(slice_eq(value, SLICE("[1]")));
	ck_assert_int_eq(json_find(SLICE("\n5"), NULL, 0, &value), 0);
	ck_assert(slice_eq(value, SLICE("5")));
}
END_TEST

/* Whatever the text is, nothing behind its end is read: each prefix in memory of its size. */
START_TEST(members_come_in_order_and_with_their_names_as_written)
{
	struct json_walk w =
	    json_walk_over(SLICE("{ \"a\" : 1 , \"b\\\"\":[1,{\"c\":2}],\"a\":\"}\" }"));
	struct slice name, value;

	ck_assert(json_walk_member(&w, &name, &value));
	ck_assert(slice_eq(name, SLICE("\"a\"")) && slice_eq(value, SLICE("1")));
	ck_assert(json_walk_member(&w, &name, &value));
	ck_assert(slice_eq(name, SLICE("\"b\\\"\"")) && slice_eq(value, SLICE("[1,{\"c\":2}]")));
	ck_assert(json_walk_member(&w, &name, &value));
	ck_assert(slice_eq(name, SLICE("\"a\"")) && slice_eq(value, SLICE("\"}\"")));
	ck_assert(!json_walk_member(&w, &name, &value));
	ck_assert(!json_walk_member(&w, &name, &value));
	w = json_walk_over(SLICE("{ }"));
	ck_assert(!json_walk_member(&w, &name, &value));
}
END_TEST

START_TEST(elements_come_in_order)
{
	struct json_walk w = json_walk_over(SLICE("[ 1 ,\"]\", [2,3] ]"));
	struct slice value;

	ck_assert(json_walk_element(&w, &value) && slice_eq(value, SLICE("1")));
	ck_assert(json_walk_element(&w, &value) && slice_eq(value, SLICE("\"]\"")));
	ck_assert(json_walk_element(&w, &value) && slice_eq(value, SLICE("[2,3]")));
	ck_assert(!json_walk_element(&w, &value));
	w = json_walk_over(SLICE("[]"));
	ck_assert(!json_walk_element(&w, &value));
	w = json_walk_over(SLICE("[ ]"));
	ck_assert(!json_walk_element(&w, &value));
}
END_TEST

START_TEST(find_stays_inside_a_text_that_is_cut)
{
	for (size_t len = 0; len <= sizeof(BOOK) - 1; len++) {
		char *copy = exact_copy(slice_make(BOOK, len));

		for (int i = 0; i < COUNT(lookups); i++) {
			struct slice value = { copy, 0 };
			int error = look_up(slice_make(copy, len), lookups[i].path, &value);

			ck_assert(error <= 0 && value.at >= copy &&
				  value.at + value.len <= copy + len);
		}
		free(copy);
	}
}
END_TEST

/* --- text ---------------------------------------------------------------------------- */

static const struct meaning {
	const char *raw;
	int error;
	struct slice text;
} meanings[] = {
	{ "\"plain\"", 0, SLICE_INIT("plain") },
	{ "\"\"", 0, SLICE_INIT("") },
	{ "\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"", 0, SLICE_INIT("a\"\\/\b\f\n\r\tz") },
	{ "\"\\u0041\\u00e9\\u20AC\"", 0, SLICE_INIT("A\xC3\xA9\xE2\x82\xAC") },
	{ "\"x\\ud83d\\ude00y\"", 0, SLICE_INIT("x\xF0\x9F\x98\x80y") },
	{ "\"\\uDBFF\\uDFFF\"", 0, SLICE_INIT("\xF4\x8F\xBF\xBF") },
	{ "\"\\u0000\"", 0, SLICE_INIT("\0") },
	{ "\"\\ud83d\"", ERR_SYNTAX, SLICE_INIT("") },
	{ "\"\\ud83dx\"", ERR_SYNTAX, SLICE_INIT("") },
	{ "\"\\ud83d\\u0041\"", ERR_SYNTAX, SLICE_INIT("") },
	{ "\"\\ud83d\\ud83d\"", ERR_SYNTAX, SLICE_INIT("") },
	{ "\"\\ude00\\ud83d\"", ERR_SYNTAX, SLICE_INIT("") },
	{ "\"\\ude00\\ude00\"", ERR_SYNTAX, SLICE_INIT("") },
	{ "null", ERR_MISSING, SLICE_INIT("") },
	{ "true", 0, SLICE_INIT("true") },
	{ "-1.50", 0, SLICE_INIT("-1.50") },
	{ "[1, \"\\n\"]", 0, SLICE_INIT("[1, \"\\n\"]") },
	{ "{}", 0, SLICE_INIT("{}") },
};

START_TEST(text_is_what_a_value_means)
{
	const struct meaning *m = &meanings[_i];
	char memory[64];
	struct writer w = writer_over(memory, sizeof(memory));

	ck_assert_int_eq(json_text(slice_of(m->raw), &w), m->error);
	ck_assert(!w.is_full);
	if (!m->error)
		ck_assert(slice_eq(writer_slice(&w), m->text));
}
END_TEST

START_TEST(text_without_escapes_is_borrowed)
{
	struct slice raw = SLICE("\"abc\"");
	struct slice text = SLICE("unchanged");

	ck_assert(json_text_borrow(raw, &text));
	ck_assert(text.at == raw.at + 1 && text.len == 3);
	ck_assert(!json_text_borrow(SLICE("\"a\\n\""), &text));
	ck_assert(!json_text_borrow(SLICE("null"), &text));
	ck_assert(json_text_borrow(SLICE("12"), &text) && slice_eq(text, SLICE("12")));
}
END_TEST

START_TEST(text_that_does_not_fit_fills_the_writer)
{
	char memory[3];
	struct writer w = writer_over(memory, sizeof(memory));

	ck_assert_int_eq(json_text(SLICE("\"ab\\ncd\""), &w), 0);
	ck_assert(w.is_full);
}
END_TEST

/* --- writing ------------------------------------------------------------------------- */

static const struct quoted {
	struct slice text;
	const char *json;
} quoted[] = {
	{ SLICE_INIT(""), "\"\"" },
	{ SLICE_INIT("plain / text"), "\"plain / text\"" },
	{ SLICE_INIT("say \"hi\" \\ bye"), "\"say \\\"hi\\\" \\\\ bye\"" },
	{ SLICE_INIT("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"" },
	{ SLICE_INIT("\0\x01\x1F\x7F"), "\"\\u0000\\u0001\\u001f\x7F\"" },
	{ SLICE_INIT("\xC3\xA9\xF0\x9F\x98\x80"), "\"\xC3\xA9\xF0\x9F\x98\x80\"" },
	{ SLICE_INIT("a\xFFz"), "\"a\xEF\xBF\xBDz\"" },
	{ SLICE_INIT("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"" },
	{ SLICE_INIT("cut \xE2\x82"), "\"cut \xEF\xBF\xBD\xEF\xBF\xBD\"" },
};

START_TEST(strings_are_written_escaped)
{
	const struct quoted *q = &quoted[_i];
	char memory[64];
	struct writer w = writer_over(memory, sizeof(memory));

	json_write_string(&w, q->text);
	ck_assert(!w.is_full);
	ck_assert_msg(slice_eq(writer_slice(&w), slice_of(q->json)), "%.*s",
		      SLICE_PRINT(writer_slice(&w)));
}
END_TEST

START_TEST(every_byte_pair_survives_writing_and_reading)
{
	for (unsigned n = 0; n < 0x10000; n++) {
		char pair[2] = { (char)(n >> 8), (char)(n & 0xFF) };
		char json[32], text[32];
		struct writer w = writer_over(json, sizeof(json));
		struct writer back = writer_over(text, sizeof(text));

		json_write_string(&w, slice_make(pair, 2));
		if (w.is_full || json_validate(writer_slice(&w), 0, NULL) ||
		    json_text(writer_slice(&w), &back))
			ck_abort_msg("pair %04x", n);
		if (n < 0x8000 && !(n & 0x80))
			ck_assert(slice_eq(writer_slice(&back), slice_make(pair, 2)));
	}
}
END_TEST

START_TEST(a_string_that_does_not_fit_fills_the_writer)
{
	char memory[8];

	for (size_t cap = 0; cap < 8; cap++) {
		struct writer w = writer_over(memory, cap);

		json_write_string(&w, SLICE("abc\ndef"));
		ck_assert(w.is_full && w.len <= cap);
	}
}
END_TEST

/* Any size of piece gives the same text, and no character is cut. */
START_TEST(a_string_can_be_written_in_pieces)
{
	struct slice text =
	    SLICE("plain words, then \"\n\x01\xC3\xA9\xF0\x9F\x98\x80\xFF and more");
	char whole[128];
	struct writer w = writer_over(whole, sizeof(whole));

	ck_assert(slice_is_empty(json_write_some(&w, text)));
	for (size_t room = 6; room < 40; room++) {
		char memory[128];
		struct slice rest = text;
		size_t len = 0;

		while (rest.len) {
			struct writer piece = writer_over(memory + len, room);
			size_t before = rest.len;

			ck_assert(len + room <= sizeof(memory));
			rest = json_write_some(&piece, rest);
			ck_assert(!piece.is_full && rest.len < before);
			len += piece.len;
		}
		ck_assert(slice_eq(slice_make(memory, len), writer_slice(&w)));
	}
}
END_TEST

static TCase *
check_case(void)
{
	TCase *t = tcase_create("validate");

	tcase_add_loop_test(t, validate_is_strict_and_says_where, 0, COUNT(verdicts));
	tcase_add_test(t, odd_bytes_are_seen_wherever_they_stand);
	tcase_add_test(t, depth_is_bounded_by_the_caller);
	tcase_add_test(t, brackets_must_match_at_every_depth);
	return t;
}

static TCase *
find_case(void)
{
	TCase *t = tcase_create("find");

	tcase_add_loop_test(t, find_follows_names_and_indices, 0, COUNT(lookups));
	tcase_add_test(t, an_empty_path_is_the_whole_value);
	tcase_add_test(t, members_come_in_order_and_with_their_names_as_written);
	tcase_add_test(t, elements_come_in_order);
	tcase_add_test(t, find_stays_inside_a_text_that_is_cut);
	return t;
}

static TCase *
text_case(void)
{
	TCase *t = tcase_create("text");

	tcase_add_loop_test(t, text_is_what_a_value_means, 0, COUNT(meanings));
	tcase_add_test(t, text_without_escapes_is_borrowed);
	tcase_add_test(t, text_that_does_not_fit_fills_the_writer);
	tcase_add_loop_test(t, strings_are_written_escaped, 0, COUNT(quoted));
	tcase_add_test(t, every_byte_pair_survives_writing_and_reading);
	tcase_add_test(t, a_string_that_does_not_fit_fills_the_writer);
	tcase_add_test(t, a_string_can_be_written_in_pieces);
	return t;
}

Suite *
suite_base_json(void)
{
	Suite *s = suite_create("base/json");

	suite_add_tcase(s, check_case());
	suite_add_tcase(s, find_case());
	suite_add_tcase(s, text_case());
	return s;
}
