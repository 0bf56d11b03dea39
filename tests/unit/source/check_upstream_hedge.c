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

/* --- its end in line ------------------------------------------------------------------ */

/* Two servers with one connection each; what is refused is counted in `series`. */
struct crowd {
	struct bed *b;
	int fd[2];
	struct shed_series series[UPSTREAM_LIMITS], *sheds;
};

static struct ask *
ask_as(struct crowd *c, const char *method, enum gate_class priority, unsigned left_ms)
{
	struct ask *a = bed_prepare(c->b);

	ask_method(a, method);
	a->q.priority = priority;
	a->q.deadline_ns = loop_now(&bed_env(c->b)->loop) + left_ms * CLOCK_MS;
	return a;
}

static void
begin(struct crowd *c, struct ask *a, unsigned server)
{
	ck_assert_int_eq(ask_start(a), 0);
	bed_turn(c->b);
	if (c->fd[server] < 0)
		c->fd[server] = bed_accept_at(c->b, server);
	bed_expect(c->b, c->fd[server], "");
}

/* One that is never asked twice. */
static struct ask *
begin_hog(struct crowd *c, unsigned server)
{
	struct ask *a = ask_as(c, "POST", CLASS_NORMAL, 60000);

	begin(c, a, server);
	return a;
}

/* An answer is known to take 100 ms. */
static void
open_crowd(struct crowd *c)
{
	*c = (struct crowd){ .b = bed_open_servers_for(section, "", BED_PASSED, 2),
			     .fd = { -1, -1 } };
	bed_freeze(c->b);
	for (unsigned i = 0; i < 4; i++) {
		struct ask *a = begin_hog(c, i % 2);

		bed_pass(c->b, 100);
		bed_say_ok(c->b, c->fd[i % 2]);
		bed_await(c->b, a);
		c->sheds = c->series;
		a->q.lease->sheds = &c->sheds;
	}
}

static void
close_crowd(struct crowd *c)
{
	bed_hang_up(c->fd[0]);
	bed_hang_up(c->fd[1]);
	bed_close(c->b);
}

static unsigned
refused(struct crowd *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < UPSTREAM_LIMITS; i++)
		n += (unsigned)c->series[i].enforced;
	return n;
}

START_TEST(one_that_loses_its_place_in_line_is_no_refusal)
{
	bool is_evicted = _i == 0;
	struct crowd c;
	struct ask *hog, *hedged;

	open_crowd(&c);
	hog = begin_hog(&c, 0);
	hedged = ask_as(&c, "GET", CLASS_SHEDDABLE, 400);
	begin(&c, hedged, 1);
	bed_pass(c.b, 50);
	bed_turn(c.b);
	ck_assert_uint_eq(bed_count(c.b, COUNTER_UPSTREAM_HEDGED), 1);
	ck_assert_uint_eq(bed_admitted(c.b), 3);
	if (is_evicted) {
		ck_assert_int_eq(ask_start(ask_as(&c, "POST", CLASS_CRITICAL, 60000)), 0);
	} else {
		bed_pass(c.b, 300);
		bed_say_ok(c.b, c.fd[0]);
		bed_await(c.b, hog);
	}
	bed_turn(c.b);
	ck_assert_uint_eq(bed_admitted(c.b), is_evicted ? 3 : 1);
	ck_assert_uint_eq(refused(&c), 0);
	ck_assert_ptr_null(hedged->q.refusal.limit);
	bed_say_ok(c.b, c.fd[1]);
	bed_await(c.b, hedged);
	ck_assert_int_eq(hedged->err, 0);
	close_crowd(&c);
}
END_TEST

Suite *
suite_source_upstream_hedge(void)
{
	Suite *s = suite_create("source_upstream_hedge");
	TCase *t = tcase_create("hedge");

	tcase_add_test(t, a_second_attempt_is_paid_for);
	tcase_add_test(t, one_that_cannot_be_made_costs_nothing);
	tcase_add_loop_test(t, one_that_loses_its_place_in_line_is_no_refusal, 0, 2);
	suite_add_tcase(s, t);
	return s;
}
