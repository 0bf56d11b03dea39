/*
 * The pool of a database when the next site is built: it goes on where the
 * database is the same, serves both sites meanwhile, and outlives the first.
 */
#include "config.h"
#ifdef HAVE_SQLITE

#include "rig.h"

#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern const struct source_ops source_sql;

enum { PATH_BYTES = 64, CONF_BYTES = 1024 };

/* Two sites over the files of one directory. */
struct yard {
	char dir[PATH_BYTES];
	char file[PATH_BYTES + 8], other[PATH_BYTES + 8];
	struct rig first, second;
};

static void
make_database(const char *file, const char *word)
{
	char sql[128];
	sqlite3 *db;

	snprintf(sql, sizeof(sql),
		 "CREATE TABLE words (word TEXT); INSERT INTO words VALUES ('%s')", word);
	ck_assert_int_eq(sqlite3_open(file, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void
remove_database(const char *file)
{
	static const char *const tails[] = { "", "-wal", "-shm", "-journal" };

	for (unsigned i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		char path[PATH_BYTES + 16];

		snprintf(path, sizeof(path), "%s%s", file, tails[i]);
		unlink(path);
	}
}

static void
open_yard(struct yard *y)
{
	snprintf(y->dir, sizeof(y->dir), "/tmp/check_sql.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(y->dir));
	snprintf(y->file, sizeof(y->file), "%s/a.db", y->dir);
	snprintf(y->other, sizeof(y->other), "%s/b.db", y->dir);
	make_database(y->file, "a");
	make_database(y->other, "b");
}

static void
close_yard(struct yard *y)
{
	remove_database(y->file);
	remove_database(y->other);
	ck_assert_int_eq(rmdir(y->dir), 0);
}

/* A site with [database shop] on a file, and one part. */
static struct part *
load_after(struct rig *r, struct rig *prior, const char *file, const char *keys, const char *query)
{
	char conf[CONF_BYTES];
	struct source *s;
	struct part *p;

	snprintf(conf, sizeof(conf),
		 "[database shop]\nurl = sqlite:%s\n%s[subrequest r.p]\nsource = sql shop\n"
		 "rows = value\nquery = %s\n",
		 file, keys, query);
	rig_open(r, conf);
	r->prior = prior;
	s = rig_load_source(r, &source_sql, "shop");
	ck_assert_msg(s != NULL, "%s", rig_errors(r));
	p = rig_load_part(r, s, "r.p", NULL, 0);
	ck_assert_msg(p != NULL, "%s", rig_errors(r));
	return p;
}

static void
ask_value(struct rig *r, const struct part *p, const char *expected)
{
	static struct rig_ask a;

	rig_ask_open(r, &a, p);
	ck_assert_int_eq(rig_ask_run(r, &a), 0);
	ck_assert_msg(slice_eq(rig_ask_body(&a), slice_of(expected)), "%.*s instead of %s",
		      SLICE_PRINT(rig_ask_body(&a)), expected);
	rig_ask_close(&a);
}

START_TEST(an_unchanged_database_keeps_its_pool)
{
	struct pool_sample before, after;
	struct yard y;
	struct part *p;

	open_yard(&y);
	p = load_after(&y.first, NULL, y.file, "", "SELECT word FROM words");
	ask_value(&y.first, p, "\"a\"");
	pool_sample(y.first.pools[0], &before);
	p = load_after(&y.second, &y.first, y.file,
		       "connections = 7\nmax_queue = 5\nstatement_timeout = 9s\n",
		       "SELECT word || '!' FROM words");
	ck_assert_ptr_eq(y.second.pools[0], y.first.pools[0]);
	rig_close(&y.first);
	pool_sample(y.second.pools[0], &after);
	ck_assert_uint_gt(after.mean_run_ns, 0);
	ck_assert_uint_eq(histogram_sum_count(&after.run), histogram_sum_count(&before.run));
	ask_value(&y.second, p, "\"a!\"");
	rig_close(&y.second);
	close_yard(&y);
}
END_TEST

START_TEST(another_file_or_mode_is_another_database)
{
	struct yard y;
	struct part *p;

	open_yard(&y);
	load_after(&y.first, NULL, y.file, "", "SELECT word FROM words");
	p = load_after(&y.second, &y.first, y.other, "", "SELECT word FROM words");
	ck_assert_ptr_ne(y.second.pools[0], y.first.pools[0]);
	ask_value(&y.second, p, "\"b\"");
	rig_close(&y.second);
	load_after(&y.second, &y.first, y.file, "mode = ro\n", "SELECT word FROM words");
	ck_assert_ptr_ne(y.second.pools[0], y.first.pools[0]);
	rig_close(&y.second);
	rig_close(&y.first);
	close_yard(&y);
}
END_TEST

START_TEST(a_file_that_was_replaced_is_another_database)
{
	struct yard y;
	struct part *old, *new;

	open_yard(&y);
	old = load_after(&y.first, NULL, y.file, "mode = ro\n", "SELECT word FROM words");
	ask_value(&y.first, old, "\"a\"");
	ck_assert_int_eq(rename(y.other, y.file), 0);
	new = load_after(&y.second, &y.first, y.file, "mode = ro\n", "SELECT word FROM words");
	ck_assert_ptr_ne(y.second.pools[0], y.first.pools[0]);
	ask_value(&y.second, new, "\"b\"");
	ask_value(&y.first, old, "\"a\"");
	rig_close(&y.second);
	rig_close(&y.first);
	close_yard(&y);
}
END_TEST

/* Both have the first place in the caches of connections. */
START_TEST(each_site_runs_its_own_statements_in_a_pool_that_both_use)
{
	struct yard y;
	struct part *old, *new;

	open_yard(&y);
	old = load_after(&y.first, NULL, y.file, "connections = 1\n", "SELECT word FROM words");
	new = load_after(&y.second, &y.first, y.file, "connections = 1\n",
			 "SELECT word || word FROM words");
	for (unsigned i = 0; i < 3; i++) {
		ask_value(&y.first, old, "\"a\"");
		ask_value(&y.second, new, "\"aa\"");
	}
	ask_value(&y.second, new, "\"aa\"");
	rig_close(&y.second);
	rig_close(&y.first);
	close_yard(&y);
}
END_TEST

START_TEST(connections_are_opened_when_the_site_that_made_the_pool_is_gone)
{
	struct pool_limits more = { .threads = 6, .max_queue = 8 };
	struct yard y;
	struct part *p;

	open_yard(&y);
	load_after(&y.first, NULL, y.file, "connections = 1\n", "SELECT word FROM words");
	p = load_after(&y.second, &y.first, y.file, "connections = 6\n", "SELECT word FROM words");
	rig_close(&y.first);
	ck_assert_int_eq(pool_resize(y.second.pools[0], &more), 0);
	for (unsigned i = 0; i < 20; i++)
		ask_value(&y.second, p, "\"a\"");
	rig_close(&y.second);
	close_yard(&y);
}
END_TEST

#else
#include <check.h>
#endif

Suite *suite_source_sql_pool(void);

Suite *
suite_source_sql_pool(void)
{
	Suite *s = suite_create("source_sql_pool");
	TCase *t = tcase_create("sql_pool");

#ifdef HAVE_SQLITE
	tcase_add_test(t, an_unchanged_database_keeps_its_pool);
	tcase_add_test(t, another_file_or_mode_is_another_database);
	tcase_add_test(t, a_file_that_was_replaced_is_another_database);
	tcase_add_test(t, each_site_runs_its_own_statements_in_a_pool_that_both_use);
	tcase_add_test(t, connections_are_opened_when_the_site_that_made_the_pool_is_gone);
#endif
	suite_add_tcase(s, t);
	return s;
}
