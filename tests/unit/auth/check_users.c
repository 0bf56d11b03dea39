/*
 * Files of users: who is in them, and what is wrong with them, each with its line.
 */
#include "auth/users.h"

#include "bench.h"
#include "config.h"

#ifdef HAVE_CRYPT
#define HASH  "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
#define OTHER "$2y$05$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
#else
#define HASH  "$argon2id$v=19$m=64,t=1,p=2$c2FsdHNhbHQx$Ii7tfVGT+OUGWZNnVZ6U2nRbgOSJI+2cFJ0W0d5SyxQ"
#define OTHER "$argon2id$v=19$m=64,t=2,p=1$c2FsdHNhbHQx$yDEdOUdvd0ak3ibl9pFcUVLdlkLU11hnyU7Ug8HnQ+g"
#endif

Suite *suite_auth_users(void);

static struct users users;

static int
read_text(struct slice text)
{
	const char *why = NULL;

	write_file(text);
	return users_read(&users, path, &arena, &errors, &why);
}

static const char *
complaints(void)
{
	static char text[4096];
	struct writer w = writer_over(text, sizeof(text) - 1);

	conf_errors_write(&errors, &w);
	text[w.len] = '\0';
	return text;
}

START_TEST(users_are_found_by_their_whole_names)
{
	const struct users_entry *e;

	ck_assert_int_eq(read_text(SLICE("# users\n\nzoe:" HASH "\r\n alice:" OTHER " \nal:" HASH
					 "\n#bob:x\nJos\xc3\xa9 M.:" HASH)),
			 0);
	ck_assert_uint_eq(users.count, 4);
	e = users_find(&users, SLICE("alice"));
	ck_assert_ptr_nonnull(e);
	ck_assert(slice_eq(e->hash, SLICE(OTHER)));
	ck_assert_int_eq(e->hash.at[e->hash.len], '\0');
	ck_assert_uint_eq(e->line, 4);
	ck_assert(slice_eq(users_find(&users, SLICE("zoe"))->hash, SLICE(HASH)));
	ck_assert_ptr_nonnull(users_find(&users, SLICE("Jos\xc3\xa9 M.")));
	ck_assert_ptr_nonnull(users_find(&users, SLICE("al")));
	ck_assert_ptr_null(users_find(&users, SLICE("a")));
	ck_assert_ptr_null(users_find(&users, SLICE("Alice")));
	ck_assert_ptr_null(users_find(&users, SLICE("alicf")));
	ck_assert_ptr_null(users_find(&users, SLICE("")));
	ck_assert_ptr_null(users_find(&users, SLICE("#bob")));
}
END_TEST

static const struct {
	struct slice text;
	const char *said;
} wrong[] = {
	{ SLICE_INIT("a:" HASH "\nb:" HASH "\na:" OTHER "\n"), ":3: that user has a line above" },
	{ SLICE_INIT("a:" HASH "\nalice\n"), ":2: a line is NAME:HASH" },
	{ SLICE_INIT(":" HASH), ":1: a name is text" },
	{ SLICE_INIT("a\tb:" HASH), ":1: a name is text" },
	{ SLICE_INIT("a\xff:" HASH), ":1: a name is text" },
	{ SLICE_INIT("a:plain"), ":1: that is no hash" },
	{ SLICE_INIT("a:$apr1$abcdefgh$abcdefghijklmnopqrstuv"), "htpasswd -B" },
	{ SLICE_INIT("\n\na:" HASH ":more\n"), ":3: " },
	{ SLICE_INIT("a:" HASH "\0\n"), ":1: " },
};

START_TEST(what_is_wrong_is_told_with_its_line)
{
	ck_assert_int_eq(read_text(wrong[_i].text), ERR_SYNTAX);
	ck_assert_msg(strstr(complaints(), wrong[_i].said) != NULL, "%s", complaints());
	ck_assert_msg(strstr(complaints(), path) == complaints(), "%s", complaints());
	ck_assert_uint_eq(errors.errors, 1);
}
END_TEST

START_TEST(all_wrong_lines_are_told)
{
	ck_assert_int_eq(read_text(SLICE("a\nb\nc:x\n")), ERR_SYNTAX);
	ck_assert_uint_eq(errors.errors, 3);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_told)
{
	const char *why = NULL;

	ck_assert_int_eq(users_read(&users, "/nowhere/users", &arena, &errors, &why), ERR_FAILED);
	ck_assert_str_eq(why, "No such file or directory");
	ck_assert_int_eq(users_read(&users, "/tmp", &arena, &errors, &why), ERR_FAILED);
	ck_assert_str_eq(why, "it is no regular file");
}
END_TEST

START_TEST(there_are_at_most_so_many)
{
	enum { LINE = 80 };
	size_t room = (size_t)(USERS_MAX + 100) * (LINE + 90);
	char *text = malloc(room);
	struct writer w = writer_over(text, room);

	/* Blank lines take no place. */
	for (unsigned i = 0; i < 2 * USERS_MAX; i++)
		writer_char(&w, '\n');
	for (unsigned i = 0; i < USERS_MAX; i++)
		writer_format(&w, "u%u:%s\n", i, HASH);
	ck_assert(!w.is_full);
	ck_assert_int_eq(read_text(writer_slice(&w)), 0);
	ck_assert_uint_eq(users.count, USERS_MAX);
	ck_assert_ptr_nonnull(users_find(&users, SLICE("u65535")));
	writer_text(&w, "one:" HASH "\nmore:" HASH "\nx");
	ck_assert_int_eq(read_text(writer_slice(&w)), ERR_SYNTAX);
	ck_assert_msg(strstr(complaints(), "more than 65536 users") != NULL, "%s", complaints());
	free(text);
}
END_TEST

START_TEST(nobody_stands_in_where_nobody_is)
{
	ck_assert_int_eq(read_text(SLICE("")), 0);
	ck_assert_ptr_null(users_find(&users, SLICE("a")));
	ck_assert_ptr_null(users_stand_in(&users, SLICE("a")));
}
END_TEST

/* The kinds of hashes of strangers are those of users, and of one stranger always the same. */
START_TEST(each_user_stands_in_for_some_strangers)
{
	unsigned taken[3] = { 0 };

	ck_assert_int_eq(read_text(SLICE("a:" HASH "\nb:" OTHER "\nc:" HASH)), 0);
	for (unsigned i = 0; i < 300; i++) {
		char name[16];
		struct writer w = writer_over(name, sizeof(name));
		const struct users_entry *e;

		writer_format(&w, "stranger%u", i);
		e = users_stand_in(&users, writer_slice(&w));
		ck_assert_ptr_eq(e, users_stand_in(&users, writer_slice(&w)));
		taken[e - users.at]++;
	}
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_gt(taken[i], 50);
}
END_TEST

Suite *
suite_auth_users(void)
{
	Suite *s = suite_create("auth/users");
	TCase *t = tcase_create("files");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, users_are_found_by_their_whole_names);
	tcase_add_loop_test(t, what_is_wrong_is_told_with_its_line, 0, COUNT(wrong));
	tcase_add_test(t, all_wrong_lines_are_told);
	tcase_add_test(t, a_file_that_cannot_be_read_is_told);
	tcase_add_test(t, there_are_at_most_so_many);
	tcase_add_test(t, nobody_stands_in_where_nobody_is);
	tcase_add_test(t, each_user_stands_in_for_some_strangers);
	suite_add_tcase(s, t);
	return s;
}
