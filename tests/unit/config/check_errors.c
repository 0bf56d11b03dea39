/*
 * The list of what is wrong: order, form, ceiling, quoting, no memory.
 */
#include "base/mem.h"
#include "config/conf.h"

#include <check.h>

Suite *suite_config_errors(void);

static struct conf_errors errors;
static char out[1 << 18];

static void
set_up(void)
{
	conf_errors_init(&errors);
}

static void
tear_down(void)
{
	mem_fail_at(0, false);
	conf_errors_fini(&errors);
}

static const char *
written(void)
{
	struct writer w = writer_over(out, sizeof(out) - 1);

	conf_errors_write(&errors, &w);
	ck_assert(!w.is_full);
	out[w.len] = '\0';
	return out;
}

START_TEST(messages_are_sorted_by_file_line_and_arrival)
{
	conf_error(&errors, "b.conf", 2, "three");
	conf_error(&errors, "a.conf", 10, "two");
	conf_error(&errors, "b.conf", 2, "four");
	conf_error(&errors, "a.conf", 9, "one %d", 1);
	ck_assert_str_eq(written(),
			 "a.conf:9: one 1\na.conf:10: two\nb.conf:2: three\nb.conf:2: four\n");
	ck_assert_uint_eq(errors.errors, 4);
}
END_TEST

START_TEST(message_names_section_and_key_at_the_line_of_the_key)
{
	struct conf *c =
	    conf_read(SLICE("\n[pool compute]\nthreads = 0\n[server]\n"), "f", &errors);
	struct conf_section *s = conf_find(c, SLICE("pool"), SLICE("compute"));

	conf_error_at(&errors, s, "threads", "too few");
	conf_error_at(&errors, s, "order", "not there");
	conf_error_at(&errors, conf_find(c, SLICE("server"), SLICE("")), NULL, "no");
	conf_warning_at(&errors, s, "threads", "odd");
	ck_assert_str_eq(written(), "f:2: [pool compute] order: not there\n"
				    "f:3: [pool compute] threads: too few\n"
				    "f:3: warning: [pool compute] threads: odd\n"
				    "f:4: [server]: no\n");
	ck_assert_uint_eq(errors.errors, 3);
	ck_assert_uint_eq(errors.warnings, 1);
	conf_free(&c);
}
END_TEST

START_TEST(message_is_one_line_whatever_it_repeats)
{
	conf_error(&errors, "f", 1, "\"%s\" is no directory", "/a\n\x1b[2J\x7f\xc3\xa9");
	ck_assert_str_eq(written(), "f:1: \"/a\\n\\x1b[2J\\x7f\xc3\xa9\" is no directory\n");
}
END_TEST

START_TEST(list_ends_at_its_ceiling_and_counts_on)
{
	for (unsigned i = 0; i < CONF_ERRORS_MAX + 7; i++)
		conf_error(&errors, "f", i + 1, "wrong");
	ck_assert_uint_eq(errors.count, CONF_ERRORS_MAX);
	ck_assert_uint_eq(errors.errors, CONF_ERRORS_MAX + 7);
	ck_assert_ptr_nonnull(strstr(written(), "f:200: wrong\n... and 7 more\n"));
}
END_TEST

START_TEST(error_without_memory_is_still_an_error)
{
	for (unsigned long n = 1; n <= 3; n++) {
		mem_fail_at(n, false);
		conf_error(&errors, "f", 1, "wrong");
		mem_fail_at(0, false);
		ck_assert_uint_eq(errors.errors, n);
		ck_assert_uint_eq(errors.dropped, n < 3 ? n : 2);
	}
}
END_TEST

START_TEST(long_message_is_cut)
{
	char text[3 * CONF_ERROR_BYTES];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	conf_error(&errors, "f", 1, "%s", text);
	ck_assert_uint_eq(strlen(errors.list[0].text), strlen("f:1: ") + CONF_ERROR_BYTES - 1);
}
END_TEST

START_TEST(quoted_text_is_readable_and_short)
{
	char text[200];

	ck_assert_str_eq(conf_quote(SLICE("a b")).text, "\"a b\"");
	ck_assert_str_eq(conf_quote(SLICE("")).text, "\"\"");
	ck_assert_str_eq(conf_quote(SLICE("a\nb\x1b\xff\xc3\xa4")).text,
			 "\"a\\nb\\x1b\\xff\xc3\xa4\"");
	memset(text, 'x', sizeof(text));
	ck_assert_uint_eq(strlen(conf_quote(slice_make(text, 60)).text), 62);
	ck_assert_str_eq(conf_quote(slice_make(text, 61)).text,
			 "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\"");
	memset(text, 1, sizeof(text));
	ck_assert_ptr_nonnull(strstr(conf_quote(slice_make(text, 50)).text, "\\x01...\""));
}
END_TEST

START_TEST(a_second_place_is_named_where_it_stands)
{
	static char name[301];
	struct conf *c = conf_read(SLICE("\n[pool compute]\nthreads = 1\n"), "f", &errors), *d;
	struct conf_section *s = conf_find(c, SLICE("pool"), SLICE("compute"));
	size_t len;

	ck_assert_str_eq(conf_place(s, "threads").text, "f:3");
	ck_assert_str_eq(conf_place(s, NULL).text, "f:2");
	ck_assert_str_eq(conf_place(s, "order").text, "the default, f:2");
	ck_assert_str_eq(conf_place(conf_need(c, "limits", ""), "max_body").text, "the default");
	conf_free(&c);
	memset(name, 'x', sizeof(name) - 1);
	d = conf_read(SLICE("[server]\n"), name, &errors);
	len = strlen(conf_place(conf_find(d, SLICE("server"), SLICE("")), "user").text);
	ck_assert_uint_eq(len, strlen("the default, ...:1") + 120);
	conf_free(&d);
}
END_TEST

START_TEST(section_that_is_not_there_is_told_with_the_nearest)
{
	struct conf *c = conf_read(SLICE("[pool heavy]\n[cache heaven]\n[route r]\npool = heavz\n"),
				   "f", &errors);
	const struct conf_section *s = conf_find(c, SLICE("route"), SLICE("r"));

	conf_error_no_section(&errors, s, "pool", "pool", SLICE("heavy"));
	ck_assert_uint_eq(errors.errors, 0);
	conf_error_no_section(&errors, s, "pool", "pool", SLICE("heavz"));
	conf_error_no_section(&errors, s, "pool", "pool", SLICE("x"));
	conf_error_no_section(&errors, s, NULL, "pool", SLICE(""));
	ck_assert_str_eq(written(),
			 "f:3: [route r]: needs the name of a section [pool NAME]\n"
			 "f:4: [route r] pool: there is no [pool heavz]; did you mean \"heavy\"?\n"
			 "f:4: [route r] pool: there is no [pool x]\n");
	conf_free(&c);
}
END_TEST

Suite *
suite_config_errors(void)
{
	Suite *s = suite_create("config_errors");
	TCase *t = tcase_create("errors");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, messages_are_sorted_by_file_line_and_arrival);
	tcase_add_test(t, message_names_section_and_key_at_the_line_of_the_key);
	tcase_add_test(t, message_is_one_line_whatever_it_repeats);
	tcase_add_test(t, list_ends_at_its_ceiling_and_counts_on);
	tcase_add_test(t, error_without_memory_is_still_an_error);
	tcase_add_test(t, long_message_is_cut);
	tcase_add_test(t, a_second_place_is_named_where_it_stands);
	tcase_add_test(t, section_that_is_not_there_is_told_with_the_nearest);
	tcase_add_test(t, quoted_text_is_readable_and_short);
	suite_add_tcase(s, t);
	return s;
}
