/*
 * Header fields: names to ids and back, lists, lookups.
 */
#include "http/field.h"

#include "base/err.h"

#include <check.h>

Suite *suite_http_field(void);

static void
copy_changed(char *to, struct slice name, size_t at, char change)
{
	memcpy(to, name.at, name.len);
	to[at] = change;
}

START_TEST(each_name_is_found_in_any_case)
{
	char text[64];

	for (int id = FIELD_OTHER + 1; id < FIELD_COUNT; id++) {
		struct slice name = field_name((enum field_id)id);

		ck_assert_uint_le(name.len, sizeof(text));
		ck_assert_int_eq(field_id_of(name), id);
		for (size_t i = 0; i < name.len; i++)
			text[i] = name.at[i] >= 'a' && name.at[i] <= 'z'
				      ? (char)(name.at[i] - 'a' + 'A')
				      : name.at[i];
		ck_assert_int_eq(field_id_of(slice_make(text, name.len)), id);
	}
}
END_TEST

START_TEST(a_name_that_differs_in_any_one_byte_is_another)
{
	char text[64];

	for (int id = FIELD_OTHER + 1; id < FIELD_COUNT; id++) {
		struct slice name = field_name((enum field_id)id);

		for (size_t i = 0; i < name.len; i++) {
			for (int c = 0; c < 256; c++) {
				struct slice changed = slice_make(text, name.len);

				if (ascii_lower((char)c) == name.at[i])
					continue;
				copy_changed(text, name, i, (char)c);
				ck_assert_msg(field_id_of(changed) != (enum field_id)id,
					      "%.*s with byte %d", SLICE_PRINT(name), c);
			}
		}
	}
}
END_TEST

START_TEST(a_part_of_a_name_or_more_than_it_is_other)
{
	char text[256];

	memset(text, 'a', sizeof(text));
	for (size_t n = 0; n < sizeof(text); n++)
		ck_assert_int_eq(field_id_of(slice_make(text, n)), FIELD_OTHER);
	ck_assert_int_eq(field_id_of(SLICE("hos")), FIELD_OTHER);
	ck_assert_int_eq(field_id_of(SLICE("hosts")), FIELD_OTHER);
	ck_assert_int_eq(field_id_of(SLICE("content_length")), FIELD_OTHER);
	ck_assert_int_eq(field_id_of(SLICE("transfer-encodin")), FIELD_OTHER);
	ck_assert_int_eq(field_id_of(SLICE("x-anything")), FIELD_OTHER);
	ck_assert(slice_is_empty(field_name(FIELD_OTHER)));
	ck_assert_uint_eq(field_flags(FIELD_OTHER), 0);
	ck_assert_uint_eq(field_flags(FIELD_COUNT), 0);
}
END_TEST

START_TEST(hop_by_hop_fields_are_flagged)
{
	static const enum field_id hops[] = {
		FIELD_CONNECTION,
		FIELD_KEEP_ALIVE,
		FIELD_PROXY_CONNECTION,
		FIELD_TE,
		FIELD_TRAILER,
		FIELD_TRANSFER_ENCODING,
		FIELD_UPGRADE,
		FIELD_PROXY_AUTHENTICATE,
		FIELD_PROXY_AUTHORIZATION,
	};
	unsigned found = 0;

	for (size_t i = 0; i < sizeof(hops) / sizeof(hops[0]); i++)
		ck_assert(field_flags(hops[i]) & FIELD_HOP);
	for (int id = 0; id < FIELD_COUNT; id++)
		found += (field_flags((enum field_id)id) & FIELD_HOP) != 0;
	ck_assert_uint_eq(found, sizeof(hops) / sizeof(hops[0]));
	ck_assert(field_flags(FIELD_HOST) & FIELD_ONCE);
	ck_assert(field_flags(FIELD_CONTENT_LENGTH) & FIELD_ONCE);
	ck_assert(!(field_flags(FIELD_ACCEPT) & FIELD_ONCE));
}
END_TEST

START_TEST(lookup_gives_the_first_and_ignores_case)
{
	struct field at[4];
	struct fields f = { .at = at, .cap = 4 };

	ck_assert_int_eq(fields_add(&f, FIELD_VIA, SLICE("1")), 0);
	ck_assert_int_eq(fields_add_name(&f, SLICE("ViA"), SLICE("2")), 0);
	ck_assert_int_eq(fields_add_name(&f, SLICE("X-Own"), SLICE("3")), 0);
	ck_assert(slice_eq(fields_find(&f, FIELD_VIA)->value, SLICE("1")));
	ck_assert(slice_eq(fields_find_name(&f, SLICE("VIA"))->value, SLICE("1")));
	ck_assert(slice_eq(fields_find_name(&f, SLICE("x-oWN"))->value, SLICE("3")));
	ck_assert_ptr_null(fields_find(&f, FIELD_HOST));
	ck_assert_ptr_null(fields_find_name(&f, SLICE("x-ow")));
	ck_assert_int_eq(at[1].id, FIELD_VIA);
}
END_TEST

START_TEST(adding_stops_at_the_cap)
{
	struct field at[1];
	struct fields f = { .at = at, .cap = 1 };

	ck_assert_int_eq(fields_add(&f, FIELD_VIA, SLICE("1")), 0);
	ck_assert_int_eq(fields_add(&f, FIELD_VIA, SLICE("2")), ERR_TOO_MANY);
	ck_assert_int_eq(fields_add_name(&f, SLICE("a"), SLICE("2")), ERR_TOO_MANY);
	ck_assert_uint_eq(f.count, 1);
}
END_TEST

START_TEST(tokens_of_a_list_are_found_whole_and_in_any_case)
{
	struct field at[2];
	struct fields f = { .at = at, .cap = 2 };

	ck_assert_int_eq(fields_add(&f, FIELD_CONNECTION, SLICE(" upgrade ,,\tClose")), 0);
	ck_assert_int_eq(fields_add(&f, FIELD_CONNECTION, SLICE("keep-alive")), 0);
	ck_assert(fields_has_token(&f, FIELD_CONNECTION, SLICE("close")));
	ck_assert(fields_has_token(&f, FIELD_CONNECTION, SLICE("upgrade")));
	ck_assert(fields_has_token(&f, FIELD_CONNECTION, SLICE("Keep-Alive")));
	ck_assert(!fields_has_token(&f, FIELD_CONNECTION, SLICE("clos")));
	ck_assert(!fields_has_token(&f, FIELD_CONNECTION, SLICE("keep")));
	ck_assert(!fields_has_token(&f, FIELD_TE, SLICE("close")));
	ck_assert(!field_list_has(SLICE(""), SLICE("close")));
	ck_assert(!field_list_has(SLICE("not close"), SLICE("close")));
}
END_TEST

START_TEST(tokens_and_values_are_checked_byte_by_byte)
{
	ck_assert(field_is_token(SLICE("X-a!#$%&'*+-.^_`|~9")));
	ck_assert(!field_is_token(SLICE("")));
	ck_assert(!field_is_token(SLICE("a b")));
	ck_assert(!field_is_token(SLICE("a:")));
	ck_assert(!field_is_token(SLICE("\xe4")));
	ck_assert(field_is_value(SLICE("")));
	ck_assert(field_is_value(SLICE("a\t\"b\" \xe4")));
	ck_assert(!field_is_value(SLICE("a\rb")));
	ck_assert(!field_is_value(SLICE("a\n")));
	ck_assert(!field_is_value(SLICE("a\0b")));
	ck_assert(!field_is_value(SLICE("\x7f")));
}
END_TEST

START_TEST(names_are_alike_that_make_one_variable)
{
	ck_assert(field_is_like(SLICE("X-User"), SLICE("x_USER")));
	ck_assert(field_is_like(SLICE("x_a-b"), SLICE("X-A_B")));
	ck_assert(field_is_like(SLICE(""), SLICE("")));
	ck_assert(!field_is_like(SLICE("X-User"), SLICE("XUser")));
	ck_assert(!field_is_like(SLICE("X-User"), SLICE("X.User")));
	ck_assert(!field_is_like(SLICE("X-User"), SLICE("X-User-")));
}
END_TEST

START_TEST(a_name_of_ours_is_known_however_it_is_spelled)
{
	static char many[100];

	memset(many, '_', sizeof(many));
	ck_assert_int_eq(field_id_like(SLICE("Content_Length")), FIELD_CONTENT_LENGTH);
	ck_assert_int_eq(field_id_like(SLICE("x-forwarded_FOR")), FIELD_X_FORWARDED_FOR);
	ck_assert_int_eq(field_id_like(SLICE("Content-Length")), FIELD_CONTENT_LENGTH);
	ck_assert_int_eq(field_id_like(SLICE("Content__Length")), FIELD_OTHER);
	ck_assert_int_eq(field_id_like(SLICE("Content.Length")), FIELD_OTHER);
	ck_assert_int_eq(field_id_like(SLICE("_")), FIELD_OTHER);
	ck_assert_int_eq(field_id_like(SLICE("")), FIELD_OTHER);
	ck_assert_int_eq(field_id_like(slice_make(many, sizeof(many))), FIELD_OTHER);
}
END_TEST

Suite *
suite_http_field(void)
{
	Suite *s = suite_create("http_field");
	TCase *t = tcase_create("field");

	tcase_add_test(t, each_name_is_found_in_any_case);
	tcase_add_test(t, a_name_that_differs_in_any_one_byte_is_another);
	tcase_add_test(t, a_part_of_a_name_or_more_than_it_is_other);
	tcase_add_test(t, hop_by_hop_fields_are_flagged);
	tcase_add_test(t, lookup_gives_the_first_and_ignores_case);
	tcase_add_test(t, adding_stops_at_the_cap);
	tcase_add_test(t, tokens_of_a_list_are_found_whole_and_in_any_case);
	tcase_add_test(t, names_are_alike_that_make_one_variable);
	tcase_add_test(t, a_name_of_ours_is_known_however_it_is_spelled);
	tcase_add_test(t, tokens_and_values_are_checked_byte_by_byte);
	suite_add_tcase(s, t);
	return s;
}
