/*
 * Key tables: values into fields, defaults, unknown keys, families, several
 * tables over one section; the exact texts of what is wrong.
 */
#include "base/address.h"
#include "base/clock.h"
#include "base/cpus.h"
#include "base/mem.h"
#include "config/key.h"

#include <check.h>
#include <stdlib.h>

Suite *suite_config_key(void);

enum colour { COLOUR_RED, COLOUR_GREEN };

struct sample {
	struct slice text, path, url, secret;
	bool flag;
	unsigned threads;
	uint16_t port;
	uint8_t small;
	int nice;
	uint64_t budget, wait, bytes;
	unsigned percent;
	struct conf_share share;
	enum colour colour;
	unsigned protocols;
	struct address address;
	struct conf_list list, paths;
	struct cpus cpus;
	struct conf_family bind, rest;
	unsigned guard;
};

static const char *const colours[] = { "red", "green", NULL };
static const char *const protocols[] = { "h2", "http/1.1", NULL };

static const struct conf_key keys[] = {
	{ "text", CONF_TEXT, CONF_FIELD(struct sample, text), .def = "hello" },
	{ "path", CONF_PATH, CONF_FIELD(struct sample, path) },
	{ "url", CONF_URL, CONF_FIELD(struct sample, url) },
	{ "secret", CONF_TEXT, CONF_FIELD(struct sample, secret), .flags = CONF_SECRET },
	{ "flag", CONF_BOOL, CONF_FIELD(struct sample, flag), .def = "yes" },
	{ "threads", CONF_UINT, CONF_FIELD(struct sample, threads), .def = "auto", .min = 1,
	  .max = 1024, .flags = CONF_AUTO },
	{ "port", CONF_UINT, CONF_FIELD(struct sample, port) },
	{ "small", CONF_SIZE, CONF_FIELD(struct sample, small), .max = 1000 },
	{ "nice", CONF_INT, CONF_FIELD(struct sample, nice), .def = "10", .min = -20, .max = 19 },
	{ "budget", CONF_DECIMAL, CONF_FIELD(struct sample, budget), .def = "auto", .min = 100,
	  .flags = CONF_AUTO },
	{ "wait", CONF_DURATION, CONF_FIELD(struct sample, wait), .def = "500ms", .min = CLOCK_MS,
	  .max = 3600 * CLOCK_SEC },
	{ "bytes", CONF_SIZE, CONF_FIELD(struct sample, bytes), .def = "16k", .min = 1024 },
	{ "percent", CONF_PERCENT, CONF_FIELD(struct sample, percent), .def = "20%" },
	{ "share", CONF_SHARE, CONF_FIELD(struct sample, share), .def = "60%" },
	{ "colour", CONF_WORD, CONF_FIELD(struct sample, colour), .def = "green",
	  .words = colours },
	{ "protocols", CONF_WORDS, CONF_FIELD(struct sample, protocols), .words = protocols },
	{ "address", CONF_ADDRESS, CONF_FIELD(struct sample, address) },
	{ "list", CONF_LIST, CONF_FIELD(struct sample, list), .def = "a, b" },
	{ "paths", CONF_PATHS, CONF_FIELD(struct sample, paths) },
	{ "cpus", CONF_CPUS, CONF_FIELD(struct sample, cpus) },
	{ "bind.", CONF_FAMILY, CONF_FIELD(struct sample, bind) },
	{ .name = "include", .type = CONF_KNOWN },
	CONF_KEYS_END
};

static struct conf_errors errors;
static struct conf *conf;
static struct sample sample;
static char out[16384];

static void
set_up(void)
{
	conf_errors_init(&errors);
	conf = NULL;
	memset(&sample, 0xa5, sizeof(sample));
}

static void
tear_down(void)
{
	mem_fail_at(0, false);
	conf_free(&conf);
	conf_errors_fini(&errors);
}

/* Fills `sample` from the keys of one section; returns what conf_fill did. */
static int
fill(const char *text)
{
	struct conf_table table = { keys, &sample };
	struct writer w = writer_over(out, sizeof(out));

	conf_free(&conf);
	writer_text(&w, "[s]\n");
	writer_text(&w, text);
	conf = conf_read(writer_slice(&w), "/etc/f.conf", &errors);
	ck_assert_ptr_nonnull(conf);
	return conf_fill(conf->sections, &table, 1, &errors);
}

static const char *
complaints(void)
{
	struct writer w = writer_over(out, sizeof(out) - 1);

	conf_errors_write(&errors, &w);
	out[w.len] = '\0';
	return out;
}

/* The text is refused with just this message, at the second line, for a key. */
static void
expect_wrong(const char *text, const char *message)
{
	char want[512];
	struct writer w = writer_over(want, sizeof(want) - 1);
	int err = fill(text);

	writer_format(&w, "/etc/f.conf:2: [s] %.*s: %s\n", (int)strcspn(text, " ="), text, message);
	want[w.len] = '\0';
	ck_assert_str_eq(complaints(), want);
	ck_assert_int_eq(err, ERR_SYNTAX);
	conf_errors_fini(&errors);
}

START_TEST(defaults_fill_what_is_not_written)
{
	ck_assert_int_eq(fill(""), 0);
	ck_assert_str_eq(sample.text.at, "hello");
	ck_assert_uint_eq(sample.text.len, 5);
	ck_assert(sample.flag);
	ck_assert_uint_eq(sample.threads, 0);
	ck_assert_int_eq(sample.nice, 10);
	ck_assert_uint_eq(sample.wait, 500 * CLOCK_MS);
	ck_assert_uint_eq(sample.bytes, 16384);
	ck_assert_uint_eq(sample.percent, 20);
	ck_assert(sample.share.is_percent && sample.share.amount == 60);
	ck_assert_int_eq(sample.colour, COLOUR_GREEN);
	ck_assert_uint_eq(sample.list.count, 2);
	ck_assert_str_eq(sample.list.at[1].at, "b");
}
END_TEST

START_TEST(what_has_no_default_is_all_zeros)
{
	ck_assert_int_eq(fill("port =\npath =\nprotocols =\n"), 0);
	ck_assert_ptr_null(sample.path.at);
	ck_assert_uint_eq(sample.port, 0);
	ck_assert_uint_eq(sample.protocols, 0);
	ck_assert_uint_eq(sample.address.len, 0);
	ck_assert_uint_eq(sample.paths.count, 0);
	ck_assert_uint_eq(sample.bind.count, 0);
}
END_TEST

START_TEST(every_type_is_read_into_its_field)
{
	setenv("FOREBAY_PW", "hunter2", 1);
	ck_assert_int_eq(
	    fill("text = a = b\npath = www\nurl = sqlite:a.db\nsecret = ${FOREBAY_PW}\nflag = no\n"
		 "threads = 1024\nport = 65535\nsmall = 255\nnice = -20\nbudget = 1.5\n"
		 "wait = 1h\nbytes = 1g\npercent = 100%\nshare = 512m\ncolour = red\n"
		 "protocols = http/1.1\naddress = [::1]:80\nlist = x\npaths = a, /b\n"
		 "cpus = 2-3,\n\t7\n"),
	    0);
	ck_assert_str_eq(sample.text.at, "a = b");
	ck_assert_str_eq(sample.path.at, "/etc/www");
	ck_assert_str_eq(sample.url.at, "sqlite:/etc/a.db");
	ck_assert_str_eq(sample.secret.at, "hunter2");
	ck_assert(!sample.flag);
	ck_assert_uint_eq(sample.threads, 1024);
	ck_assert_uint_eq(sample.port, 65535);
	ck_assert_uint_eq(sample.small, 255);
	ck_assert_int_eq(sample.nice, -20);
	ck_assert_uint_eq(sample.budget, 1500);
	ck_assert_uint_eq(sample.wait, 3600 * CLOCK_SEC);
	ck_assert_uint_eq(sample.bytes, 1 << 30);
	ck_assert_uint_eq(sample.percent, 100);
	ck_assert(!sample.share.is_percent && sample.share.amount == 512 << 20);
	ck_assert_int_eq(sample.colour, COLOUR_RED);
	ck_assert_uint_eq(sample.protocols, 2);
	ck_assert_uint_eq(address_port(&sample.address), 80);
	ck_assert_uint_eq(sample.list.count, 1);
	ck_assert_str_eq(sample.paths.at[0].at, "/etc/a");
	ck_assert_str_eq(sample.paths.at[1].at, "/b");
	ck_assert_uint_eq(cpus_count(&sample.cpus), 3);
	ck_assert(cpus_has(&sample.cpus, 7));
	ck_assert_uint_eq(sample.guard, 0xa5a5a5a5); /* beyond the last key */
}
END_TEST

START_TEST(auto_is_0_where_it_is_allowed)
{
	ck_assert_int_eq(fill("threads = auto\nbudget = auto\n"), 0);
	ck_assert_uint_eq(sample.threads, 0);
	ck_assert_uint_eq(sample.budget, 0);
	expect_wrong("port = auto\n", "\"auto\" is not a whole number");
}
END_TEST

START_TEST(wrong_form_says_what_the_form_is)
{
	expect_wrong("wait = 30\n", "\"30\" is not a duration such as 250ms, 2s or 5m");
	expect_wrong("flag = true\n", "\"true\" is not yes or no");
	expect_wrong("threads = many\n", "\"many\" is not a whole number, nor auto");
	expect_wrong("nice = +3\n", "\"+3\" is not a whole number");
	expect_wrong("budget = 1,5\n", "\"1,5\" is not a number such as 2 or 1.5, nor auto");
	expect_wrong("bytes = 16kb\n", "\"16kb\" is not a size such as 512, 16k or 1m");
	expect_wrong("percent = 20\n", "\"20\" is not a percentage such as 20%");
	expect_wrong("share = half\n",
		     "\"half\" is not a percentage or a size, such as 60% or 512m");
	expect_wrong("cpus = 2-\n", "\"2-\" is not a list of processors such as 2-5 or 0-3,7");
	expect_wrong(
	    "address = localhost\n",
	    "\"localhost\" is not an address such as 127.0.0.1:8080, [::]:8080, unix:/path or "
	    "systemd:NAME");
}
END_TEST

START_TEST(value_out_of_range_says_the_range_in_its_unit)
{
	expect_wrong("threads = 0\n", "\"0\" is out of range: 1 to 1024");
	expect_wrong("threads = -3\n", "\"-3\" is out of range: 1 to 1024");
	expect_wrong("threads = -\n", "\"-\" is not a whole number, nor auto");
	expect_wrong("threads = 1025\n", "\"1025\" is out of range: 1 to 1024");
	expect_wrong("nice = 20\n", "\"20\" is out of range: -20 to 19");
	expect_wrong("nice = -21\n", "\"-21\" is out of range: -20 to 19");
	expect_wrong("wait = 0\n", "\"0\" is out of range: 1ms to 1h");
	expect_wrong("percent = 101%\n", "\"101%\" is out of range: 0% to 100%");
	expect_wrong("share = 101%\n", "\"101%\" is out of range: at most 100%");
	expect_wrong("bytes = 1023\n", "\"1023\" is out of range: at least 1k");
	expect_wrong("cpus = 1-1024\n", "\"1-1024\" is out of range: 0 to 1023");
	expect_wrong("budget = 0.05\n", "\"0.05\" is out of range: at least 0.1");
}
END_TEST

START_TEST(value_that_does_not_fit_the_field_is_out_of_range)
{
	expect_wrong("port = 65536\n", "\"65536\" is out of range: 0 to 65535");
	expect_wrong("small = 1k\n", "\"1k\" is out of range: 0 to 255");
	expect_wrong("port = 18446744073709551617\n",
		     "\"18446744073709551617\" is out of range: 0 to 65535");
}
END_TEST

START_TEST(unknown_word_lists_the_words_and_the_nearest)
{
	expect_wrong("colour = gren\n", "\"gren\" is none of: red, green; did you mean \"green\"?");
	expect_wrong("colour = \xc3\xa4\n", "\"\xc3\xa4\" is none of: red, green");
	expect_wrong("protocols = h2, h3\n",
		     "\"h3\" is none of: h2, http/1.1; did you mean \"h2\"?");
}
END_TEST

START_TEST(empty_item_of_a_list_is_wrong)
{
	expect_wrong("list = a,,b\n", "nothing stands between two commas");
	expect_wrong("protocols = , h2\n", "nothing stands between two commas");
}
END_TEST

START_TEST(empty_value_is_a_text_but_no_number)
{
	ck_assert_int_eq(fill("text =\n"), 0);
	ck_assert_str_eq(sample.text.at, "");
	expect_wrong("wait =\n", "a value is missing; without the key it is 500ms");
	expect_wrong("list =\n", "a value is missing; without the key it is a, b");
}
END_TEST

START_TEST(wrong_value_leaves_the_default)
{
	ck_assert_int_eq(fill("wait = x\nlist = ,\nnice = 99\n"), ERR_SYNTAX);
	ck_assert_uint_eq(errors.errors, 3);
	ck_assert_uint_eq(sample.wait, 500 * CLOCK_MS);
	ck_assert_uint_eq(sample.list.count, 2);
	ck_assert_int_eq(sample.nice, 10);
}
END_TEST

START_TEST(unknown_key_is_an_error_with_the_nearest)
{
	expect_wrong("thread = 4\n", "unknown key; did you mean \"threads\"?");
	expect_wrong("Flag = yes\n", "unknown key; did you mean \"flag\"?");
	expect_wrong("zzz = 4\n", "unknown key");
	expect_wrong("bnid.name = 4\n", "unknown key; did you mean \"bind.\"?");
	expect_wrong("bind = 4\n", "unknown key; did you mean \"bind.\"?");
	ck_assert_int_eq(fill("include = x\n"), 0);
}
END_TEST

START_TEST(secret_is_never_literal_and_never_quoted)
{
	static const struct conf_key secret_keys[] = {
		{ "pin", CONF_UINT, CONF_FIELD(struct sample, port), .flags = CONF_SECRET },
		CONF_KEYS_END
	};
	struct conf_table table = { secret_keys, &sample };

	expect_wrong("secret = hunter2\n",
		     "a secret cannot stand in a configuration; take it from the environment with "
		     "${NAME}");
	expect_wrong("secret = ${PW:-hunter2}\n",
		     "a secret cannot stand in a configuration; take it from the environment with "
		     "${NAME}");
	ck_assert_int_eq(fill("secret =\n"), 0);
	setenv("FOREBAY_PW", "hunter2", 1);
	conf_free(&conf);
	conf = conf_read(SLICE("[s]\npin = ${FOREBAY_PW}\n"), "f", &errors);
	ck_assert_int_eq(conf_fill(conf->sections, &table, 1, &errors), ERR_SYNTAX);
	ck_assert_str_eq(complaints(), "f:2: [s] pin: the value is not a whole number\n");
}
END_TEST

START_TEST(value_that_could_not_be_expanded_is_reported_once)
{
	ck_assert_int_eq(fill("wait = ${FOREBAY_NEVER_SET}\n"), 0);
	ck_assert_uint_eq(errors.errors, 1);
	ck_assert_uint_eq(sample.wait, 500 * CLOCK_MS);
}
END_TEST

START_TEST(required_key_is_missed)
{
	static const struct conf_key required[] = {
		{ "url", CONF_TEXT, CONF_FIELD(struct sample, text), .flags = CONF_REQUIRED },
		CONF_KEYS_END
	};
	struct conf_table table = { required, &sample };

	conf = conf_read(SLICE("[database shop]\n[database x]\nurl =\n[database y]\nurl = z\n"),
			 "f", &errors);
	ck_assert_int_eq(conf_fill(conf->sections, &table, 1, &errors), ERR_SYNTAX);
	ck_assert_int_eq(conf_fill(conf->sections->next, &table, 1, &errors), ERR_SYNTAX);
	ck_assert_int_eq(conf_fill(conf->sections->next->next, &table, 1, &errors), 0);
	ck_assert_str_eq(complaints(), "f:1: [database shop] url: this key is required\n"
				       "f:3: [database x] url: a value is missing\n");
}
END_TEST

START_TEST(family_collects_names_in_the_order_of_the_file)
{
	ck_assert_int_eq(fill("bind.z = 1\ntext = x\nbind.a = {body}\n"), 0);
	ck_assert_uint_eq(sample.bind.count, 2);
	ck_assert_str_eq(sample.bind.at[0].name.at, "z");
	ck_assert_str_eq(sample.bind.at[1].name.at, "a");
	ck_assert_str_eq(sample.bind.at[1].value.at, "{body}");
	ck_assert_uint_eq(sample.bind.at[1].entry->line, 4);
	expect_wrong("bind. = 1\n", "unknown key");
}
END_TEST

START_TEST(several_tables_share_a_section_and_the_rest_goes_to_the_empty_prefix)
{
	static const struct conf_key first[] = {
		{ "path", CONF_PATH, CONF_FIELD(struct sample, path) }, CONF_KEYS_END
	};
	static const struct conf_key second[] = {
		{ "wait", CONF_DURATION, CONF_FIELD(struct sample, wait) },
		{ "path", CONF_TEXT, CONF_FIELD(struct sample, text) },
		{ "", CONF_FAMILY, CONF_FIELD(struct sample, rest) },
		{ "bind.", CONF_FAMILY, CONF_FIELD(struct sample, bind) },
		CONF_KEYS_END
	};
	struct conf_table tables[] = { { first, &sample }, { NULL, NULL }, { second, &sample } };

	conf = conf_read(SLICE("[s]\npath = x\nquality = 90\nwait = 1s\nbind.a = 1\n"), "/etc/f",
			 &errors);
	ck_assert_int_eq(conf_fill(conf->sections, tables, 3, &errors), 0);
	ck_assert_str_eq(sample.path.at, "/etc/x");
	ck_assert_str_eq(sample.text.at, "x");
	ck_assert_uint_eq(sample.rest.count, 1);
	ck_assert_str_eq(sample.rest.at[0].name.at, "quality");
	ck_assert_uint_eq(sample.bind.count, 1);
}
END_TEST

START_TEST(table_without_a_struct_checks_alone)
{
	struct conf_table table = { keys, NULL };

	conf = conf_read(SLICE("[s]\nwait = x\nbind.a = 1\naddress = 1.2.3.4:5\n"), "f", &errors);
	ck_assert_int_eq(conf_fill(conf->sections, &table, 1, &errors), ERR_SYNTAX);
	ck_assert_uint_eq(errors.errors, 1);
}
END_TEST

START_TEST(failed_allocations_are_returned)
{
	struct conf_table table = { keys, &sample };
	int err = ERR_MEMORY;

	conf = conf_read(SLICE("[s]\nlist = a, b\npath = x\nbind.a = 1\n"), "/f", &errors);
	for (unsigned long n = 1; err == ERR_MEMORY; n++) {
		/* Use up the page at hand, so that the table needs a new one. */
		while (arena_alloc(&conf->arena, 64) && conf->arena.end - conf->arena.at >= 64)
			;
		mem_fail_at(n, false);
		err = conf_fill(conf->sections, &table, 1, &errors);
		ck_assert_int_lt((int)n, 20);
		ck_assert(n > 1 || err == ERR_MEMORY);
		mem_fail_at(0, false);
	}
	ck_assert_int_eq(err, 0);
	ck_assert_uint_eq(errors.errors, 0);
}
END_TEST

Suite *
suite_config_key(void)
{
	Suite *s = suite_create("config_key");
	TCase *t = tcase_create("key");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, defaults_fill_what_is_not_written);
	tcase_add_test(t, what_has_no_default_is_all_zeros);
	tcase_add_test(t, every_type_is_read_into_its_field);
	tcase_add_test(t, auto_is_0_where_it_is_allowed);
	tcase_add_test(t, wrong_form_says_what_the_form_is);
	tcase_add_test(t, value_out_of_range_says_the_range_in_its_unit);
	tcase_add_test(t, value_that_does_not_fit_the_field_is_out_of_range);
	tcase_add_test(t, unknown_word_lists_the_words_and_the_nearest);
	tcase_add_test(t, empty_item_of_a_list_is_wrong);
	tcase_add_test(t, empty_value_is_a_text_but_no_number);
	tcase_add_test(t, wrong_value_leaves_the_default);
	tcase_add_test(t, unknown_key_is_an_error_with_the_nearest);
	tcase_add_test(t, secret_is_never_literal_and_never_quoted);
	tcase_add_test(t, value_that_could_not_be_expanded_is_reported_once);
	tcase_add_test(t, required_key_is_missed);
	tcase_add_test(t, family_collects_names_in_the_order_of_the_file);
	tcase_add_test(t, several_tables_share_a_section_and_the_rest_goes_to_the_empty_prefix);
	tcase_add_test(t, table_without_a_struct_checks_alone);
	tcase_add_test(t, failed_allocations_are_returned);
	suite_add_tcase(s, t);
	return s;
}
