/*
 * What PostgreSQL is told: :name as $n wherever the server would read a
 * parameter, and nowhere else; and no secret that stands in a url.
 */
#include "config.h"
#ifdef HAVE_LIBPQ

#include "source/sql_postgres_priv.h"

#include <check.h>
#include <poll.h>
#include <unistd.h>

Suite *suite_source_sql_postgres(void);

enum { ARENA_BYTES = 1 << 20, WHY_BYTES = 200, WAITS = 10 };

static struct store store;
static struct arena arena;
static char why_text[WHY_BYTES];

static void
set_up(void)
{
	store_init(&store);
	arena_init(&arena, &store, ARENA_BYTES);
}

static void
tear_down(void)
{
	arena_fini(&arena);
	store_fini(&store);
}

static struct postgres_script
read_script(const char *query)
{
	struct writer why = writer_over(why_text, sizeof(why_text) - 1);
	struct postgres_script t;
	int err = postgres_text_read(&t, slice_of(query), &arena, &why);

	why_text[why.len] = '\0';
	ck_assert_msg(err == 0, "%s: %s", query, why_text);
	return t;
}

/* Of one statement. */
static struct postgres_step
read_step(const char *query)
{
	struct postgres_script t = read_script(query);

	ck_assert_uint_eq(t.steps, 1);
	ck_assert_uint_eq(t.step[0].params, t.params);
	return t.step[0];
}

/* query, what becomes of it, how many parameters. */
static const struct {
	const char *query, *text;
	unsigned params;
} texts[] = {
	{ "SELECT 1", "SELECT 1", 0 },
	{ "SELECT :a, :b, :a", "SELECT $1, $2, $1", 2 },
	{ "SELECT :a_1B::int", "SELECT $1::int", 1 },
	{ "SELECT x::int, y :: text", "SELECT x::int, y :: text", 0 },
	{ "SELECT ':a', 'it''s :b', :c", "SELECT ':a', 'it''s :b', $1", 1 },
	{ "SELECT \":a\", \"q\"\":b\"", "SELECT \":a\", \"q\"\":b\"", 0 },
	{ "SELECT E'\\':a', :b", "SELECT E'\\':a', $1", 1 },
	{ "SELECT e'\\\\', :b", "SELECT e'\\\\', $1", 1 },
	{ "SELECT 'a\\', :b", "SELECT 'a\\', $1", 1 },
	{ "SELECT date'x\\', :b", "SELECT date'x\\', $1", 1 },
	{ "SELECT $$:a$$, $t$ :b $$ $t$, :c", "SELECT $$:a$$, $t$ :b $$ $t$, $1", 1 },
	{ "SELECT a$b$c, :d", "SELECT a$b$c, $1", 1 },
	{ "SELECT 1 -- :a ' \n, :b", "SELECT 1 -- :a ' \n, $1", 1 },
	{ "SELECT 1 /* :a /* ' */ :b */, :c", "SELECT 1 /* :a /* ' */ :b */, $1", 1 },
	{ "SELECT 4 - -:a / *:b", "SELECT 4 - -$1 / *$2", 2 },
	{ "SELECT a[1:2], b[1 : c], f(x := 1)", "SELECT a[1:2], b[1 : c], f(x := 1)", 0 },
	{ "SELECT doc ? 'a', :b", "SELECT doc ? 'a', $1", 1 },
	{ "SELECT ':a", "SELECT ':a", 0 },
	{ "SELECT $$:a", "SELECT $$:a", 0 },
	{ "SELECT /* :a", "SELECT /* :a", 0 },
	{ "SELECT E'\\", "SELECT E'\\", 0 },
	{ "SELECT :", "SELECT :", 0 },
	{ "SELECT $", "SELECT $", 0 },
	{ "SELECT gr\xc3\xb6\xc3\x9f$e$, :a", "SELECT gr\xc3\xb6\xc3\x9f$e$, $1", 1 },
	{ "SELECT 1e3, 0x1F, :a", "SELECT 1e3, 0x1F, $1", 1 },
};

START_TEST(names_are_parameters_where_the_server_reads_one)
{
	struct postgres_step t = read_step(texts[_i].query);

	ck_assert_str_eq(t.text.at, texts[_i].text);
	ck_assert_uint_eq(t.text.len, strlen(texts[_i].text));
	ck_assert_uint_eq(t.params, texts[_i].params);
}
END_TEST

START_TEST(names_stand_in_the_order_of_their_numbers)
{
	struct postgres_script t = read_script("SELECT :b + :a * :b - :c9");

	ck_assert_uint_eq(t.params, 3);
	ck_assert(slice_eq(t.param[0], SLICE("b")));
	ck_assert(slice_eq(t.param[1], SLICE("a")));
	ck_assert(slice_eq(t.param[2], SLICE("c9")));
}
END_TEST

START_TEST(many_parameters_fit)
{
	char query[12000];
	struct writer w = writer_over(query, sizeof(query) - 1);
	struct postgres_step t;

	writer_text(&w, "SELECT 0");
	for (char a = 'a'; a <= 'z'; a++) {
		for (char b = 'a'; b <= 'z'; b++)
			writer_format(&w, ",:%c%c", a, b);
	}
	for (unsigned i = 0; i < 500; i++)
		writer_text(&w, "+:zz");
	query[w.len] = '\0';
	t = read_step(query);
	ck_assert_uint_eq(t.params, 26 * 26);
	ck_assert_str_eq(t.text.at + t.text.len - 9, "$676+$676");
}
END_TEST

START_TEST(numbered_parameters_are_refused)
{
	struct writer why = writer_over(why_text, sizeof(why_text) - 1);
	struct postgres_script t;

	ck_assert_int_eq(postgres_text_read(&t, SLICE("SELECT $1"), &arena, &why), ERR_SYNTAX);
	why_text[why.len] = '\0';
	ck_assert_str_eq(why_text, "parameters are written as :name, not as $1");
}
END_TEST

START_TEST(the_first_word_is_found_behind_comments_and_parentheses)
{
	ck_assert(slice_eq(read_step("-- x\n /* begin */ ((Select 1))").verb, SLICE("Select")));
	ck_assert_uint_eq(read_script("\n").steps, 0);
}
END_TEST

START_TEST(statements_are_cut_apart_and_number_their_own_parameters)
{
	struct postgres_script t =
	    read_script("INSERT INTO a VALUES (:x, ';'); -- ;\n UPDATE b SET c = :y, d = :x;\n"
			"; SELECT $$;$$, :y -- the end\n ; ");

	ck_assert_uint_eq(t.steps, 3);
	ck_assert_uint_eq(t.params, 2);
	ck_assert(slice_eq(t.param[0], SLICE("x")));
	ck_assert_str_eq(t.step[0].text.at, "INSERT INTO a VALUES ($1, ';')");
	ck_assert_uint_eq(t.step[0].params, 1);
	ck_assert(slice_eq(t.step[1].verb, SLICE("UPDATE")));
	ck_assert_str_eq(t.step[1].text.at, " -- ;\n UPDATE b SET c = $1, d = $2");
	ck_assert_uint_eq(t.step[1].params, 2);
	ck_assert_uint_eq(t.step[1].param[0], 1);
	ck_assert_uint_eq(t.step[1].param[1], 0);
	ck_assert_uint_eq(t.step[2].params, 1);
	ck_assert_uint_eq(t.step[2].param[0], 1);
	ck_assert_uint_eq(read_script(" ; ;-- x\n").steps, 0);
}
END_TEST

static const struct {
	const char *url;
	bool has_secret;
} urls[] = {
	{ "postgresql://user@host/db", false },
	{ "postgresql://user:secret@host/db", true },
	{ "postgresql://user:${PW}@host/db", false },
	{ "postgresql://${USER:-x}:${PW}@${HOST:-h}:${PORT:-5432}/db", false },
	{ "postgresql://user:${PW:-secret}@host/db", true },
	{ "postgresql://user:${PW:-}@host/db", false },
	{ "postgresql://user:a${PW}@host/db", true },
	{ "postgresql://user:@host/db", false },
	{ "postgresql://host:5432/db", false },
	{ "postgresql://user@[::1]:5432/db", false },
	{ "postgresql:///db?host=/run&user=a", false },
	{ "postgresql:///db?host=/run&password=secret", true },
	{ "postgresql:///db?password=${PW}&host=/run", false },
	{ "postgresql://user@host/db?sslpassword=secret", true },
	{ "postgresql://user@host?sslmode=require&password=x", true },
	{ "${URL}", false },
	{ "${SCHEME}://user:secret@host/db", true },
	{ "postgresql:", false },
	{ "", false },
};

START_TEST(a_secret_in_a_url_is_seen)
{
	ck_assert_msg(postgres_url_has_secret(slice_of(urls[_i].url)) == urls[_i].has_secret, "%s",
		      urls[_i].url);
}
END_TEST

/* Of several, so that a busy machine may be late for most. */
START_TEST(a_wait_ends_when_its_time_is_over)
{
	uint64_t best_ns = CLOCK_NEVER;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	for (unsigned i = 0; i < WAITS; i++) {
		uint64_t began = clock_monotonic(), took;

		ck_assert_int_eq(
		    postgres_wait(fds[0], POLLIN, clock_after(began, 5 * CLOCK_MS), NULL),
		    ERR_TIMEOUT);
		took = clock_monotonic() - began;
		ck_assert_uint_ge(took, 5 * CLOCK_MS);
		if (took < best_ns)
			best_ns = took;
	}
	ck_assert_uint_lt(best_ns, 90 * CLOCK_MS);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

Suite *
suite_source_sql_postgres(void)
{
	Suite *s = suite_create("source_sql_postgres");
	TCase *t = tcase_create("text");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_loop_test(t, names_are_parameters_where_the_server_reads_one, 0,
			    (int)(sizeof(texts) / sizeof(texts[0])));
	tcase_add_test(t, names_stand_in_the_order_of_their_numbers);
	tcase_add_test(t, many_parameters_fit);
	tcase_add_test(t, numbered_parameters_are_refused);
	tcase_add_test(t, a_wait_ends_when_its_time_is_over);
	tcase_add_test(t, the_first_word_is_found_behind_comments_and_parentheses);
	tcase_add_test(t, statements_are_cut_apart_and_number_their_own_parameters);
	tcase_add_loop_test(t, a_secret_in_a_url_is_seen, 0, (int)(sizeof(urls) / sizeof(urls[0])));
	suite_add_tcase(s, t);
	return s;
}

#else

#include <check.h>

Suite *suite_source_sql_postgres(void);

Suite *
suite_source_sql_postgres(void)
{
	return suite_create("source_sql_postgres");
}

#endif
