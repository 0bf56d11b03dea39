/*
 * The dump: defaults shown, secrets not, accepted as input, the same again.
 */
#include "base/mem.h"
#include "config/key.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

Suite *suite_config_dump(void);

struct sample {
	struct slice text, path, query, url;
	uint64_t wait;
	unsigned threads;
	struct conf_list list, paths;
	struct conf_family bind;
};

static const struct conf_key keys[] = {
	{ "text", CONF_TEXT, CONF_FIELD(struct sample, text), .def = "hello" },
	{ "path", CONF_PATH, CONF_FIELD(struct sample, path), .def = "www" },
	{ "query", CONF_TEXT, CONF_FIELD(struct sample, query) },
	{ "url", CONF_URL, CONF_FIELD(struct sample, url) },
	{ "wait", CONF_DURATION, CONF_FIELD(struct sample, wait), .def = "500ms" },
	{ "threads", CONF_UINT, CONF_FIELD(struct sample, threads), .def = "auto", .min = 1,
	  .flags = CONF_AUTO },
	{ "list", CONF_LIST, CONF_FIELD(struct sample, list) },
	{ "paths", CONF_PATHS, CONF_FIELD(struct sample, paths) },
	{ "bind.", CONF_FAMILY, CONF_FIELD(struct sample, bind) },
	{ "include", CONF_KNOWN, .flags = CONF_NO_DUMP },
	CONF_KEYS_END
};

/* A second table that shares a key with the first. */
static const struct conf_key more_keys[] = { { "text", CONF_TEXT, CONF_FIELD(struct sample, text) },
					     { "extra", CONF_TEXT, CONF_FIELD(struct sample, query),
					       .def = "1" },
					     CONF_KEYS_END };

enum { OUT_BYTES = 4096 };

/* Reads a configuration as file `name` and dumps all of it into `out`. */
static void
dump(struct slice text, const char *name, char *out)
{
	struct sample sample, more;
	struct conf_table tables[] = { { keys, &sample }, { more_keys, &more } };
	struct writer w = writer_over(out, OUT_BYTES - 1);
	struct conf_errors errors;
	struct conf *conf;

	conf_errors_init(&errors);
	conf = conf_read(text, name, &errors);
	ck_assert_ptr_nonnull(conf);
	for (struct conf_section *s = conf->sections; s; s = s->next) {
		ck_assert_int_eq(conf_fill(s, tables, 2, &errors), 0);
		conf_dump_section(s, tables, 2, &w);
	}
	ck_assert_uint_eq(errors.errors, 0);
	ck_assert(!w.is_full);
	out[w.len] = '\0';
	conf_free(&conf);
	conf_errors_fini(&errors);
}

/* The dump is `want`, and so is the dump of the dump, wherever that file is. */
static void
expect_dump(const char *text, const char *want)
{
	char first[OUT_BYTES], second[OUT_BYTES];

	dump(slice_of(text), "/etc/forebay/f.conf", first);
	ck_assert_str_eq(first, want);
	dump(slice_of(first), "/tmp/dumped", second);
	ck_assert_str_eq(second, first);
}

START_TEST(defaults_are_shown_and_unset_keys_are_not)
{
	expect_dump("[a]\n[b x]\nquery =\n",
		    "[a]\ntext = hello\npath = /etc/forebay/www\nwait = 500ms\nthreads = auto\n"
		    "extra = 1\n\n"
		    "[b x]\ntext = hello\npath = /etc/forebay/www\nwait = 500ms\nthreads = auto\n"
		    "extra = 1\n\n");
}
END_TEST

START_TEST(empty_text_that_hides_a_default_is_shown)
{
	expect_dump("[a]\ntext =\npath = /x\nextra =\n", "[a]\ntext =\npath = /x\nwait = 500ms\n"
							 "threads = auto\nextra =\n\n");
}
END_TEST

START_TEST(continued_value_comes_back_continued)
{
	expect_dump("[a]\npath = /x\nquery = SELECT 1\n\n  # remark\n    FROM t\n\twhere = ; x\n",
		    "[a]\ntext = hello\npath = /x\nquery = SELECT 1\n\tFROM t\n\twhere = ; x\n"
		    "wait = 500ms\nthreads = auto\nextra = 1\n\n");
}
END_TEST

START_TEST(environment_stays_unexpanded)
{
	setenv("FOREBAY_DIR", "rel", 1);
	setenv("FOREBAY_TIME", "2s", 1);
	expect_dump("[a]\ntext = ${FOREBAY_TIME} $${x}\npath = ${FOREBAY_DIR}/www\n"
		    "wait = ${FOREBAY_TIME}\nlist = x,${FOREBAY_UNSET:-a,b}, y\n",
		    "[a]\ntext = ${FOREBAY_TIME} $${x}\npath = /etc/forebay/${FOREBAY_DIR}/www\n"
		    "wait = ${FOREBAY_TIME}\nthreads = auto\nlist = x, ${FOREBAY_UNSET:-a,b}, y\n"
		    "extra = 1\n\n");
	setenv("FOREBAY_DIR", "/abs", 1);
	expect_dump(
	    "[a]\ntext =\npath = ${FOREBAY_DIR}/www\nextra =\n",
	    "[a]\ntext =\npath = ${FOREBAY_DIR}/www\nwait = 500ms\nthreads = auto\nextra =\n\n");
}
END_TEST

START_TEST(lists_have_one_form_and_paths_are_absolute)
{
	expect_dump("[a]\npath = /x\nlist = a,b ,\n  c d,\npaths = a.pem,/b.pem\n",
		    "[a]\ntext = hello\npath = /x\nwait = 500ms\nthreads = auto\nlist = a, b, c d\n"
		    "paths = /etc/forebay/a.pem, /b.pem\nextra = 1\n\n");
}
END_TEST

START_TEST(path_of_a_url_is_absolute)
{
	static const char *const urls[][2] = {
		{ "sqlite:a.db", "sqlite:/etc/forebay/a.db" },
		{ "sqlite:${FOREBAY_UNSET:-a.db}", "sqlite:/etc/forebay/${FOREBAY_UNSET:-a.db}" },
		{ "sqlite:${FOREBAY_UNSET:-/a.db}", "sqlite:${FOREBAY_UNSET:-/a.db}" },
		{ "${FOREBAY_UNSET:-sqlite}:a.db", "${FOREBAY_UNSET:-sqlite}:a.db" },
		{ "sqlite:/a.db", "sqlite:/a.db" },
		{ "postgresql://u@h/d", "postgresql://u@h/d" },
		{ "sqlite:", "sqlite:" },
		{ "plain", "plain" },
	};
	char text[OUT_BYTES], want[OUT_BYTES];

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		snprintf(text, sizeof(text), "[a]\ntext =\npath = /x\nurl = %s\nextra =\n",
			 urls[i][0]);
		snprintf(
		    want, sizeof(want),
		    "[a]\ntext =\npath = /x\nurl = %s\nwait = 500ms\nthreads = auto\nextra =\n\n",
		    urls[i][1]);
		expect_dump(text, want);
	}
}
END_TEST

START_TEST(families_are_kept_and_hidden_keys_are_not)
{
	expect_dump("[a]\npath = /x\nbind.b = {id}\ninclude = y\nbind.a =\nthreads = 4\n",
		    "[a]\ntext = hello\npath = /x\nwait = 500ms\nthreads = 4\nextra = 1\n"
		    "bind.b = {id}\nbind.a =\n\n");
}
END_TEST

START_TEST(folder_with_a_dollar_is_escaped)
{
	char first[OUT_BYTES], second[OUT_BYTES];

	dump(SLICE("[a]\n"), "/etc/${x}/f.conf", first);
	ck_assert_ptr_nonnull(strstr(first, "path = /etc/$${x}/www\n"));
	dump(slice_of(first), "/tmp/dumped", second);
	ck_assert_str_eq(second, first);
}
END_TEST

Suite *
suite_config_dump(void)
{
	Suite *s = suite_create("config_dump");
	TCase *t = tcase_create("dump");

	tcase_add_test(t, defaults_are_shown_and_unset_keys_are_not);
	tcase_add_test(t, empty_text_that_hides_a_default_is_shown);
	tcase_add_test(t, continued_value_comes_back_continued);
	tcase_add_test(t, environment_stays_unexpanded);
	tcase_add_test(t, lists_have_one_form_and_paths_are_absolute);
	tcase_add_test(t, path_of_a_url_is_absolute);
	tcase_add_test(t, families_are_kept_and_hidden_keys_are_not);
	tcase_add_test(t, folder_with_a_dollar_is_escaped);
	suite_add_tcase(s, t);
	return s;
}
