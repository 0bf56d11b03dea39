/*
 * The tree: finding, walking, lines, duplicates, kinds of sections.
 */
#include "config/conf.h"

#include <check.h>

Suite *suite_config_conf(void);

static struct conf_errors errors;
static struct conf *conf;
static char out[8192];

static void
set_up(void)
{
	conf_errors_init(&errors);
	conf = NULL;
}

static void
tear_down(void)
{
	conf_free(&conf);
	conf_errors_fini(&errors);
}

static void
read_text(const char *text)
{
	conf = conf_read(slice_of(text), "f.conf", &errors);
	ck_assert_ptr_nonnull(conf);
}

static const char *
complaints(void)
{
	struct writer w = writer_over(out, sizeof(out) - 1);

	conf_errors_write(&errors, &w);
	out[w.len] = '\0';
	return out;
}

START_TEST(sections_are_found_by_kind_and_name)
{
	read_text("[server]\na = 1\n[pool x]\na = 2\n[pool y]\n[route x]\n");
	ck_assert_str_eq(complaints(), "");
	ck_assert_uint_eq(conf_find(conf, SLICE("pool"), SLICE("y"))->line, 5);
	ck_assert_ptr_null(conf_find(conf, SLICE("pool"), SLICE("z")));
	ck_assert_ptr_null(conf_find(conf, SLICE("pool"), SLICE("")));
	ck_assert_ptr_null(conf_find(conf, SLICE("Server"), SLICE("")));
	ck_assert_uint_eq(conf_find(conf, SLICE("server"), SLICE(""))->line, 1);
}
END_TEST

START_TEST(sections_of_a_kind_are_walked_in_the_order_of_the_file)
{
	struct conf_section *s;

	read_text("[pool b]\n[server]\n[pool a]\n");
	s = conf_next(conf, "pool", NULL);
	ck_assert(slice_eq(s->name, SLICE("b")));
	s = conf_next(conf, "pool", s);
	ck_assert(slice_eq(s->name, SLICE("a")));
	ck_assert_ptr_null(conf_next(conf, "pool", s));
	ck_assert_ptr_null(conf_next(conf, "upstream", NULL));
}
END_TEST

START_TEST(entries_remember_value_and_line)
{
	const struct conf_section *s;

	read_text("[a]\n\nk = one\n  two\nempty =\n");
	s = conf->sections;
	ck_assert_str_eq(conf_entry(s, "k")->value.at, "one\ntwo");
	ck_assert_uint_eq(conf_line(s, "k"), 3);
	ck_assert_uint_eq(conf_line(s, "none"), 1);
	ck_assert_uint_eq(conf_line(s, NULL), 1);
	ck_assert_str_eq(conf_file_name(s, "k"), "f.conf");
	ck_assert(conf_is_set(s, "k"));
	ck_assert(!conf_is_set(s, "empty"));
	ck_assert(!conf_is_set(s, "none"));
	ck_assert_ptr_null(conf_entry(s, "none"));
}
END_TEST

START_TEST(needed_section_is_the_written_one_or_a_new_empty_one)
{
	struct conf_section *s;

	read_text("[limits]\nx = 1\n");
	ck_assert_ptr_eq(conf_need(conf, "limits", ""), conf->sections);
	s = conf_need(conf, "pool", "blocking");
	ck_assert_uint_eq(s->line, 0);
	ck_assert_ptr_null(s->entries);
	ck_assert_ptr_eq(conf_need(conf, "pool", "blocking"), s);
	ck_assert_ptr_eq(conf->sections->next, s);
	conf_error_at(&errors, s, "x", "wrong");
	ck_assert_str_eq(complaints(), "f.conf: [pool blocking] x: wrong\n");
}
END_TEST

START_TEST(duplicate_key_names_the_first)
{
	read_text("[a b]\nk = 1\nl = 2\nk = 3\n");
	ck_assert_str_eq(complaints(),
			 "f.conf:4: [a b] k: duplicate key; the first is at line 2\n");
	ck_assert_str_eq(conf_entry(conf->sections, "k")->value.at, "1");
}
END_TEST

START_TEST(repeated_section_names_the_first_and_its_new_keys_are_checked)
{
	read_text("[a]\nk = 1\n[b]\n[a]\nk = 2\nl = 3\n[a]\n");
	ck_assert_str_eq(complaints(),
			 "f.conf:4: [a]: the section is repeated; it began at f.conf:1\n"
			 "f.conf:7: [a]: the section is repeated; it began at f.conf:1\n");
	ck_assert_uint_eq(conf_line(conf->sections, "l"), 6);
	ck_assert_uint_eq(conf_line(conf->sections, "k"), 2);
}
END_TEST

START_TEST(errors_of_the_reader_are_passed_on_with_their_text)
{
	read_text("stray = 1\n[a]\nnonsense\nk = ${FOREBAY_NEVER_SET}\n");
	ck_assert_str_eq(complaints(),
			 "f.conf:1: \"stray\": a key stands before the first section\n"
			 "f.conf:3: \"nonsense\": a line is \"key = value\" or \"[section]\"\n"
			 "f.conf:4: [a] k: \"${FOREBAY_NEVER_SET}\": this environment variable is "
			 "not set, and has no "
			 "default\n");
	ck_assert(conf_entry(conf->sections, "k")->is_bad);
}
END_TEST

START_TEST(keys_of_a_section_are_bounded)
{
	static char text[CONF_MAX_ENTRIES * 16];
	struct writer w = writer_over(text, sizeof(text) - 1);

	writer_text(&w, "[a]\n");
	for (int i = 0; i <= CONF_MAX_ENTRIES; i++)
		writer_format(&w, "k%d = 1\n", i);
	text[w.len] = '\0';
	read_text(text);
	ck_assert_str_eq(complaints(), "f.conf:1026: more than 1024 keys in one section\n");
	ck_assert_uint_eq(conf->sections->count, CONF_MAX_ENTRIES);
}
END_TEST

START_TEST(sections_are_bounded)
{
	static char text[CONF_FILE_BYTES];
	struct writer w = writer_over(text, sizeof(text) - 1);

	for (int i = 0; i <= CONF_MAX_SECTIONS; i++)
		writer_format(&w, "[a %d]\n", i);
	text[w.len] = '\0';
	read_text(text);
	ck_assert_str_eq(complaints(), "f.conf:65537: more than 65536 sections\n");
}
END_TEST

START_TEST(unknown_kinds_and_misplaced_names_are_reported)
{
	static const struct conf_kind kinds[] = { { "server", false },
						  { "route", true },
						  { NULL, false } };

	read_text("[server]\n[sever]\n[route]\n[server x]\n[route y]\n[colour]\n");
	conf_check_kinds(conf, kinds, &errors);
	ck_assert_str_eq(complaints(),
			 "f.conf:2: [sever]: unknown section; did you mean \"server\"?\n"
			 "f.conf:3: [route]: needs a name: [route NAME]\n"
			 "f.conf:4: [server x]: takes no name: [server]\n"
			 "f.conf:6: [colour]: unknown section\n");
}
END_TEST

START_TEST(path_is_relative_to_its_file)
{
	struct conf_file f = { .name = "x", .dir = "/etc/forebay" },
			 root = { .name = "y", .dir = "/" };

	read_text("");
	ck_assert_str_eq(conf_resolve(conf, &f, SLICE("a.pem")).at, "/etc/forebay/a.pem");
	ck_assert_str_eq(conf_resolve(conf, &f, SLICE("/a.pem")).at, "/a.pem");
	ck_assert_str_eq(conf_resolve(conf, &root, SLICE("a.pem")).at, "/a.pem");
}
END_TEST

Suite *
suite_config_conf(void)
{
	Suite *s = suite_create("config_conf");
	TCase *t = tcase_create("conf");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, sections_are_found_by_kind_and_name);
	tcase_add_test(t, sections_of_a_kind_are_walked_in_the_order_of_the_file);
	tcase_add_test(t, entries_remember_value_and_line);
	tcase_add_test(t, needed_section_is_the_written_one_or_a_new_empty_one);
	tcase_add_test(t, duplicate_key_names_the_first);
	tcase_add_test(t, repeated_section_names_the_first_and_its_new_keys_are_checked);
	tcase_add_test(t, errors_of_the_reader_are_passed_on_with_their_text);
	tcase_add_test(t, keys_of_a_section_are_bounded);
	tcase_add_test(t, sections_are_bounded);
	tcase_add_test(t, unknown_kinds_and_misplaced_names_are_reported);
	tcase_add_test(t, path_is_relative_to_its_file);
	suite_add_tcase(s, t);
	return s;
}
