/*
 * Nothing is opened that is not a regular file below the root, and nothing
 * blocks.
 */
#include "source/file_open.h"
#include "tree.h"

#include <check.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

Suite *suite_source_file_open(void);

static struct tree tree;
static struct file_root root;

static void
setup(void)
{
	tree_init(&tree);
	root = (struct file_root){ .fd = file_open_root(tree.root), .has_links = true };
	ck_assert_int_ge(root.fd, 0);
}

static void
teardown(void)
{
	close(root.fd);
	tree_fini(&tree);
}

/* 0 or the error, the same from both ways of opening. */
static int
try(const char *name)
{
	struct file_facts facts;
	int slow = file_open(&root, name, &facts), now;

	if (slow >= 0)
		close(slow);
	now = file_open_now(&root, name, &facts);
	if (now >= 0)
		close(now);
	/* What is not a plain hit may be left to the slow way. */
	ck_assert_msg((slow >= 0) == (now >= 0) || now == ERR_BUSY, "%s: %d, now %d", name, slow,
		      now);
	if (slow < 0 && now < 0 && now != ERR_BUSY)
		ck_assert_int_eq(slow, now);
	return slow < 0 ? slow : 0;
}

START_TEST(regular_files_below_the_root_are_opened)
{
	ck_assert_int_eq(try("small"), 0);
	ck_assert_int_eq(try("empty"), 0);
	ck_assert_int_eq(try("dir/inner"), 0);
	ck_assert_int_eq(try("in"), 0);
	ck_assert_int_eq(try("dir/up"), 0);
	ck_assert_int_eq(try("dir/../small"), 0);
}
END_TEST

START_TEST(no_name_gets_out_of_the_root)
{
	static const char *const names[] = {
		"../secret", "dir/../../secret", "/etc/passwd", "out", "absolute",
		"proc",      "../root/small",    "self",        "..",  "/",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ck_assert_msg(try(names[i]) == ERR_NOT_FOUND, "%s: %d", names[i], try(names[i]));
}
END_TEST

START_TEST(links_of_proc_are_not_followed_even_below_the_root)
{
	struct file_root proc = { .fd = file_open_root("/proc/self"), .has_links = true };
	struct file_facts facts;

	ck_assert_int_ge(proc.fd, 0);
	ck_assert_int_eq(file_open(&proc, "exe", &facts), ERR_NOT_FOUND);
	ck_assert_int_eq(file_open(&proc, "root/etc/passwd", &facts), ERR_NOT_FOUND);
	ck_assert_int_eq(file_open(&proc, "cwd/Makefile", &facts), ERR_NOT_FOUND);
	close(proc.fd);
}
END_TEST

/* A FIFO without a writer would hold a plain open(2) for ever. */
START_TEST(what_is_not_a_regular_file_is_not_there)
{
	ck_assert_int_eq(try("dir"), ERR_NOT_FOUND);
	ck_assert_int_eq(try("dir/"), ERR_NOT_FOUND);
	ck_assert_int_eq(try("."), ERR_NOT_FOUND);
	ck_assert_int_eq(try("fifo"), ERR_NOT_FOUND);
	ck_assert_int_eq(try("socket"), ERR_NOT_FOUND);
	ck_assert_int_eq(try("missing"), ERR_NOT_FOUND);
	ck_assert_int_eq(try("small/"), ERR_NOT_FOUND);
	ck_assert_int_eq(try("small/x"), ERR_NOT_FOUND);
	ck_assert_int_eq(try(""), ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_name_longer_than_the_kernel_takes_is_not_there)
{
	char name[300];

	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(try(name), ERR_NOT_FOUND);
}
END_TEST

START_TEST(descriptors_that_ran_out_are_told_apart)
{
	struct rlimit none = { .rlim_cur = 0 }, old;
	struct file_facts facts;
	int err;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	none.rlim_max = old.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	err = file_open(&root, "small", &facts);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	ck_assert_int_eq(err, ERR_FULL);
}
END_TEST

START_TEST(a_root_is_a_directory_that_is_there)
{
	char path[128];
	int length = (int)strlen(tree.root);

	ck_assert_int_eq(file_open_root("/nowhere/at/all"), ERR_NOT_FOUND);
	memcpy(path, tree.root, (size_t)length);
	memcpy(path + length, "/small", sizeof("/small"));
	ck_assert_int_eq(file_open_root(path), ERR_NOT_FOUND);
}
END_TEST

START_TEST(facts_and_content_are_those_of_the_file)
{
	struct file_facts facts;
	char memory[64];
	int fd = file_open(&root, "small", &facts);
	long n;

	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(facts.size, 11);
	ck_assert_int_gt(facts.modified_s, 1700000000);
	ck_assert_int_eq(file_read(fd, memory, sizeof(memory), 6), 5);
	ck_assert_int_eq(memcmp(memory, "file\n", 5), 0);
	ck_assert_int_eq(file_read(fd, memory, sizeof(memory), 11), 0);
	n = file_read_now(fd, memory, sizeof(memory), 6);
	ck_assert(n == 5 || n == ERR_BUSY);
	close(fd);
}
END_TEST

START_TEST(a_range_past_the_end_is_never_called_cached)
{
	struct file_facts facts;
	int fd;

	tree_add(&tree, "pages", 5 * 4096);
	fd = file_open(&root, "pages", &facts);
	ck_assert_int_ge(fd, 0);
	ck_assert(!file_is_cached(fd, 0, 7 * 4096));
	ck_assert(!file_is_cached(fd, 0, 0));
	ck_assert(!file_is_cached(-1, 0, 4096));
	close(fd);
}
END_TEST

Suite *
suite_source_file_open(void)
{
	Suite *s = suite_create("source/file_open");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, regular_files_below_the_root_are_opened);
	tcase_add_test(t, no_name_gets_out_of_the_root);
	tcase_add_test(t, links_of_proc_are_not_followed_even_below_the_root);
	tcase_add_test(t, what_is_not_a_regular_file_is_not_there);
	tcase_add_test(t, a_name_longer_than_the_kernel_takes_is_not_there);
	tcase_add_test(t, descriptors_that_ran_out_are_told_apart);
	tcase_add_test(t, a_root_is_a_directory_that_is_there);
	tcase_add_test(t, facts_and_content_are_those_of_the_file);
	tcase_add_test(t, a_range_past_the_end_is_never_called_cached);
	suite_add_tcase(s, t);
	return s;
}
