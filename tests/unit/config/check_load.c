/*
 * Files: the main one, drop-ins, what cannot be read, failing memory.
 */
#include "base/mem.h"
#include "config/conf.h"

#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *suite_config_load(void);

static const struct conf_include include = { "server", "include" };
static char dir[64];
static struct conf_errors errors;
static struct conf *conf;
static char out[8192];

static void
write_file(const char *name, struct slice text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text.at, text.len), (ssize_t)text.len);
	close(fd);
}

/* Each test has a folder of its own and runs inside it. */
static void
set_up(void)
{
	memcpy(dir, "/tmp/check_load_XXXXXX", sizeof("/tmp/check_load_XXXXXX"));
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(mkdir("conf.d", 0700), 0);
	conf_errors_init(&errors);
}

static void
tear_down(void)
{
	char command[128];
	struct writer w = writer_over(command, sizeof(command) - 1);

	mem_fail_at(0, false);
	conf_free(&conf);
	conf_errors_fini(&errors);
	writer_format(&w, "rm -rf %s", dir);
	command[w.len] = '\0';
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(system(command), 0);
}

static const char *
complaints(void)
{
	struct writer w = writer_over(out, sizeof(out) - 1);

	conf_errors_write(&errors, &w);
	out[w.len] = '\0';
	return out;
}

/* The sections in their order, with the file of each: "server@main.conf x@..." */
static const char *
loaded(const char *path)
{
	struct writer w = writer_over(out, sizeof(out) - 1);

	conf = conf_load(path, &include, &errors);
	ck_assert_ptr_nonnull(conf);
	for (const struct conf_section *s = conf->sections; s; s = s->next)
		writer_format(&w, "%s@%s ", s->kind.at, s->file->name);
	out[w.len] = '\0';
	return out;
}

START_TEST(drop_ins_follow_sorted_bytewise)
{
	write_file("main.conf", SLICE("[server]\ninclude = conf.d/*.conf\n[last]\n"));
	write_file("conf.d/b.conf", SLICE("[b]\n"));
	write_file("conf.d/B.conf", SLICE("[B]\n"));
	write_file("conf.d/10.conf", SLICE("[ten]\n"));
	write_file("conf.d/9.conf", SLICE("[nine]\n"));
	write_file("conf.d/ignored.txt", SLICE("[no]\n"));
	ck_assert_str_eq(loaded("main.conf"),
			 "server@main.conf last@main.conf ten@conf.d/10.conf nine@conf.d/9.conf "
			 "B@conf.d/B.conf b@conf.d/b.conf ");
	ck_assert_str_eq(complaints(), "");
}
END_TEST

/* Whatever order the folder gives them in. */
START_TEST(many_drop_ins_are_sorted)
{
	static const char letters[] = "qwertyuiopasdfghjklzxcvbnm";
	char name[] = "conf.d/?.conf", text[] = "[?]\n", last = 0;

	write_file("main.conf", SLICE("[server]\ninclude = conf.d/*.conf\n"));
	for (size_t i = 0; letters[i]; i++) {
		name[7] = text[1] = letters[i];
		write_file(name, slice_of(text));
	}
	loaded("main.conf");
	ck_assert_uint_eq(conf->section_count, 27);
	for (const struct conf_section *s = conf->sections->next; s; s = s->next) {
		ck_assert_int_gt(s->kind.at[0], last);
		last = s->kind.at[0];
	}
}
END_TEST

START_TEST(include_is_relative_to_the_including_file)
{
	write_file("conf.d/main.conf", SLICE("[server]\ninclude = x.inc, ../y.inc\n"));
	write_file("conf.d/x.inc", SLICE("[x]\n"));
	write_file("y.inc", SLICE("[y]\n"));
	ck_assert_str_eq(loaded("conf.d/main.conf"),
			 "server@conf.d/main.conf x@conf.d/x.inc y@conf.d/../y.inc ");
	ck_assert_str_eq(complaints(), "");
}
END_TEST

START_TEST(folder_with_pattern_characters_is_taken_as_it_is)
{
	ck_assert_int_eq(mkdir("a[b]*", 0700), 0);
	write_file("a[b]*/main.conf", SLICE("[server]\ninclude = *.inc\n"));
	write_file("a[b]*/x.inc", SLICE("[x]\n"));
	ck_assert_str_eq(loaded("a[b]*/main.conf"), "server@a[b]*/main.conf x@a[b]*/x.inc ");
}
END_TEST

START_TEST(pattern_may_match_nothing_but_a_name_may_not)
{
	write_file(
	    "main.conf",
	    SLICE("[server]\ninclude = conf.d/*.conf, none.d/*.conf, none.conf, none.d/x\n"));
	ck_assert_str_eq(loaded("main.conf"), "server@main.conf ");
	ck_assert_str_eq(complaints(),
			 "main.conf:2: [server] include: there is no file \"none.conf\"\n"
			 "main.conf:2: [server] include: there is no file \"none.d/x\"\n");
}
END_TEST

START_TEST(errors_in_drop_ins_bear_their_names)
{
	write_file("main.conf", SLICE("[server]\ninclude = conf.d/*.conf\nbad\n"));
	write_file("conf.d/a.conf", SLICE("[server]\nx = 1\n"));
	write_file("conf.d/b.conf", SLICE("k = 1\n[b]\nl\n"));
	loaded("main.conf");
	ck_assert_str_eq(
	    complaints(),
	    "conf.d/a.conf:1: [server]: the section is repeated; it began at main.conf:1\n"
	    "conf.d/b.conf:1: \"k\": a key stands before the first section\n"
	    "conf.d/b.conf:3: \"l\": a line is \"key = value\" or \"[section]\"\n"
	    "main.conf:3: \"bad\": a line is \"key = value\" or \"[section]\"\n");
}
END_TEST

START_TEST(includes_go_one_level_deep)
{
	write_file("main.conf", SLICE("[server]\ninclude = a.inc\n"));
	write_file("a.inc", SLICE("[server]\ninclude = b.inc\n"));
	write_file("b.inc", SLICE("[b]\n"));
	ck_assert_str_eq(loaded("main.conf"), "server@main.conf ");
	ck_assert_ptr_nonnull(strstr(
	    complaints(), "a.inc:2: [server] include: an included file cannot include others\n"));
}
END_TEST

START_TEST(file_that_includes_itself_is_refused)
{
	write_file("main.conf", SLICE("[server]\ninclude = *.conf, ./main.conf\n"));
	ck_assert_str_eq(loaded("main.conf"), "server@main.conf ");
	ck_assert_str_eq(
	    complaints(),
	    "main.conf:2: [server] include: cannot read main.conf: it is included twice, or "
	    "includes itself\n"
	    "main.conf:2: [server] include: cannot read ./main.conf: it is included twice, or "
	    "includes itself\n");
}
END_TEST

START_TEST(folder_in_place_of_a_file_is_said)
{
	write_file("main.conf", SLICE("[server]\ninclude = conf*\n"));
	loaded("main.conf");
	ck_assert_str_eq(complaints(),
			 "main.conf:2: [server] include: cannot read conf.d: Is a directory\n");
}
END_TEST

START_TEST(pipe_that_nobody_writes_to_is_not_waited_for)
{
	ck_assert_int_eq(mkfifo("main.conf", 0600), 0);
	ck_assert_str_eq(loaded("main.conf"), "");
}
END_TEST

START_TEST(pipe_is_read_to_its_end)
{
	struct slice text = SLICE("[server]\nk = 1\n");
	char name[32];
	struct writer w = writer_over(name, sizeof(name) - 1);
	int pair[2];

	ck_assert_int_eq(pipe(pair), 0);
	ck_assert_int_eq(write(pair[1], text.at, text.len), (ssize_t)text.len);
	close(pair[1]);
	writer_format(&w, "/dev/fd/%d", pair[0]);
	name[w.len] = '\0';
	conf = conf_load(name, NULL, &errors);
	close(pair[0]);
	ck_assert_ptr_nonnull(conf);
	ck_assert_uint_eq(conf->section_count, 1);
}
END_TEST

START_TEST(missing_main_file_gives_no_tree)
{
	conf = conf_load("none.conf", &include, &errors);
	ck_assert_ptr_null(conf);
	ck_assert_str_eq(complaints(), "none.conf: cannot read it: No such file or directory\n");
}
END_TEST

START_TEST(largest_file_is_taken_and_one_byte_more_is_not)
{
	static char text[CONF_FILE_BYTES + 1];

	memset(text, '\n', sizeof(text));
	write_file("main.conf", slice_make(text, CONF_FILE_BYTES));
	ck_assert_str_eq(loaded("main.conf"), "");
	ck_assert_str_eq(complaints(), "");
	conf_free(&conf);
	write_file("main.conf", slice_make(text, CONF_FILE_BYTES + 1));
	ck_assert_ptr_null(conf_load("main.conf", &include, &errors));
	ck_assert_str_eq(complaints(), "main.conf: cannot read it: it is larger than 1 MiB\n");
}
END_TEST

START_TEST(folder_of_a_file_is_absolute)
{
	char here[PATH_MAX], want[PATH_MAX + 16];
	struct writer w = writer_over(want, sizeof(want) - 1);

	ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));
	write_file("conf.d/main.conf", SLICE(""));
	write_file("main.conf", SLICE(""));
	loaded("main.conf");
	ck_assert_str_eq(conf->files->dir, here);
	conf_free(&conf);
	loaded("./main.conf");
	ck_assert_str_eq(conf->files->dir, here);
	conf_free(&conf);
	loaded("conf.d/main.conf");
	writer_format(&w, "%s/conf.d", here);
	want[w.len] = '\0';
	ck_assert_str_eq(conf->files->dir, want);
	conf_free(&conf);
	conf = conf_read(SLICE(""), "/main.conf", &errors);
	ck_assert_str_eq(conf->files->dir, "/");
}
END_TEST

START_TEST(environment_is_expanded_in_include_and_values)
{
	setenv("FOREBAY_DIR", "conf.d", 1);
	write_file("main.conf", SLICE("[server]\ninclude = ${FOREBAY_DIR}/*.conf\n"));
	write_file("conf.d/a.conf", SLICE("[a]\nk = <${FOREBAY_DIR}>\n"));
	ck_assert_str_eq(loaded("main.conf"), "server@main.conf a@conf.d/a.conf ");
	ck_assert_str_eq(conf_entry(conf_find(conf, SLICE("a"), SLICE("")), "k")->value.at,
			 "<conf.d>");
	ck_assert_str_eq(conf_entry(conf_find(conf, SLICE("a"), SLICE("")), "k")->raw.at,
			 "<${FOREBAY_DIR}>");
}
END_TEST

START_TEST(every_failed_allocation_is_survived_and_reported)
{
	bool is_loaded = false;

	setenv("FOREBAY_DIR", "conf.d", 1);
	write_file("main.conf",
		   SLICE("[server]\ninclude = ${FOREBAY_DIR}/*.conf\nk = a\n  b\n[route x]\n"));
	write_file("conf.d/a.conf", SLICE("[route a]\nk = 1\n"));
	for (unsigned long n = 1; !is_loaded; n++) {
		mem_fail_at(n, false);
		conf = conf_load("main.conf", &include, &errors);
		is_loaded = mem_count() < n;
		mem_fail_at(0, false);
		ck_assert_int_lt((int)n, 200);
		ck_assert(is_loaded == (errors.errors == 0));
		ck_assert(is_loaded == (conf != NULL));
		conf_errors_fini(&errors);
		conf_errors_init(&errors);
	}
	ck_assert_uint_eq(conf->section_count, 3);
}
END_TEST

Suite *
suite_config_load(void)
{
	Suite *s = suite_create("config_load");
	TCase *t = tcase_create("load");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, drop_ins_follow_sorted_bytewise);
	tcase_add_test(t, many_drop_ins_are_sorted);
	tcase_add_test(t, include_is_relative_to_the_including_file);
	tcase_add_test(t, folder_with_pattern_characters_is_taken_as_it_is);
	tcase_add_test(t, pattern_may_match_nothing_but_a_name_may_not);
	tcase_add_test(t, errors_in_drop_ins_bear_their_names);
	tcase_add_test(t, includes_go_one_level_deep);
	tcase_add_test(t, file_that_includes_itself_is_refused);
	tcase_add_test(t, folder_in_place_of_a_file_is_said);
	tcase_add_test(t, pipe_that_nobody_writes_to_is_not_waited_for);
	tcase_add_test(t, pipe_is_read_to_its_end);
	tcase_add_test(t, missing_main_file_gives_no_tree);
	tcase_add_test(t, largest_file_is_taken_and_one_byte_more_is_not);
	tcase_add_test(t, folder_of_a_file_is_absolute);
	tcase_add_test(t, environment_is_expanded_in_include_and_values);
	tcase_add_test(t, every_failed_allocation_is_survived_and_reported);
	suite_add_tcase(s, t);
	return s;
}
