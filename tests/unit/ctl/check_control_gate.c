/*
 * The gate under a load that `forebayctl plan` was given: what is known of it
 * from elsewhere.
 */
#include "ctl/control_gate.h"

#include "planner/erlang.h"

#include <check.h>
#include <math.h>

Suite *suite_ctl_control_gate(void);

/* Two threads, jobs of 20 ms, a deadline of 500 ms: the table of the tests' own simulator. */
static const struct {
	double load, useful;
} table[] = {
	{ 0.8, 0.79 },
	{ 1.2, 0.98 },
	{ 2, 1 },
	{ 10, 1 },
};

START_TEST(useful_work_at_every_load_is_that_of_the_table)
{
	struct station s = {
		.rate = table[_i].load * 100, .service_s = 0.02, .cv = 1, .servers = 2, .fan = 1
	};
	struct control_gate g = { .order = ORDER_ADAPTIVE, .max_queue = 256 };
	double all;

	ck_assert_int_eq(control_gate_run(&g, &s, 0.5, 7), 0);
	ck_assert_double_eq_tol(g.useful.mean, table[_i].useful, 0.03);
	ck_assert(g.useful.error < 0.03);
	all = g.in_time.mean + g.late.mean + g.dropped.mean + g.refused.mean;
	ck_assert_double_eq_tol(all, 1, 0.01);
	if (table[_i].load > 1)
		ck_assert_double_ge(g.refused.mean, 1 - 1 / table[_i].load - 0.02);
}
END_TEST

/* Nobody may wait, and nobody is late: what is refused is Erlang's, whatever the service. */
START_TEST(without_a_queue_it_refuses_what_erlang_says)
{
	struct station s = { .rate = 200, .service_s = 0.02, .cv = 0.5, .servers = 5, .fan = 1 };
	struct control_gate g = { .order = ORDER_FIFO, .max_queue = 0 };

	ck_assert_int_eq(control_gate_run(&g, &s, 1000, 3), 0);
	ck_assert_double_eq_tol(g.refused.mean, erlang_b(4, 5), 2 * g.refused.error);
	ck_assert_double_eq_tol(g.useful.mean, 0.8 * (1 - erlang_b(4, 5)), 2 * g.useful.error);
	ck_assert(g.late.mean == 0 && g.dropped.mean == 0);
}
END_TEST

/* A batch is in time when the last of its jobs is. */
START_TEST(a_request_is_all_of_its_jobs)
{
	struct station s = { .rate = 1, .service_s = 0.02, .cv = 1, .servers = 50, .fan = 4 };
	struct control_gate g = { .order = ORDER_FIFO, .max_queue = 100 };

	ck_assert_int_eq(control_gate_run(&g, &s, 0.06, 3), 0);
	ck_assert_double_eq_tol(g.in_time.mean, pow(1 - exp(-3), 4), 2 * g.in_time.error + 0.002);
	ck_assert(g.refused.mean == 0);
}
END_TEST

START_TEST(what_takes_too_long_is_refused)
{
	struct station s = { .rate = 1e-6, .service_s = 0.02, .cv = 1, .servers = 2, .fan = 4 };
	struct control_gate g = { .order = ORDER_ADAPTIVE, .max_queue = 10 };

	ck_assert_int_eq(control_gate_run(&g, &s, 0.5, 3), ERR_TOO_LARGE);
	s.rate = 1e6;
	ck_assert_int_eq(control_gate_run(&g, &s, 0.5, 3), ERR_TOO_LARGE);
	g.max_queue = 1;
	ck_assert_int_eq(control_gate_run(&g, &s, 0.5, 3), ERR_ARGUMENT);
}
END_TEST

Suite *
suite_ctl_control_gate(void)
{
	Suite *s = suite_create("ctl_control_gate");
	TCase *t = tcase_create("gate");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, useful_work_at_every_load_is_that_of_the_table, 0,
			    sizeof(table) / sizeof(table[0]));
	tcase_add_test(t, without_a_queue_it_refuses_what_erlang_says);
	tcase_add_test(t, a_request_is_all_of_its_jobs);
	tcase_add_test(t, what_takes_too_long_is_refused);
	suite_add_tcase(s, t);
	return s;
}
