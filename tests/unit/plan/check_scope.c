/*
 * What templates and pools see of an exchange: its client, and whose share it takes.
 */
#include "plan/scope.h"

#include <check.h>

Suite *suite_plan_scope(void);

static const struct {
	const char *client, *address, *share;
} rows[] = {
	{ "[2001:db8:1:2:3::4]:80", "2001:db8:1:2:3::4", "2001:db8:1:2::" },
	{ "[2001:db8:1:2::]:80", "2001:db8:1:2::", "2001:db8:1:2::" },
	{ "192.0.2.1:80", "192.0.2.1", "192.0.2.1" },
};

START_TEST(a_network_of_ipv6_has_one_share_and_many_addresses)
{
	struct address client;
	struct store store;
	struct exchange x = { .client = &client };

	store_init(&store);
	arena_init(&x.arena, &store, 1 << 16);
	ck_assert_int_eq(address_parse(&client, slice_of(rows[_i].client)), 0);
	ck_assert(slice_eq(scope_client_address(&x), slice_of(rows[_i].address)));
	ck_assert(slice_eq(scope_client_share(&x), slice_of(rows[_i].share)));
	arena_fini(&x.arena);
	store_fini(&store);
}
END_TEST

START_TEST(a_scheme_is_that_of_the_exchange)
{
	struct exchange x = { .scheme = SLICE("https") };
	struct template_names names = { .rest = TEMPLATE_NO_REST };
	struct template_scope scope;
	struct template_error why;
	struct template *t;
	struct store store;
	struct slice text;
	unsigned variable;

	store_init(&store);
	arena_init(&x.arena, &store, 1 << 16);
	t = template_compile(&x.arena, SLICE("{request.scheme}:"), VALUE_RAW, &names, &why);
	ck_assert_ptr_nonnull(t);
	scope_fill(&scope, &x, NULL, SLICE(""));
	ck_assert_int_eq(template_eval(t, &scope, &x.arena, 100, &text, &variable), 0);
	ck_assert(slice_eq(text, SLICE("https:")));
	scope.exchange = NULL;
	ck_assert_int_eq(template_eval(t, &scope, &x.arena, 100, &text, &variable), ERR_MISSING);
	arena_fini(&x.arena);
	store_fini(&store);
}
END_TEST

Suite *
suite_plan_scope(void)
{
	Suite *s = suite_create("plan/scope");
	TCase *t = tcase_create("scope");

	tcase_add_loop_test(t, a_network_of_ipv6_has_one_share_and_many_addresses, 0,
			    sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(t, a_scheme_is_that_of_the_exchange);
	suite_add_tcase(s, t);
	return s;
}
