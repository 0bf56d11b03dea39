/*
 * Changes that only a restart can make.
 */
#include "base/address.h"
#include "config/key.h"

#include <check.h>
#include <stdio.h>

Suite *suite_config_live(void);

struct thing {
	struct slice fixed, free;
	unsigned number;
};

static const struct conf_key keys[] = {
	{ "fixed", CONF_TEXT, CONF_FIELD(struct thing, fixed), .flags = CONF_RESTART },
	{ "free", CONF_TEXT, CONF_FIELD(struct thing, free) },
	{ "number", CONF_UINT, CONF_FIELD(struct thing, number), .def = "4",
	  .flags = CONF_RESTART },
	CONF_KEYS_END,
};

/* What is said about the change, one line each; static memory. */
static const char *
complaint(const char *prior_text, const char *now_text)
{
	static char text[2048];
	struct writer w = writer_over(text, sizeof(text) - 1);
	struct conf_errors e;
	struct conf *prior, *now;

	conf_errors_init(&e);
	prior = conf_read(slice_of(prior_text), "old", &e);
	now = conf_read(slice_of(now_text), "new", &e);
	ck_assert_uint_eq(e.errors, 0);
	conf_check_live(prior, now, "thing", keys, &e);
	conf_errors_write(&e, &w);
	text[w.len] = '\0';
	conf_free(&prior);
	conf_free(&now);
	conf_errors_fini(&e);
	return text;
}

START_TEST(what_may_change_is_not_mentioned)
{
	ck_assert_str_eq(complaint("[thing]\nfixed = a\nfree = b\n",
				   "[other]\nx = y\n[thing]\nfree = c\nfixed = a\n"),
			 "");
}
END_TEST

START_TEST(what_may_not_is_named_with_its_line_and_what_it_is)
{
	ck_assert_str_eq(complaint("[thing]\nfixed = a\n", "[thing]\n\nfixed = b\nnumber = 5\n"),
			 "new:3: [thing] fixed: only a restart can change it; it is \"a\"\n"
			 "new:4: [thing] number: only a restart can change it; it is \"4\"\n");
}
END_TEST

START_TEST(writing_a_default_is_no_change)
{
	ck_assert_str_eq(complaint("[thing]\nnumber = 4\n", "[thing]\n"), "");
	ck_assert_str_eq(complaint("", "[thing]\nnumber = 4\n"), "");
}
END_TEST

START_TEST(a_section_that_is_gone_is_a_change_of_the_file)
{
	ck_assert_str_eq(complaint("[thing]\nfixed = a\n", "[other]\n"),
			 "new: [thing] fixed: only a restart can change it; it is \"a\"\n");
}
END_TEST

Suite *
suite_config_live(void)
{
	Suite *s = suite_create("config/live");
	TCase *t = tcase_create("live");

	tcase_add_test(t, what_may_change_is_not_mentioned);
	tcase_add_test(t, what_may_not_is_named_with_its_line_and_what_it_is);
	tcase_add_test(t, writing_a_default_is_no_change);
	tcase_add_test(t, a_section_that_is_gone_is_a_change_of_the_file);
	suite_add_tcase(s, t);
	return s;
}
