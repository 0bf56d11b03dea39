/*
 * What a request says about who asks: schemes, pairs, cookies.
 */
#include "auth/credentials.h"

#include "bench.h"

Suite *suite_auth_credentials(void);

static const struct {
	const char *value;
	enum credentials_scheme scheme;
	const char *token;
} fields[] = {
	{ NULL, CREDENTIALS_NONE, "" },
	{ "Basic dTpw", CREDENTIALS_BASIC, "dTpw" },
	{ "bAsIc   dTpw", CREDENTIALS_BASIC, "dTpw" },
	{ "Basic", CREDENTIALS_BASIC, "" },
	{ "Basic ", CREDENTIALS_BASIC, "" },
	{ "BEARER a.b.c", CREDENTIALS_BEARER, "a.b.c" },
	{ "Bearer\ta.b.c", CREDENTIALS_OTHER, "" },
	{ "Bearera.b.c", CREDENTIALS_OTHER, "" },
	{ "Digest username=x", CREDENTIALS_OTHER, "" },
	{ "", CREDENTIALS_OTHER, "" },
};

START_TEST(the_scheme_is_read_in_any_case)
{
	struct field list[2];
	struct fields f = { .at = list, .cap = 2 };
	struct credentials c;

	if (fields[_i].value)
		ck_assert_int_eq(fields_add(&f, FIELD_AUTHORIZATION, slice_of(fields[_i].value)),
				 0);
	credentials_read(&c, &f);
	ck_assert_int_eq(c.scheme, fields[_i].scheme);
	ck_assert(slice_eq(c.token, slice_of(fields[_i].token)));
}
END_TEST

static const struct {
	const char *token;
	const char *user, *password; /* NULL: it is malformed */
} pairs[] = {
	{ "QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame" }, /* RFC 7617 2 */
	{ "dGVzdDoxMjPCow==", "test", "123\xc2\xa3" }, /* RFC 7617 2.1 */
	{ "dTo=", "u", "" },
	{ "dTphOmI6Yw==", "u", "a:b:c" },
	{ "dTr/", "u", "\xff" },
	{ "", NULL, NULL },
	{ "dQ==", NULL, NULL }, /* no colon */
	{ "OnA=", NULL, NULL }, /* nobody */
	{ "dTpw=", NULL, NULL },
	{ "dTpwcA", NULL, NULL }, /* not padded */
	{ "dTp wcA==", NULL, NULL },
	{ "dTpwAA==", NULL, NULL }, /* NUL */
	{ "dTpwCg==", NULL, NULL }, /* LF */
	{ "dQA6cA==", NULL, NULL },
	{ "/zpw", NULL, NULL }, /* a name that is not UTF-8 */
	{ "dTpwfw==", NULL, NULL }, /* DEL */
};

START_TEST(pairs_are_read_strictly)
{
	struct credentials_pair p;
	int err = credentials_pair(slice_of(pairs[_i].token), &arena, &p);

	ck_assert_int_eq(err, pairs[_i].user ? 0 : ERR_SYNTAX);
	if (err)
		return;
	ck_assert(slice_eq(p.user, slice_of(pairs[_i].user)));
	ck_assert(slice_eq(p.password, slice_of(pairs[_i].password)));
	ck_assert_int_eq(p.password.at[p.password.len], '\0');
}
END_TEST

START_TEST(a_very_long_pair_is_refused)
{
	static char token[CREDENTIALS_BASIC_BYTES + 5];
	struct credentials_pair p;

	memset(token, 'd', sizeof(token) - 1);
	ck_assert_int_eq(credentials_pair(slice_of(token), &arena, &p), ERR_SYNTAX);
}
END_TEST

static const struct {
	const char *one, *other; /* Cookie fields */
	int err;
	const char *value;
} cookies[] = {
	{ "token=a.b.c", NULL, 0, "a.b.c" },
	{ "x=1; token=a.b.c; y=2", NULL, 0, "a.b.c" },
	{ "x=1;token=a=b", NULL, 0, "a=b" },
	{ "x=1", "token=a", 0, "a" },
	{ "x=1", NULL, ERR_MISSING, "" },
	{ "tokens=1; xtoken=2; Token=3", NULL, ERR_MISSING, "" },
	{ "token=a; token=b", NULL, ERR_CONFLICT, "" },
	{ "token=a", "token=a", ERR_CONFLICT, "" },
	{ "token", NULL, 0, "" },
	{ ";;; ;=;", NULL, ERR_MISSING, "" },
};

START_TEST(a_cookie_is_found_when_there_is_one)
{
	struct field list[2];
	struct fields f = { .at = list, .cap = 2 };
	struct slice value = SLICE("");

	ck_assert_int_eq(fields_add(&f, FIELD_COOKIE, slice_of(cookies[_i].one)), 0);
	if (cookies[_i].other)
		ck_assert_int_eq(fields_add(&f, FIELD_COOKIE, slice_of(cookies[_i].other)), 0);
	ck_assert_int_eq(credentials_cookie(&f, SLICE("token"), &value), cookies[_i].err);
	if (!cookies[_i].err)
		ck_assert(slice_eq(value, slice_of(cookies[_i].value)));
}
END_TEST

Suite *
suite_auth_credentials(void)
{
	Suite *s = suite_create("auth/credentials");
	TCase *t = tcase_create("fields");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_loop_test(t, the_scheme_is_read_in_any_case, 0, COUNT(fields));
	tcase_add_loop_test(t, pairs_are_read_strictly, 0, COUNT(pairs));
	tcase_add_test(t, a_very_long_pair_is_refused);
	tcase_add_loop_test(t, a_cookie_is_found_when_there_is_one, 0, COUNT(cookies));
	suite_add_tcase(s, t);
	return s;
}
