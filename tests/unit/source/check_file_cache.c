/*
 * What a worker keeps of files: found again without a look, noticed when it
 * changes, bounded, and closed when nobody asks for it.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "file_bed.h"
#include "source/file_cache.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *suite_source_file_cache(void);

#define CACHE "open_files = 4\nopen_files_check = 1s\n"

/* Long ago, so that its times can be believed. */
static void
make_old(const char *name, int64_t second)
{
	struct timespec times[2] = { { .tv_sec = second }, { .tv_sec = second } };
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", tree.root, name);
	ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* The body of a file, or its status as text when it is not 200. */
static const char *
get(const char *path)
{
	static char found[sizeof(text)];

	ask("GET", path, "");
	start();
	await_done();
	ck_assert_int_eq(asked.err, 0);
	if (asked.q.response.status != 200)
		snprintf(found, sizeof(found), "%d", asked.q.response.status);
	else
		memcpy(found, text, sizeof(found));
	end();
	return found;
}

static void
pass_seconds(uint64_t seconds)
{
	loop_turn_at(&env.loop, loop_now(&env.loop) + seconds * CLOCK_SEC);
}

static void
write_small(const char *content)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/small", tree.root);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(content, file);
	ck_assert_int_eq(fclose(file), 0);
}

/* The fake clock goes on from turn to turn, so that nothing depends on how long a test takes. */
START_TEST(a_change_shows_when_the_entry_is_no_longer_believed)
{
	load_tree("open_files = 4\nopen_files_check = 1h\n", true);
	ck_assert_str_eq(get("/small"), "small file\n");
	ck_assert_uint_eq(count_read(env.counters, COUNTER_FILE_KEPT), 0);
	write_small("other file\n");
	ck_assert_str_eq(get("/small"), "small file\n");
	ck_assert_uint_eq(count_read(env.counters, COUNTER_FILE_KEPT), 1);
	load_tree("open_files = 4\nopen_files_check = 0\n", true);
	ck_assert_str_eq(get("/small"), "other file\n");
	write_small("third file\n"); /* of the same size, and of the same time: */
	make_old("small", 1700000000);
	ck_assert_str_eq(get("/small"), "third file\n");
	write_small("4th   file\n");
	make_old("small", 1700000000);
	ck_assert_str_eq(get("/small"), "4th   file\n");
}
END_TEST

START_TEST(a_missing_name_is_remembered_and_noticed)
{
	load_tree("open_files = 4\nopen_files_check = 1h\n", true);
	ck_assert_str_eq(get("/later"), "404");
	tree_add(&tree, "later", 0);
	ck_assert_str_eq(get("/later"), "404");
	load_tree("open_files = 4\nopen_files_check = 0\n", true);
	ck_assert_str_eq(get("/later"), "");
}
END_TEST

/* Files too large for memory: each entry is a descriptor. */
START_TEST(files_are_bounded_and_missing_names_displace_none)
{
	char name[16], path[20];
	unsigned before;

	load_tree("open_files = 4\nopen_files_check = 1h\n", true);
	before = open_descriptors();
	for (unsigned i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "large%u", i);
		snprintf(path, sizeof(path), "/%s", name);
		tree_add(&tree, name, 2 * FILE_CONTENT_BYTES);
		ask("GET", path, "");
		start();
		await_done();
		ck_assert_uint_eq(asked.got, 2 * FILE_CONTENT_BYTES);
		end();
	}
	await_jobs();
	ck_assert_uint_eq(open_descriptors(), before + 4);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/none%u", i);
		ck_assert_str_eq(get(path), "404");
	}
	ck_assert_uint_eq(open_descriptors(), before + 4);
}
END_TEST

START_TEST(what_nobody_asks_for_is_closed)
{
	unsigned before;

	load_tree("open_files = 4\nopen_files_check = 1h\n", true);
	tree_add(&tree, "large", 2 * FILE_CONTENT_BYTES);
	before = open_descriptors();
	ask("GET", "/large", "");
	start();
	await_done();
	end();
	await_jobs();
	ck_assert_uint_eq(open_descriptors(), before + 1);
	for (unsigned i = 0; i < 6; i++)
		pass_seconds(10);
	ck_assert_uint_eq(open_descriptors(), before);
	ck_assert_uint_eq(count_read(env.counters, COUNTER_FILE_CLOSED_UNUSED), 1);
}
END_TEST

START_TEST(small_files_need_no_descriptor)
{
	unsigned before;

	load_tree("open_files = 4\nopen_files_check = 1h\n", true);
	before = open_descriptors();
	ck_assert_str_eq(get("/small"), "small file\n");
	await_jobs();
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

/* _i: 0 from the caches, 1 through the pool. */
START_TEST(want_of_memory_leaves_a_sound_cache)
{
	bool was_complete = false;

	load_tree(CACHE, true);
	file_conf.is_cold = _i;
	for (unsigned long n = 1; !was_complete; n++) {
		ck_assert_uint_lt(n, 200);
		ask("GET", "/dir/inner", "");
		mem_fail_at(n, false);
		start();
		await_done();
		was_complete = mem_count() < n;
		mem_fail_at(0, false);
		ck_assert(asked.err || strcmp(text, "inner\n") == 0 ||
			  asked.q.response.status == 404);
		end();
		load_tree(CACHE, true);
		file_conf.is_cold = _i;
	}
	ck_assert_str_eq(get("/dir/inner"), "inner\n");
}
END_TEST

Suite *
suite_source_file_cache(void)
{
	Suite *s = suite_create("source/file_cache");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, bed_setup, bed_teardown);
	tcase_add_test(t, a_change_shows_when_the_entry_is_no_longer_believed);
	tcase_add_test(t, a_missing_name_is_remembered_and_noticed);
	tcase_add_test(t, files_are_bounded_and_missing_names_displace_none);
	tcase_add_test(t, what_nobody_asks_for_is_closed);
	tcase_add_test(t, small_files_need_no_descriptor);
	tcase_add_loop_test(t, want_of_memory_leaves_a_sound_cache, 0, 2);
	suite_add_tcase(s, t);
	return s;
}
