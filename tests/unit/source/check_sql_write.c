/*
 * SQL parts that write, on a real SQLite database: what holds them, and that
 * a part that fails has changed nothing.
 */
#include "config.h"
#ifdef HAVE_SQLITE

#include "base/clock.h"
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
	tcase_add_test(t, waiting_for_anothers_lock_ends_with_the_time_out);
	tcase_add_loop_test(t, a_rule_of_the_database_is_a_conflict_and_nothing_changes, 0,
			    sizeof(rules) / sizeof(rules[0]));
#endif
	suite_add_tcase(s, t);
	return s;
}
