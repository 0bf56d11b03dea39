/*
 * SQL parts on a real SQLite database: what comes out, what is bound, what is
 * refused when the configuration is read, and what ends a statement.
 */
#include "config.h"
#ifdef HAVE_SQLITE

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "shop.h"

#include <check.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONF_BYTES = 512 };

/* --- what comes out -------------------------------------------------------------- */

static const struct {
	const char *keys;
	const char *value; /* of the only parameter, or NULL */
	int status;
	const char *expected;
} answers[] = {
	{ "query = SELECT id, name, score, face FROM users WHERE id = :id\n", "1", 200,
	  "[{\"id\":1,\"name\":\"Ada\",\"score\":9.5,\"face\":\"AP8Q\"}]" },
	{ "query = SELECT name, score FROM users WHERE id = :id\nrows = object\n", "2", 200,
	  "{\"name\":\"Bj\xc3\xb6rn \\\"B\\\"\",\"score\":null}" },
	/* Text that is no UTF-8, an infinity, an empty blob. */
	{ "query = SELECT name, score, face FROM users WHERE id = :id\nrows = object\n", "3", 200,
	  "{\"name\":\"\xef\xbf\xbd"
	  "A\",\"score\":null,\"face\":\"\"}" },
	{ "query = SELECT name FROM users WHERE id = :id\n", "7", 200, "[]" },
	{ "query = SELECT name FROM users WHERE id = :id\nrows = object\n", "7", 200, "null" },
	{ "query = SELECT name FROM users WHERE id = :id\nrows = object\nempty = 404\n", "7", 404,
	  "null" },
	{ "query = SELECT name FROM users WHERE id = :id\nempty = 404\n", "7", 404, "[]" },
	{ "query = SELECT name FROM users WHERE id = :id\nempty = 404\n", "1", 200,
	  "[{\"name\":\"Ada\"}]" },
	{ "query = SELECT score FROM users WHERE id = :id\nrows = value\n", "42", 200, "-1.0" },
	{ "query = SELECT id FROM users ORDER BY id\nrows = value\n", NULL, 200, "1" },
	{ "query = SELECT * FROM users\nrows = count\n", NULL, 200, "4" },
	{ "query = SELECT 9223372036854775807 AS n\nrows = value\n", NULL, 200,
	  "9223372036854775807" },
	/* The value is never SQL. */
	{ "query = SELECT count(*) AS n FROM users WHERE name = :id\nrows = value\n",
	  "x' OR '1'='1", 200, "0" },
	{ "query = SELECT name FROM users WHERE name = :id -- a comment;\n  ; -- and another\n",
	  "42", 200, "[{\"name\":\"42\"}]" },
	{ "query = SELECT length(:id) AS n\nrows = value\n", "", 200, "0" },
	/* Several lines, one parameter twice. */
	{ "query = SELECT id\n  FROM users\n  WHERE id = :id OR id = :id + 1\n", "1", 200,
	  "[{\"id\":1},{\"id\":2}]" },
	{ "query = SELECT id FROM users ORDER BY id LIMIT :id\n", "2", 200,
	  "[{\"id\":1},{\"id\":2}]" },
	{ "query = INSERT INTO users (id, name) VALUES (5, :id)\n", "Eve", 200, "[]" },
	{ "query = INSERT INTO users (id, name) VALUES (5, :id) RETURNING id, name\n"
	  "rows = object\n",
	  "Eve", 200, "{\"id\":5,\"name\":\"Eve\"}" },
	{ "query = UPDATE orders SET total = 0 WHERE user_id = :id\nrows = count\n", "3", 200,
	  "250" },
	{ "query = UPDATE orders SET total = 0 WHERE user_id = :id\nrows = count\nempty = 404\n",
	  "77", 404, "0" },
	/* Of several statements the last gives the result; a name is one value in all of them. */
	{ "query = SELECT 1; SELECT id FROM users WHERE id = :id; -- the end\nrows = value\n", "2",
	  200, "2" },
	{ "query = UPDATE orders SET total = 0 WHERE user_id = :id; DELETE FROM orders WHERE id > "
	  "990 AND user_id = :id; SELECT count(*) AS n FROM orders WHERE total = 0\nrows = value\n",
	  "3", 200, "247" },
	{ "query = SELECT 1; UPDATE orders SET total = 0 WHERE id <= :id\nrows = count\n", "7", 200,
	  "7" },
	{ "query = UPDATE orders SET total = 0; UPDATE users SET name = 'x' WHERE id = :id\n"
	  "rows = count\nempty = 404\n",
	  "77", 404, "0" },
	/* Columns that are JSON. */
	{ "query = SELECT id, '{\"a\": [1, null]}' AS j, '[]' AS t FROM users WHERE id = :id\n"
	  "json = j\n",
	  "1", 200, "[{\"id\":1,\"j\":{\"a\": [1, null]},\"t\":\"[]\"}]" },
	{ "query = SELECT json_group_array(id) AS ids FROM users WHERE id < :id\nrows = value\n"
	  "json = ids\n",
	  "4", 200, "[1,2,3]" },
	{ "query = SELECT NULL AS a, 5 AS b, x'7b7d' AS c WHERE :id\nrows = object\njson = a, b, "
	  "c\n",
	  "1", 200, "{\"a\":null,\"b\":5,\"c\":{}}" },
	{ "query = DELETE FROM orders WHERE user_id = :id RETURNING id\nrows = value\n", "3", 200,
	  "3" },
};

START_TEST(each_statement_gives_its_json)
{
	static struct rig_ask a;
	struct shop s;
	struct part *p;

	shop_open(&s);
	p = shop_load(&s, answers[_i].keys);
	rig_ask_open(&s.rig, &a, p);
	ck_assert_uint_eq(p->values, answers[_i].value ? 1 : 0);
	if (answers[_i].value)
		a.value[0] = slice_of(answers[_i].value);
	ck_assert_int_eq(rig_ask_run(&s.rig, &a), 0);
	ck_assert_int_eq(a.status, answers[_i].status);
	ck_assert(slice_eq(a.type, SLICE("application/json")));
	ck_assert_msg(slice_eq(rig_ask_body(&a), slice_of(answers[_i].expected)), "%s gave %.*s",
		      answers[_i].keys, SLICE_PRINT(rig_ask_body(&a)));
	ck_assert_int_eq(json_validate(rig_ask_body(&a), 8, NULL), 0);
	rig_ask_close(&a);
	shop_close(&s);
}
END_TEST

START_TEST(a_statement_is_used_again_with_other_values)
{
	static struct rig_ask a;
	struct shop s;
	struct part *p;

	shop_open(&s);
	p = shop_load(&s, "query = SELECT name FROM users WHERE id = :id\nrows = value\n");
	for (unsigned i = 0; i < 50; i++) {
		rig_ask_open(&s.rig, &a, p);
		a.value[0] = i % 2 ? SLICE("1") : SLICE("42");
		ck_assert_int_eq(rig_ask_run(&s.rig, &a), 0);
		ck_assert(slice_eq(rig_ask_body(&a), i % 2 ? SLICE("\"Ada\"") : SLICE("\"42\"")));
		rig_ask_close(&a);
	}
	shop_close(&s);
}
END_TEST

START_TEST(what_a_write_changed_is_seen_by_every_connection)
{
	static struct rig_ask a;
	struct shop s;
	struct part *p;

	shop_open(&s);
	p = shop_load(&s, "query = UPDATE orders SET total = total + 1 WHERE id = 1 "
			  "RETURNING total\nrows = value\n");
	for (unsigned i = 1; i <= 20; i++) {
		char expected[16];

		rig_ask_open(&s.rig, &a, p);
		ck_assert_int_eq(rig_ask_run(&s.rig, &a), 0);
		snprintf(expected, sizeof(expected), "%u", 10 + i);
		ck_assert(slice_eq(rig_ask_body(&a), slice_of(expected)));
		rig_ask_close(&a);
	}
	shop_close(&s);
}
END_TEST

START_TEST(statements_run_side_by_side_on_their_connections)
{
	enum { AT_ONCE = 24, ROUNDS = 20 };
	static struct rig_ask asks[AT_ONCE];
	struct subrequest *q[AT_ONCE];
	struct shop s;
	struct part *p;

	shop_open(&s);
	p = shop_load(&s, "query = SELECT sum(total) AS n FROM orders WHERE user_id = :id\n"
			  "rows = value\n");
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < AT_ONCE; i++) {
			rig_ask_open(&s.rig, &asks[i], p);
			asks[i].value[0] = i % 2 ? SLICE("1") : SLICE("2");
			q[i] = &asks[i].q;
		}
		ck_assert_int_eq(source_sql.reserve(q, AT_ONCE), 0);
		for (unsigned i = 0; i < AT_ONCE; i++) {
			q[i]->state_now = SUBREQUEST_STARTED;
			source_sql.start(q[i]);
		}
		for (unsigned i = 0; i < AT_ONCE; i++) {
			rig_ask_await(&s.rig, &asks[i]);
			ck_assert(slice_eq(rig_ask_body(&asks[i]),
					   i % 2 ? SLICE("1247500") : SLICE("1250000")));
			rig_ask_close(&asks[i]);
		}
	}
	shop_close(&s);
}
END_TEST

/* --- where values come from ------------------------------------------------------ */

START_TEST(parameters_come_from_bind_then_path_then_query)
{
	struct shop s;
	struct part *p;

	shop_open(&s);
	p = shop_load(&s,
		      "query = SELECT :zip, :id, :x AS x, :id AS y\nbind.x = {header.x} {id}\n");
	ck_assert_uint_eq(p->values, 3);
	ck_assert(slice_eq(p->value[0].text, SLICE("{query.zip}")));
	ck_assert(slice_eq(p->value[1].text, SLICE("{id}")));
	ck_assert(slice_eq(p->value[2].text, SLICE("{header.x} {id}")));
	ck_assert_str_eq(p->value[2].key, "bind.x");
	ck_assert_uint_eq(s.rig.errors.warnings, 0);
	shop_close(&s);
}
END_TEST

START_TEST(a_query_parameter_that_is_nearly_a_path_parameter_is_a_warning)
{
	struct shop s;
	char expected[256];

	shop_open(&s);
	shop_load(&s, "query = SELECT :othre\n");
	snprintf(expected, sizeof(expected),
		 "test.conf:5: warning: [subrequest r.p] query: :othre is taken from the "
		 "request's query; did you mean \"other\"?");
	ck_assert_str_eq(rig_errors(&s.rig), expected);
	shop_close(&s);
}
END_TEST

/* --- mistakes -------------------------------------------------------------------- */

static const struct {
	const char *database, *part, *error;
} mistakes[] = {
	{ "", "query = SELECT nme FROM users\n",
	  "test.conf:5: [subrequest r.p] query: no such column: nme" },
	{ "", "query = SELEC 1\n",
	  "test.conf:5: [subrequest r.p] query: near \"SELEC\": syntax error" },
	{ "", "query = SELECT 1; DROP TABL users\n",
	  "test.conf:5: [subrequest r.p] query: near \"TABL\": syntax error" },
	{ "", "query = SELECT 1; BEGIN; SELECT 2\n",
	  "test.conf:5: [subrequest r.p] query: a part cannot attach databases, hold transactions "
	  "or use PRAGMA" },
	{ "", "query = SELECT 1 AS a; SELECT id, id AS id FROM users\n",
	  "test.conf:5: [subrequest r.p] query: two columns bear the name \"id\"" },
	{ "", "query = SELECT id, name FROM users\njson = nmae\n",
	  "test.conf:6: [subrequest r.p] json: the query gives no column \"nmae\"; "
	  "did you mean \"name\"?" },
	{ "", "query = -- nothing\n",
	  "test.conf:5: [subrequest r.p] query: there is no statement in it" },
	{ "", "query = SELECT ?\n",
	  "test.conf:5: [subrequest r.p] query: parameters are written as :name, not as \"?\"" },
	{ "", "query = SELECT @id\n",
	  "test.conf:5: [subrequest r.p] query: parameters are written as :name, not as \"@id\"" },
	{ "", "query = SELECT id, name AS id FROM users\n",
	  "test.conf:5: [subrequest r.p] query: two columns bear the name \"id\"; "
	  "rename one with AS" },
	{ "", "query = PRAGMA journal_mode = DELETE\n",
	  "test.conf:5: [subrequest r.p] query: a part cannot attach databases, hold transactions "
	  "or use PRAGMA: its connection serves other requests too" },
	{ "", "query = BEGIN\n",
	  "test.conf:5: [subrequest r.p] query: a part cannot attach databases, hold transactions "
	  "or use PRAGMA: its connection serves other requests too" },
	{ "", "query = ATTACH 'x' AS y\n",
	  "test.conf:5: [subrequest r.p] query: a part cannot attach databases, hold transactions "
	  "or use PRAGMA: its connection serves other requests too" },
	{ "", "query = SELECT :name\nbind.nmae = {id}\n",
	  "test.conf:6: [subrequest r.p] bind.nmae: there is no :nmae in the query; "
	  "did you mean \"name\"?" },
	{ "mode = ro\n", "query = DELETE FROM users\n",
	  "test.conf:6: [subrequest r.p] query: the statement writes, and the database has mode = "
	  "ro (test.conf:3)" },
	{ "mode = ro\n", "query = SELECT 1; DELETE FROM users\n",
	  "test.conf:6: [subrequest r.p] query: the statement writes, and the database has mode = "
	  "ro (test.conf:3)" },
	{ "", "rows = array\n", "test.conf:3: [subrequest r.p] query: " },
};

START_TEST(mistakes_are_told_with_their_line)
{
	struct shop s;

	shop_open(&s);
	ck_assert_ptr_null(shop_load_with(&s, mistakes[_i].database, mistakes[_i].part));
	ck_assert_msg(strncmp(rig_errors(&s.rig), mistakes[_i].error, strlen(mistakes[_i].error)) ==
			  0,
		      "%s\ngave %s", mistakes[_i].part, rig_errors(&s.rig));
	shop_close(&s);
}
END_TEST

START_TEST(a_missing_database_names_key_path_and_cure)
{
	char expected[300];
	struct shop s;

	shop_make_dir(&s);
	ck_assert_ptr_null(shop_load_with(&s, "", "query = SELECT 1\n"));
	snprintf(expected, sizeof(expected),
		 "test.conf:2: [database shop] url: there is no database \"%s\": No such file or "
		 "directory; create it, or correct the path",
		 s.file);
	ck_assert_str_eq(rig_errors(&s.rig), expected);
	/* Looking for it has not made it. */
	ck_assert_int_ne(access(s.file, F_OK), 0);
	shop_close(&s);
}
END_TEST

START_TEST(a_file_that_is_no_database_is_an_error)
{
	char expected[300];
	struct shop s;
	FILE *f;

	shop_make_dir(&s);
	f = fopen(s.file, "w");
	ck_assert_ptr_nonnull(f);
	for (unsigned i = 0; i < 1000; i++)
		fputs("This is a letter, not a database.\n", f);
	fclose(f);
	ck_assert_ptr_null(shop_load_with(&s, "", "query = SELECT 1\n"));
	snprintf(expected, sizeof(expected),
		 "test.conf:2: [database shop] url: \"%s\" cannot be opened: file is not a "
		 "database",
		 s.file);
	ck_assert_str_eq(rig_errors(&s.rig), expected);
	shop_close(&s);
}
END_TEST

START_TEST(a_url_of_another_kind_is_an_error)
{
	struct rig r;

	rig_open(&r, "[database shop]\nurl = mysql://x/y\n");
	ck_assert_ptr_null(rig_load_source(&r, &source_sql, "shop"));
	ck_assert_str_eq(rig_errors(&r),
			 "test.conf:2: [database shop] url: \"mysql\" is no database "
			 "that is known here; write sqlite:PATH or postgresql://USER@HOST/NAME");
	rig_close(&r);
	rig_open(&r, "[database shop]\nurl = sqlite:\n");
	ck_assert_ptr_null(rig_load_source(&r, &source_sql, "shop"));
	ck_assert_str_eq(rig_errors(&r), "test.conf:2: [database shop] url: the path is missing; "
					 "write sqlite:PATH");
	rig_close(&r);
}
END_TEST

/* --- the file -------------------------------------------------------------------- */

/* The journal mode as another process sees it. */
static int
is_wal(const char *file)
{
	sqlite3 *db;
	sqlite3_stmt *statement;
	int is;

	ck_assert_int_eq(sqlite3_open(file, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &statement, NULL),
			 SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
	is = strcmp((const char *)sqlite3_column_text(statement, 0), "wal") == 0;
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return is;
}

START_TEST(the_database_is_put_into_wal_unless_read_only)
{
	struct shop s;

	shop_open(&s);
	shop_expect(&s, shop_load_with(&s, "mode = ro\n", "query = SELECT 1\nrows = value\n"), "1");
	ck_assert(!is_wal(s.file));
	rig_close(&s.rig);
	shop_expect(&s, shop_load(&s, "query = SELECT 1\nrows = value\n"), "1");
	ck_assert(is_wal(s.file));
	rig_close(&s.rig);
	/* And read alone when it is in WAL. */
	shop_expect(&s, shop_load_with(&s, "mode = ro\n", "query = SELECT 2\nrows = value\n"), "2");
	shop_close(&s);
}
END_TEST

START_TEST(a_change_of_the_schema_is_no_error)
{
	struct shop s;
	struct part *p;

	shop_open(&s);
	p = shop_load(&s, "query = SELECT * FROM users WHERE id = 1\nrows = object\n");
	shop_expect(&s, p, "{\"id\":1,\"name\":\"Ada\",\"score\":9.5,\"face\":\"AP8Q\"}");
	shop_execute(&s, "ALTER TABLE users ADD COLUMN age INTEGER DEFAULT 36");
	shop_expect(&s, p,
		    "{\"id\":1,\"name\":\"Ada\",\"score\":9.5,\"face\":\"AP8Q\",\"age\":36}");
	shop_close(&s);
}
END_TEST

START_TEST(full_text_search_works_within_the_rules)
{
	struct shop s;

	shop_open(&s);
	if (!sqlite3_compileoption_used("ENABLE_FTS5")) {
		shop_load(&s, "query = SELECT 1\n");
		shop_close(&s);
		return;
	}
	shop_execute(&s, "CREATE VIRTUAL TABLE notes USING fts5(body);"
			 "INSERT INTO notes VALUES ('a mill by the river'), ('a basin')");
	shop_expect(&s,
		    shop_load(&s, "query = SELECT body FROM notes WHERE notes MATCH 'mill'\n"
				  "rows = value\n"),
		    "\"a mill by the river\"");
	shop_close(&s);
}
END_TEST

/* --- ends ------------------------------------------------------------------------ */

#define ENDLESS                                                                                    \
	"query = WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "                 \
	"SELECT count(*) AS n FROM n\nrows = value\n"

static void
start_running(struct shop *s, struct rig_ask *a, struct part *p)
{
	struct pool_sample sample;

	rig_ask_open(&s->rig, a, p);
	ck_assert_int_eq(rig_ask_start(a), 0);
	do
		pool_sample(s->rig.pools[0], &sample);
	while (sample.running == 0);
}

/* It would never end: that the test does is what is tested. */
START_TEST(a_cancelled_statement_is_interrupted)
{
	static struct rig_ask a;
	struct shop s;
	struct part *p;

	shop_open(&s);
	p = shop_load_with(&s, "statement_timeout = 1h\n", ENDLESS);
	start_running(&s, &a, p);
	rig_ask_close(&a);
	memset(&a.q, 0xee, sizeof(a.q));
	rig_settle(&s.rig, s.rig.pools[0]);
	shop_close(&s);
}
END_TEST

START_TEST(a_statement_ends_with_its_time_out)
{
	static struct rig_ask a;
	struct shop s;

	shop_open(&s);
	rig_ask_open(&s.rig, &a, shop_load_with(&s, "statement_timeout = 20ms\n", ENDLESS));
	ck_assert_int_eq(rig_ask_run(&s.rig, &a), ERR_TIMEOUT);
	rig_ask_close(&a);
	shop_close(&s);
}
END_TEST

START_TEST(a_statement_ends_with_its_deadline)
{
	static struct rig_ask a;
	struct shop s;

	shop_open(&s);
	rig_ask_open(&s.rig, &a, shop_load_with(&s, "statement_timeout = 1h\n", ENDLESS));
	a.q.deadline_ns = clock_monotonic() + 20 * CLOCK_MS;
	ck_assert_int_eq(rig_ask_run(&s.rig, &a), ERR_DEADLINE);
	rig_ask_close(&a);
	shop_close(&s);
}
END_TEST

START_TEST(after_an_interrupted_statement_its_connection_serves_on)
{
	static struct rig_ask a;
	struct shop s;
	struct part *p;

	shop_open(&s);
	p = shop_load_with(
	    &s, "statement_timeout = 5ms\nconnections = 1\n",
	    "query = WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
	    "LIMIT CAST(:id AS INTEGER)) SELECT count(*) AS n FROM n\nrows = value\n");
	ck_assert_msg(p != NULL, "%s", rig_errors(&s.rig));
	for (unsigned i = 0; i < 6; i++) {
		rig_ask_open(&s.rig, &a, p);
		a.value[0] = i % 2 ? SLICE("10") : SLICE("1000000000");
		ck_assert_int_eq(rig_ask_run(&s.rig, &a), i % 2 ? 0 : ERR_TIMEOUT);
		rig_ask_close(&a);
	}
	shop_close(&s);
}
END_TEST

START_TEST(a_result_above_max_result_is_too_large_and_not_built)
{
	static struct rig_ask a;
	struct shop s;
	struct part *p;

	shop_open(&s);
	p = shop_load_with(
	    &s, "statement_timeout = 1h\n",
	    "query = WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
	    "SELECT i, 'some text' AS t FROM n\n");
	for (p->max_result = 0; p->max_result < 5000; p->max_result += 997) {
		rig_ask_open(&s.rig, &a, p);
		ck_assert_int_eq(rig_ask_run(&s.rig, &a), ERR_TOO_LARGE);
		rig_ask_close(&a);
	}
	shop_close(&s);
}
END_TEST

/* --- lack of memory -------------------------------------------------------------- */

START_TEST(lack_of_memory_while_loading_is_told)
{
	struct shop s;
	bool is_loaded = false;

	shop_open(&s);
	for (unsigned long n = 1; !is_loaded; n++) {
		char conf[CONF_BYTES];
		struct source source = { .ops = &source_sql, .name = SLICE("shop") };

		ck_assert_uint_lt(n, 50);
		snprintf(conf, sizeof(conf),
			 "[database shop]\nurl = sqlite:%s\n[subrequest r.p]\n"
			 "source = sql shop\nquery = SELECT :id\n",
			 s.file);
		rig_open(&s.rig, conf);
		source.section = conf_find(s.rig.conf, SLICE("database"), SLICE("shop"));
		source.conf = arena_zalloc(&s.rig.site, 1, source_sql.section_size);
		struct conf_table table = { source_sql.section_keys, source.conf };
		ck_assert_int_eq(conf_fill(source.section, &table, 1, &s.rig.errors), 0);
		mem_fail_at(n, true);
		is_loaded = source_sql.load(&source, &s.rig.build) == 0;
		mem_fail_at(0, false);
		rig_close(&s.rig);
	}
	rig_open(&s.rig, "");
	shop_close(&s);
}
END_TEST

START_TEST(lack_of_memory_while_asking_fails_the_part_once)
{
	static struct rig_ask a;
	struct shop s;
	struct part *p;
	int err = ERR_MEMORY;

	shop_open(&s);
	p = shop_load(&s, "query = SELECT name FROM users WHERE id = :id\n");
	for (unsigned long n = 1; err == ERR_MEMORY; n++) {
		ck_assert_uint_lt(n, 20);
		rig_ask_open(&s.rig, &a, p);
		mem_fail_at(n, true);
		err = rig_ask_start(&a);
		if (err == 0) {
			rig_ask_await(&s.rig, &a);
			err = a.err;
		}
		mem_fail_at(0, false);
		ck_assert(err == 0 || err == ERR_MEMORY);
		rig_ask_close(&a);
		rig_settle(&s.rig, s.rig.pools[0]);
	}
	shop_close(&s);
}
END_TEST
#else
#include <check.h>
#endif

Suite *suite_source_sql(void);

Suite *
suite_source_sql(void)
{
	Suite *s = suite_create("source_sql");
	TCase *t = tcase_create("sql");

#ifdef HAVE_SQLITE
	tcase_add_loop_test(t, each_statement_gives_its_json, 0,
			    sizeof(answers) / sizeof(answers[0]));
	tcase_add_test(t, a_statement_is_used_again_with_other_values);
	tcase_add_test(t, what_a_write_changed_is_seen_by_every_connection);
	tcase_add_test(t, statements_run_side_by_side_on_their_connections);
	tcase_add_test(t, parameters_come_from_bind_then_path_then_query);
	tcase_add_test(t, a_query_parameter_that_is_nearly_a_path_parameter_is_a_warning);
	tcase_add_loop_test(t, mistakes_are_told_with_their_line, 0,
			    sizeof(mistakes) / sizeof(mistakes[0]));
	tcase_add_test(t, a_missing_database_names_key_path_and_cure);
	tcase_add_test(t, a_file_that_is_no_database_is_an_error);
	tcase_add_test(t, a_url_of_another_kind_is_an_error);
	tcase_add_test(t, the_database_is_put_into_wal_unless_read_only);
	tcase_add_test(t, a_change_of_the_schema_is_no_error);
	tcase_add_test(t, full_text_search_works_within_the_rules);
	tcase_add_test(t, a_cancelled_statement_is_interrupted);
	tcase_add_test(t, a_statement_ends_with_its_time_out);
	tcase_add_test(t, a_statement_ends_with_its_deadline);
	tcase_add_test(t, after_an_interrupted_statement_its_connection_serves_on);
	tcase_add_test(t, a_result_above_max_result_is_too_large_and_not_built);
	tcase_add_test(t, lack_of_memory_while_loading_is_told);
	tcase_add_test(t, lack_of_memory_while_asking_fails_the_part_once);
#endif
	suite_add_tcase(s, t);
	return s;
}
