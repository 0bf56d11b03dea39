/*
 * What a second attempt beside the first costs, and whom; on a clock that stands still.
 */
#include "base/clock.h"
#include "upstream_bed.h"

#include "source/upstream_priv.h"

#include <check.h>

Suite *suite_source_upstream_hedge(void);

static const char section[] = "max_connections = 2\nmax_pending = 1\nhedge_after = 50ms\n"
			      "retry_budget = 100%";

/* --- its price ---------------------------------------------------------------------- */

START_TEST(a_second_attempt_is_paid_for)
{
	struct bed *b = bed_open_servers(section, "", 2);
	struct ask *a;
	int fd;

	bed_freeze(b);
	a = bed_ask(b);
	bed_turn(b);
	fd = bed_accept_at(b, 0);
	bed_expect(b, fd, "GET ");
	ck_assert_uint_gt(bed_share(b)->budget.left, 0);
	bed_pass(b, 50);
	bed_turn(b);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_HEDGED), 1);
	ck_assert_uint_eq(bed_share(b)->budget.left, 0);
	ask_cancel(a);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(one_that_cannot_be_made_costs_nothing)
{
	struct bed *b = bed_open_servers(section, "", 2);
	struct ask *a;
	uint64_t left;
	int fd;

	bed_freeze(b);
	a = bed_ask(b);
	bed_turn(b);
	fd = bed_accept_at(b, 0);
	bed_expect(b, fd, "GET ");
	while (arena_alloc(&a->arena, 4096))
		;
	while (arena_alloc(&a->arena, 16))
		;
	left = bed_share(b)->budget.left;
	bed_pass(b, 50);
	bed_turn(b);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_HEDGED), 0);
	ck_assert_uint_eq(bed_share(b)->budget.left, left);
	ask_cancel(a);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

Suite *
suite_source_upstream_hedge(void)
{
	Suite *s = suite_create("source_upstream_hedge");
	TCase *t = tcase_create("hedge");

	tcase_add_test(t, a_second_attempt_is_paid_for);
	tcase_add_test(t, one_that_cannot_be_made_costs_nothing);
	suite_add_tcase(s, t);
	return s;
}
