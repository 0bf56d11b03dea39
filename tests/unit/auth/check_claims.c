/*
 * Claims against terms: times, issuers, audiences, scopes, what else is asked for, and the user.
 */
#include "auth/claims.h"

#include "base/clock.h"
#include "bench.h"

Suite *suite_auth_claims(void);

enum { NOW = 1000000 };

static const struct slice issuers[] = { SLICE_INIT("https://a.example"), SLICE_INIT("b") };
static const struct slice audiences[] = { SLICE_INIT("api"), SLICE_INIT("api2") };
static const struct slice scopes[] = { SLICE_INIT("read"), SLICE_INIT("write") };
static const struct conf_named required[] = {
	{ SLICE_INIT("roles"), SLICE_INIT("admin"), NULL },
	{ SLICE_INIT("realm.level"), SLICE_INIT("3"), NULL },
	{ SLICE_INIT("https://x.example/ok"), SLICE_INIT("true"), NULL },
};

enum {
	NONE = 0,
	ISSUER = 1,
	AUDIENCE = 2,
	SCOPE = 4,
	REQUIRE = 8,
	EXPIRE = 16,
	LEEWAY = 32,
	USER = 64
};

static struct claims_terms
terms_of(unsigned asked)
{
	struct claims_terms t = { .user = SLICE("sub") };

	if (asked & ISSUER)
		t.issuer = (struct conf_list){ issuers, 2 };
	if (asked & AUDIENCE)
		t.audience = (struct conf_list){ audiences, 2 };
	if (asked & SCOPE)
		t.scope = (struct conf_list){ scopes, 2 };
	if (asked & REQUIRE)
		t.require = (struct conf_family){ required, 3 };
	t.must_name_user = (asked & USER) != 0;
	t.must_expire = (asked & EXPIRE) != 0;
	t.leeway_ns = asked & LEEWAY ? 60 * CLOCK_SEC : 0;
	return t;
}

static const struct {
	unsigned asked;
	const char *json;
	int fault;
} rows[] = {
	{ NONE, "{}", 0 },
	{ NONE, "[]", FAULT_TOKEN },
	{ NONE, "", FAULT_TOKEN },
	{ NONE, "{\"a\":1,\"a\":1}", FAULT_TOKEN },
	{ NONE, "{\"exp\":2000000,\"\\u0065xp\":1}", FAULT_TOKEN },
	{ NONE, "{\"exp\":1000001}", 0 },
	{ NONE, "{\"exp\":1000000}", FAULT_EXPIRED },
	{ NONE, "{\"exp\":1000000.9}", FAULT_EXPIRED },
	{ NONE, "{\"exp\":1000001.5}", 0 },
	{ NONE, "{\"exp\":1.1e6}", 0 },
	{ NONE, "{\"exp\":-5}", FAULT_EXPIRED },
	{ NONE, "{\"exp\":1e400}", 0 },
	{ NONE, "{\"exp\":\"1000001\"}", FAULT_TOKEN },
	{ NONE, "{\"exp\":null}", FAULT_TOKEN },
	{ NONE, "{\"exp\":true}", FAULT_TOKEN },
	{ EXPIRE, "{}", FAULT_CLAIM },
	{ EXPIRE, "{\"exp\":1000001}", 0 },
	{ LEEWAY, "{\"exp\":999941}", 0 },
	{ LEEWAY, "{\"exp\":999940}", FAULT_EXPIRED },
	{ NONE, "{\"nbf\":1000000}", 0 },
	{ NONE, "{\"nbf\":1000001}", FAULT_EARLY },
	{ LEEWAY, "{\"nbf\":1000060}", 0 },
	{ LEEWAY, "{\"nbf\":1000061}", FAULT_EARLY },
	{ NONE, "{\"nbf\":\"x\"}", FAULT_TOKEN },
	{ NONE, "{\"iat\":1000000}", 0 },
	{ NONE, "{\"iat\":1000001}", FAULT_EARLY },
	{ NONE, "{\"iat\":{}}", FAULT_TOKEN },
	{ ISSUER, "{\"iss\":\"https://a.example\"}", 0 },
	{ ISSUER, "{\"iss\":\"https:\\/\\/a.example\"}", 0 },
	{ ISSUER, "{\"iss\":\"b\"}", 0 },
	{ ISSUER, "{\"iss\":\"https://a.example/\"}", FAULT_ISSUER },
	{ ISSUER, "{\"iss\":\"B\"}", FAULT_ISSUER },
	{ ISSUER, "{\"iss\":[\"b\"]}", FAULT_ISSUER },
	{ ISSUER, "{}", FAULT_ISSUER },
	{ NONE, "{\"iss\":\"anybody\"}", 0 },
	{ AUDIENCE, "{\"aud\":\"api\"}", 0 },
	{ AUDIENCE, "{\"aud\":[\"x\",\"api2\"]}", 0 },
	{ AUDIENCE, "{\"aud\":[]}", FAULT_AUDIENCE },
	{ AUDIENCE, "{\"aud\":\"ap\"}", FAULT_AUDIENCE },
	{ AUDIENCE, "{}", FAULT_AUDIENCE },
	{ NONE, "{\"aud\":\"api\"}", FAULT_AUDIENCE }, /* it is for somebody, but not for us */
	{ SCOPE, "{\"scope\":\"x write read\"}", 0 },
	{ SCOPE, "{\"scp\":[\"write\",\"read\"]}", 0 },
	{ SCOPE, "{\"scope\":\"read\"}", FAULT_SCOPE },
	{ SCOPE, "{\"scope\":\"readwrite\"}", FAULT_SCOPE },
	{ SCOPE, "{\"scope\":1}", FAULT_SCOPE },
	{ SCOPE, "{}", FAULT_SCOPE },
	{ REQUIRE,
	  "{\"roles\":[\"a\",\"admin\"],\"realm\":{\"level\":3},\"https://x.example/ok\":true}",
	  0 },
	{ REQUIRE,
	  "{\"roles\":\"admin\",\"realm.level\":\"3\",\"https:\\/\\/x.example\\/ok\":\"true\"}",
	  0 },
	{ REQUIRE, "{\"roles\":[\"a\"],\"realm\":{\"level\":3},\"https://x.example/ok\":true}",
	  FAULT_CLAIM },
	{ REQUIRE,
	  "{\"roles\":[[\"admin\"]],\"realm\":{\"level\":3},\"https://x.example/ok\":true}",
	  FAULT_CLAIM },
	{ REQUIRE, "{\"roles\":\"admin\",\"realm\":{\"level\":3.0},\"https://x.example/ok\":true}",
	  FAULT_CLAIM },
	{ REQUIRE, "{\"roles\":\"admin\",\"realm\":{\"level\":3}}", FAULT_CLAIM },
	{ REQUIRE, "{}", FAULT_CLAIM },
	{ USER, "{\"sub\":\"alice\"}", 0 },
	{ USER, "{\"sub\":12}", 0 },
	{ USER, "{}", FAULT_CLAIM },
	{ USER, "{\"sub\":\"\"}", FAULT_CLAIM },
	{ USER, "{\"sub\":null}", FAULT_TOKEN },
	{ NONE, "{\"sub\":[]}", FAULT_TOKEN },
	{ NONE, "{\"sub\":\"a\\nb\"}", FAULT_TOKEN },
	{ NONE, "{\"sub\":\"\\ud800\"}", FAULT_TOKEN },
};

START_TEST(claims_are_judged)
{
	struct claims_terms t = terms_of(rows[_i].asked);
	struct claims c;

	ck_assert_int_eq(claims_check(&c, &t, slice_of(rows[_i].json), NOW, &arena),
			 rows[_i].fault);
}
END_TEST

static const struct {
	const char *json, *user;
} users[] = {
	{ "{\"sub\":\"alice\"}", "alice" },
	{ "{\"sub\":\"Jos\\u00e9 \\\"J\\\"\"}", "Jos\xc3\xa9 \"J\"" },
	{ "{\"sub\":12}", "12" },
	{ "{}", "" },
};

START_TEST(the_user_is_what_the_claim_says)
{
	struct claims_terms t = terms_of(NONE);
	struct claims c;

	ck_assert_int_eq(claims_check(&c, &t, slice_of(users[_i].json), NOW, &arena), 0);
	ck_assert(slice_eq(c.user, slice_of(users[_i].user)));
	ck_assert(c.expires_s == INT64_MAX);
}
END_TEST

static const struct {
	const char *raw;
	int64_t seconds;
} times[] = {
	{ "0", 0 },
	{ "-0", 0 },
	{ "1300819380", 1300819380 },
	{ "1300819380.999", 1300819380 },
	{ "-7.9", -7 },
	{ "1.5e3", 1500 },
	{ "15E+2", 1500 },
	{ "15000e-1", 1500 },
	{ "0.0001e7", 1000 },
	{ "1e-400", 0 },
	{ "123456789012345678901234567890e-20", 1234567890 },
	{ "1e400", INT64_C(1) << 52 },
	{ "-1e400", -(INT64_C(1) << 52) },
	{ "99999999999999999999999999", INT64_C(1) << 52 },
	{ "0e999", 0 },
};

START_TEST(dates_are_numbers_of_any_form)
{
	int64_t seconds;

	ck_assert_int_eq(claims_time(slice_of(times[_i].raw), &seconds), 0);
	ck_assert_msg(seconds == times[_i].seconds, "%s is %lld", times[_i].raw,
		      (long long)seconds);
}
END_TEST

Suite *
suite_auth_claims(void)
{
	Suite *s = suite_create("auth/claims");
	TCase *t = tcase_create("claims");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_loop_test(t, claims_are_judged, 0, COUNT(rows));
	tcase_add_loop_test(t, the_user_is_what_the_claim_says, 0, COUNT(users));
	tcase_add_loop_test(t, dates_are_numbers_of_any_form, 0, COUNT(times));
	suite_add_tcase(s, t);
	return s;
}
