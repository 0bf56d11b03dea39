/*
 * Content codings, and which of them a client takes.
 */
#include "http/coding.h"

#include <check.h>

Suite *suite_http_coding(void);

static const enum coding all[] = { CODING_ZSTD, CODING_BR, CODING_GZIP };

/* The ranking as text, "br gzip", of the fields that are not NULL. */
static const char *
rank(const char *first, const char *second)
{
	static char text[64];
	struct field at[3];
	struct fields f = { .at = at, .cap = 3 };
	struct writer w = writer_over(text, sizeof(text) - 1);
	enum coding ranked[CODING_COUNT];
	struct coding_weights weights;
	unsigned n;

	ck_assert_int_eq(fields_add(&f, FIELD_ACCEPT, SLICE("zstd")), 0);
	if (first)
		ck_assert_int_eq(fields_add(&f, FIELD_ACCEPT_ENCODING, slice_of(first)), 0);
	if (second)
		ck_assert_int_eq(fields_add(&f, FIELD_ACCEPT_ENCODING, slice_of(second)), 0);
	weights = coding_weights_of(&f);
	n = coding_rank(&weights, all, 3, ranked);
	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			writer_char(&w, ' ');
		writer_put(&w, coding_name(ranked[i]));
	}
	text[w.len] = '\0';
	return text;
}

START_TEST(what_a_client_takes_is_ranked_by_weight_then_by_offer)
{
	static const struct {
		const char *accept, *ranked;
	} rows[] = {
		{ "", "" },
		{ "gzip", "gzip" },
		{ "gzip, br", "br gzip" },
		{ "gzip, deflate, br, zstd", "zstd br gzip" },
		{ "GZip", "gzip" },
		{ "x-gzip", "gzip" },
		{ "gzip;q=1.0, br;q=0.9, zstd;q=0.999", "gzip zstd br" },
		{ "zstd;q=0, gzip;q=0.001", "gzip" },
		{ "zstd;q=0.000,br;q=0.,gzip;q=1.", "gzip" },
		{ "*", "zstd br gzip" },
		{ "*;q=0", "" },
		{ "*;q=0, gzip", "gzip" },
		{ "br;q=0, *", "zstd gzip" },
		{ "*;q=0.5, gzip", "gzip zstd br" },
		{ "identity", "" },
		{ "identity, gzip", "gzip" },
		{ "identity;q=1, gzip;q=0.5", "" },
		{ "identity;q=0.5, gzip;q=0.5, br;q=0.4", "gzip" },
		{ "identity;q=0, gzip;q=0.5", "gzip" },
		{ "gzip;q=0.5, *;q=0.9", "zstd br gzip" },
		{ " \tgzip\t; q=0.5 ,, br ;Q=0.6", "br gzip" },
		{ "gzip;level=9;q=0.1", "gzip" },
		{ "gzip, gzip;q=0", "gzip" },
		{ "gzip;q=0, gzip", "" },
		{ "deflate, compress, exi", "" },
		{ "gzi", "" },
		{ "gzipp", "" },
		{ "gzip br", "" },
		{ ",,,;;;,=,q=1", "" },
		{ ";q=1", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(
		    slice_eq(slice_of(rank(rows[i].accept, NULL)), slice_of(rows[i].ranked)),
		    "\"%s\": \"%s\"", rows[i].accept, rank(rows[i].accept, NULL));
}
END_TEST

START_TEST(a_weight_that_breaks_the_grammar_leaves_the_coding_out)
{
	static const char *const weights[] = { "",      "2",   "1.001",  "0.1234", "-1",  "+1",
					       ".5",    "0,5", "1.0000", "a",      "0x1", "1 0",
					       "0.5.1", "0.a", "\"1\"",  "1e1" };
	char text[32];

	for (size_t i = 0; i < sizeof(weights) / sizeof(weights[0]); i++) {
		struct writer w = writer_over(text, sizeof(text));

		writer_format(&w, "gzip;q=%s%c", weights[i], '\0');
		ck_assert_msg(rank(text, NULL)[0] == '\0', "%s", text);
	}
}
END_TEST

START_TEST(several_fields_are_one_list)
{
	ck_assert_str_eq(rank("gzip;q=0.5", "br;q=0.6"), "br gzip");
	ck_assert_str_eq(rank("gzip;q=0", "*"), "zstd br");
}
END_TEST

START_TEST(who_sends_no_field_is_sent_nothing_coded)
{
	ck_assert_str_eq(rank(NULL, NULL), "");
}
END_TEST

START_TEST(only_what_is_offered_is_ranked)
{
	static const enum coding offered[] = { CODING_GZIP };
	const struct coding_weights w = { .at = { 0, 1, 1000, 1000 } };
	enum coding ranked[1];

	ck_assert_uint_eq(coding_rank(&w, offered, 1, ranked), 1);
	ck_assert_int_eq(ranked[0], CODING_GZIP);
	ck_assert_uint_eq(coding_rank(&w, offered, 0, ranked), 0);
}
END_TEST

START_TEST(names_lead_back_to_their_codings)
{
	for (unsigned c = 0; c < CODING_COUNT; c++)
		ck_assert_uint_eq(coding_of(coding_name((enum coding)c)), c);
	ck_assert_int_eq(coding_of(SLICE("X-GZIP")), CODING_GZIP);
	ck_assert_int_eq(coding_of(SLICE("")), CODING_COUNT);
	ck_assert_int_eq(coding_of(SLICE("*")), CODING_COUNT);
	ck_assert(slice_eq(coding_extension(CODING_ZSTD), SLICE(".zst")));
	ck_assert_uint_eq(coding_extension(CODING_IDENTITY).len, 0);
}
END_TEST

Suite *
suite_http_coding(void)
{
	Suite *s = suite_create("http/coding");
	TCase *c = tcase_create("coding");

	tcase_add_test(c, what_a_client_takes_is_ranked_by_weight_then_by_offer);
	tcase_add_test(c, a_weight_that_breaks_the_grammar_leaves_the_coding_out);
	tcase_add_test(c, several_fields_are_one_list);
	tcase_add_test(c, who_sends_no_field_is_sent_nothing_coded);
	tcase_add_test(c, only_what_is_offered_is_ranked);
	tcase_add_test(c, names_lead_back_to_their_codings);
	suite_add_tcase(s, c);
	return s;
}
