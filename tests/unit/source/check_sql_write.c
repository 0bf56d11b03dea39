/*
 * SQL parts that write, on a real SQLite database: what holds them, and that
 * a part that fails has changed nothing.
 */
#include "config.h"
#ifdef HAVE_SQLITE

#include "base/mem.h"
#include "shop.h"

#include <check.h>
#include <sqlite3.h>
#include <stdio.h>

/* --- values ---------------------------------------------------------------------- */

static const struct {
	const char *value;
	bool is_typed;
	const char *stored; /* in a column without a type of its own */
} stored[] = {
	{ "5", true, "{\"t\":\"integer\",\"x\":5}" },
	{ "5.5", true, "{\"t\":\"real\",\"x\":5.5}" },
	{ "9223372036854775808", true, "{\"t\":\"real\",\"x\":9.223372036854776e+18}" },
	{ "true", true, "{\"t\":\"integer\",\"x\":1}" },
	{ "false", true, "{\"t\":\"integer\",\"x\":0}" },
	{ "null", true, "{\"t\":\"null\",\"x\":null}" },
	{ "\"5", true, "{\"t\":\"text\",\"x\":\"5\"}" },
	{ "\"'); DROP TABLE kept; --", true, "{\"t\":\"text\",\"x\":\"'); DROP TABLE kept; --\"}" },
	{ "{\"a\":[1]}", true, "{\"t\":\"text\",\"x\":\"{\\\"a\\\":[1]}\"}" },
	{ "5", false, "{\"t\":\"text\",\"x\":\"5\"}" },
	{ "null", false, "{\"t\":\"text\",\"x\":\"null\"}" },
};

START_TEST(a_value_is_stored_with_its_type)
{
	static struct rig_ask a;
	struct shop s;
	struct part *p;

	shop_open(&s);
	shop_execute(&s, "CREATE TABLE kept (x)");
	p = shop_load(&s, "query = INSERT INTO kept VALUES (:x) RETURNING typeof(x) AS t, x\n"
			  "rows = object\nbind.x = {body.x}\n");
	p->value[0].is_typed = stored[_i].is_typed;
	rig_ask_open(&s.rig, &a, p);
	a.value[0] = slice_of(stored[_i].value);
	ck_assert_int_eq(rig_ask_run(&s.rig, &a), 0);
	ck_assert_msg(slice_eq(rig_ask_body(&a), slice_of(stored[_i].stored)), "%s gave %.*s",
		      stored[_i].value, SLICE_PRINT(rig_ask_body(&a)));
	rig_ask_close(&a);
	shop_close(&s);
}
END_TEST

/* --- as one transaction ---------------------------------------------------------- */

static void
expect_count(struct shop *s, const char *query, const char *expected)
{
	char keys[200];

	rig_close(&s->rig);
	snprintf(keys, sizeof(keys), "query = %s\nrows = value\n", query);
	shop_expect(s, shop_load(s, keys), expected);
}

static int
ask(struct shop *s, struct part *p)
{
	static struct rig_ask a;
	int err;

	rig_ask_open(&s->rig, &a, p);
	err = rig_ask_run(&s->rig, &a);
	ck_assert(err == 0 || a.heads == 0);
	rig_ask_close(&a);
	return err;
}

#define MARK    "UPDATE users SET name = 'marked'; "
#define ENDLESS "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "

static const struct {
	const char *keys; /* after MARK */
	int err;
} failures[] = {
	{ "INSERT INTO users (id, name) VALUES (1, 'again')", ERR_CONFLICT },
	{ "INSERT INTO later VALUES (77)", ERR_CONFLICT }, /* seen by COMMIT */
	{ "SELECT 1 / 0, json('{')", ERR_FAILED },
	{ ENDLESS "SELECT count(*) FROM n", ERR_TIMEOUT },
	{ ENDLESS "INSERT INTO orders (total) SELECT i FROM n RETURNING id", ERR_TIMEOUT },
	{ "SELECT hex(zeroblob(1000000)) AS x", ERR_TOO_LARGE },
	{ "SELECT '{' AS j\njson = j", ERR_SYNTAX },
	{ "UPDATE orders SET total = 0 RETURNING 'none' AS j\njson = j", ERR_SYNTAX },
};

START_TEST(what_fails_has_changed_nothing_and_its_connection_serves_on)
{
	struct shop s;
	struct part *p;
	char keys[300];

	shop_open(&s);
	shop_execute(&s, "CREATE TABLE later (id INTEGER REFERENCES users (id) DEFERRABLE "
			 "INITIALLY DEFERRED)");
	snprintf(keys, sizeof(keys), "query = " MARK "%s\n", failures[_i].keys);
	p = shop_load_with(&s, "statement_timeout = 30ms\n", keys);
	ck_assert_msg(p != NULL, "%s", rig_errors(&s.rig));
	p->max_result = 100000;
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(ask(&s, p), failures[_i].err);
	expect_count(&s, "SELECT count(*) FROM users WHERE name = 'marked'", "0");
	expect_count(&s, MARK "SELECT count(*) FROM users WHERE name = 'marked'", "4");
	shop_close(&s);
}
END_TEST

START_TEST(a_result_that_just_fails_to_fit_takes_the_change_back)
{
	static const char expected[] = "[{\"id\":1}]";
	struct shop s;
	struct part *p;

	shop_open(&s);
	p = shop_load(&s, "query = UPDATE users SET name = 'marked' WHERE id = 1 RETURNING id\n");
	p->max_result = sizeof(expected) - 2;
	ck_assert_int_eq(ask(&s, p), ERR_TOO_LARGE);
	expect_count(&s, "SELECT count(*) FROM users WHERE name = 'marked'", "0");
	rig_close(&s.rig);
	p = shop_load(&s, "query = UPDATE users SET name = 'marked' WHERE id = 1 RETURNING id\n");
	p->max_result = sizeof(expected) - 1;
	ck_assert_int_eq(ask(&s, p), 0);
	shop_close(&s);
}
END_TEST

START_TEST(statements_that_read_see_one_state)
{
	struct shop s;
	struct part *p;

	/* Each adds what it sees; another process writes between requests, never within. */
	shop_open(&s);
	p = shop_load(&s, "query = SELECT count(*) FROM orders; SELECT count(*) AS n FROM users\n"
			  "rows = value\n");
	shop_expect(&s, p, "4");
	shop_execute(&s, "INSERT INTO users (name) VALUES ('new')");
	shop_expect(&s, p, "5");
	ck_assert_uint_eq(s.rig.pool_count, 1);
	shop_close(&s);
}
END_TEST

START_TEST(writes_have_one_connection_of_their_own)
{
	enum { AT_ONCE = 24 };
	static struct rig_ask asks[AT_ONCE];
	struct subrequest *q[AT_ONCE];
	bool seen[AT_ONCE + 1] = { true };
	struct pool_sample sample;
	struct shop s;
	struct part *p;

	shop_open(&s);
	shop_execute(&s, "UPDATE orders SET total = 0 WHERE id = 1");
	p = shop_load(&s,
		      "query = UPDATE orders SET total = total + 1 WHERE id = 1 RETURNING total\n"
		      "rows = value\n");
	ck_assert_uint_eq(s.rig.pool_count, 2);
	pool_sample(s.rig.pools[1], &sample);
	ck_assert_str_eq(sample.name, "database.shop.writer");
	ck_assert_uint_eq(sample.threads, 1);
	for (unsigned i = 0; i < AT_ONCE; i++) {
		rig_ask_open(&s.rig, &asks[i], p);
		q[i] = &asks[i].q;
	}
	ck_assert_int_eq(source_sql.reserve(q, AT_ONCE), 0);
	for (unsigned i = 0; i < AT_ONCE; i++) {
		q[i]->state_now = SUBREQUEST_STARTED;
		source_sql.start(q[i]);
	}
	for (unsigned i = 0; i < AT_ONCE; i++) {
		uint64_t total = 0;

		rig_ask_await(&s.rig, &asks[i]);
		ck_assert_int_eq(slice_to_u64(rig_ask_body(&asks[i]), &total), 0);
		ck_assert(total <= AT_ONCE && !seen[total]);
		seen[total] = true;
		rig_ask_close(&asks[i]);
	}
	shop_close(&s);
}
END_TEST

START_TEST(a_name_that_a_databases_pool_has_is_no_databases)
{
	static const char *const names[] = { "a.writer", "a.opener" };
	char conf[64], said[128];
	struct rig r;

	snprintf(conf, sizeof(conf), "[database %s]\nurl = sqlite:x.db\n", names[_i]);
	snprintf(said, sizeof(said),
		 "test.conf:1: [database %s]: the name is that of a pool that a database may have",
		 names[_i]);
	rig_open(&r, conf);
	ck_assert_ptr_null(rig_load_source(&r, &source_sql, names[_i]));
	ck_assert_str_eq(rig_errors(&r), said);
	rig_close(&r);
}
END_TEST

START_TEST(lack_of_memory_while_writing_fails_the_part_and_changes_nothing)
{
	static struct rig_ask a;
	struct shop s;
	struct part *p;
	int err = ERR_MEMORY;
	unsigned long n;

	shop_open(&s);
	p = shop_load(&s,
		      "query = DELETE FROM orders WHERE id = :id; UPDATE users SET name = 'x' "
		      "WHERE id = 1 RETURNING (SELECT count(*) FROM orders) AS n\nrows = value\n");
	for (n = 1; err; n++) {
		ck_assert_uint_lt(n, 50);
		rig_ask_open(&s.rig, &a, p);
		a.value[0] = SLICE("5");
		mem_fail_at(n, true);
		err = rig_ask_start(&a);
		if (err == 0) {
			rig_ask_await(&s.rig, &a);
			err = a.err;
		}
		mem_fail_at(0, false);
		ck_assert(err == 0 || err == ERR_MEMORY);
		if (!err)
			ck_assert(slice_eq(rig_ask_body(&a), SLICE("999")));
		rig_ask_close(&a);
		rig_settle(&s.rig, s.rig.pools[1]);
	}
	ck_assert_uint_gt(n, 2);
	shop_close(&s);
}
END_TEST

/* --- others ---------------------------------------------------------------------- */

START_TEST(waiting_for_anothers_lock_ends_with_the_time_out)
{
	static struct rig_ask a;
	struct shop s;
	struct part *p;
	sqlite3 *db;

	shop_open(&s);
	p = shop_load_with(&s, "statement_timeout = 20ms\n", "query = DELETE FROM users\n");
	ck_assert_int_eq(sqlite3_open(s.file, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	rig_ask_open(&s.rig, &a, p);
	ck_assert_int_eq(rig_ask_run(&s.rig, &a), ERR_TIMEOUT);
	rig_ask_close(&a);
	ck_assert_int_eq(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	rig_ask_open(&s.rig, &a, p);
	ck_assert_int_eq(rig_ask_run(&s.rig, &a), 0);
	rig_ask_close(&a);
	sqlite3_close(db);
	shop_close(&s);
}
END_TEST

/* --- rules ----------------------------------------------------------------------- */

static const struct {
	const char *query, *conflict;
} rules[] = {
	{ "INSERT INTO users (id, name) VALUES (9, 'x'), (1, 'y')", "unique" },
	{ "INSERT INTO held (mail) VALUES ('x'), ('x')", "unique" },
	{ "INSERT INTO held (owner) VALUES (1), (77)", "foreign-key" },
	{ "DELETE FROM users WHERE id > 0", "foreign-key" },
	{ "INSERT INTO held (age) VALUES (1), (-1)", "check" },
	{ "INSERT INTO users (id, name) VALUES (9, 'x'), (10, NULL)", "not-null" },
	{ "UPDATE held SET mail = 'fixed'", "rule" },
	{ "INSERT INTO strict (n) VALUES ('many')", "rule" },
};

START_TEST(a_rule_of_the_database_is_a_conflict_and_nothing_changes)
{
	static struct rig_ask a;
	struct shop s;
	struct part *p;
	char keys[160];

	shop_open(&s);
	shop_execute(&s,
		     "CREATE TABLE held (mail TEXT UNIQUE, age INTEGER CHECK (age >= 0), owner "
		     "INTEGER REFERENCES users (id)); INSERT INTO held (owner) VALUES (2);"
		     "CREATE TRIGGER guard BEFORE UPDATE ON held BEGIN SELECT RAISE(ABORT, 'no');"
		     " END; CREATE TABLE strict (n INTEGER) STRICT;");
	snprintf(keys, sizeof(keys), "query = %s\n", rules[_i].query);
	p = shop_load(&s, keys);
	rig_ask_open(&s.rig, &a, p);
	ck_assert_int_eq(rig_ask_run(&s.rig, &a), ERR_CONFLICT);
	ck_assert_str_eq(a.q.conflict, rules[_i].conflict);
	ck_assert_uint_eq(a.heads, 0);
	rig_ask_close(&a);
	rig_close(&s.rig);
	shop_expect(&s, shop_load(&s, "query = SELECT count(*) AS n FROM users\nrows = value\n"),
		    "4");
	shop_close(&s);
}
END_TEST

#else
#include <check.h>
#endif

Suite *suite_source_sql_write(void);

Suite *
suite_source_sql_write(void)
{
	Suite *s = suite_create("source_sql_write");
	TCase *t = tcase_create("sql_write");

#ifdef HAVE_SQLITE
	tcase_add_loop_test(t, a_value_is_stored_with_its_type, 0,
			    sizeof(stored) / sizeof(stored[0]));
	tcase_add_loop_test(t, what_fails_has_changed_nothing_and_its_connection_serves_on, 0,
			    sizeof(failures) / sizeof(failures[0]));
	tcase_add_test(t, a_result_that_just_fails_to_fit_takes_the_change_back);
	tcase_add_test(t, statements_that_read_see_one_state);
	tcase_add_test(t, writes_have_one_connection_of_their_own);
	tcase_add_loop_test(t, a_name_that_a_databases_pool_has_is_no_databases, 0, 2);
	tcase_add_test(t, lack_of_memory_while_writing_fails_the_part_and_changes_nothing);
	tcase_add_test(t, waiting_for_anothers_lock_ends_with_the_time_out);
	tcase_add_loop_test(t, a_rule_of_the_database_is_a_conflict_and_nothing_changes, 0,
			    sizeof(rules) / sizeof(rules[0]));
#endif
	suite_add_tcase(s, t);
	return s;
}
