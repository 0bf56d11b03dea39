/*
 * The long run of stations against the balance equations solved by elimination,
 * Erlang's formulas, and the sums of the textbook.
 */
#include "planner/crowd.h"

#include "planner/erlang.h"

#include <check.h>
#include <math.h>
#include <string.h>

Suite *suite_planner_crowd(void);

enum { STATES = 24 };

/* Row n of the balance: what leaves n less what enters it, by rates alone. */
static void
fill_balance(double m[STATES][STATES + 1], const struct station *s, unsigned last)
{
	double end = 1 / s->service_s;

	memset(m, 0, sizeof(double[STATES][STATES + 1]));
	for (unsigned n = 0; n <= last; n++) {
		unsigned busy = n < s->servers ? n : s->servers;

		m[n][n] += busy * end;
		if (n > 0)
			m[n - 1][n] -= busy * end;
		if (n + s->fan > last)
			continue;
		m[n][n] += s->rate;
		m[n + s->fan][n] -= s->rate;
	}
	/* One equation follows from the others: shares make 1 instead. */
	for (unsigned n = 0; n <= last; n++)
		m[last][n] = 1;
	m[last][last + 1] = 1;
}

static void
solve(double m[STATES][STATES + 1], unsigned n, double x[STATES])
{
	for (unsigned i = 0; i < n; i++) {
		unsigned best = i;

		for (unsigned k = i + 1; k < n; k++)
			best = fabs(m[k][i]) > fabs(m[best][i]) ? k : best;
		for (unsigned j = 0; j <= n; j++) {
			double held = m[i][j];

			m[i][j] = m[best][j];
			m[best][j] = held;
		}
		for (unsigned k = 0; k < n; k++) {
			double factor = k == i ? 0 : m[k][i] / m[i][i];

			for (unsigned j = i; j <= n; j++)
				m[k][j] -= factor * m[i][j];
		}
	}
	for (unsigned i = 0; i < n; i++)
		x[i] = m[i][n] / m[i][i];
}

START_TEST(shares_solve_the_balance_equations)
{
	static const struct station cases[] = {
		{ 10, 0.1, 1, 4, 1, true, 0 }, { 10, 0.1, 1, 1, 1, true, 9 },
		{ 40, 0.1, 1, 4, 1, true, 6 }, { 90, 0.1, 1, 4, 1, true, 12 },
		{ 10, 0.1, 1, 4, 2, true, 3 }, { 10, 0.1, 1, 4, 3, true, 8 },
		{ 70, 0.1, 1, 3, 4, true, 9 }, { 5, 0.1, 1, 2, 5, true, 3 },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct station *s = &cases[i];
		unsigned last = s->servers + s->slots;
		double m[STATES][STATES + 1], x[STATES], refused = 0;
		struct crowd c;

		fill_balance(m, s, last);
		solve(m, last + 1, x);
		ck_assert(crowd_init(&c, s) == 0);
		ck_assert(c.states == last + 1);
		for (unsigned n = 0; n <= last; n++) {
			ck_assert_msg(fabs(c.share[n] - x[n]) < 1e-13, "case %u: share of %u", i,
				      n);
			refused += n + s->fan > last ? x[n] : 0;
		}
		ck_assert_double_eq_tol(c.refused, refused, 1e-13);
		crowd_fini(&c);
	}
}
END_TEST

START_TEST(no_place_to_wait_is_erlang_b)
{
	for (unsigned servers = 1; servers <= 2000; servers = servers * 3 + 1) {
		struct station s = { 9.0 * servers, 0.1, 1, servers, 1, true, 0 };
		struct crowd c;

		ck_assert(crowd_init(&c, &s) == 0);
		ck_assert_double_eq_tol(c.refused, erlang_b(0.9 * servers, servers), 1e-12);
		crowd_fini(&c);
	}
}
END_TEST

/* Jobs that wait, on average over time. */
static double
waiting_in(const struct crowd *c)
{
	double sum = 0;

	for (size_t n = c->states; n-- > c->station.servers;)
		sum += (double)(n - c->station.servers) * c->share[n];
	return sum;
}

START_TEST(no_bound_is_erlang_c)
{
	static const unsigned servers[] = { 1, 4, 50, 1000 };

	for (unsigned i = 0; i < 4; i++) {
		struct station s = { 8.0 * servers[i], 0.1, 1, servers[i], 1, false, 0 };
		double waits = erlang_c(0.8 * servers[i], servers[i]);
		struct curve wait;
		struct crowd c;

		ck_assert(crowd_init(&c, &s) == 0);
		ck_assert(crowd_wait(&c, &wait) == 0);
		ck_assert_double_eq_tol(wait.left[0], waits, 1e-10);
		ck_assert_double_eq_tol(curve_mean(&wait), waits / (2.0 * servers[i]), 1e-10);
		for (double t = 0.01; t < 1; t *= 2)
			ck_assert_double_eq_tol(curve_over(&wait, t),
						waits * exp(-2.0 * servers[i] * t), 1e-10);
		/* Little: what waits is what comes, times how long. */
		ck_assert_double_eq_tol(waiting_in(&c), s.rate * curve_mean(&wait), 1e-8);
		curve_fini(&wait);
		crowd_fini(&c);
	}
}
END_TEST

/* sum q(n) sum e^-x x^j/j!, as the textbook has it. */
static double
over_by_sums(const struct crowd *c, double t)
{
	double x = c->station.servers / c->station.service_s * t, sum = 0;

	for (size_t n = c->station.servers; n < c->found; n++) {
		double term = exp(-x), inner = 0;

		for (size_t j = 0; j <= n - c->station.servers; j++) {
			inner += term;
			term *= x / (double)(j + 1);
		}
		sum += crowd_found(c, n) * inner;
	}
	return sum;
}

START_TEST(wait_of_a_bounded_queue_equals_its_sums)
{
	static const double rates[] = { 10, 39, 40, 41, 120 };

	for (unsigned i = 0; i < 5; i++) {
		struct station s = { rates[i], 0.1, 1, 4, 1, true, 15 };
		struct curve wait;
		struct crowd c;

		ck_assert(crowd_init(&c, &s) == 0);
		ck_assert(crowd_wait(&c, &wait) == 0);
		for (double t = 0; t < 1; t += 0.07)
			ck_assert_double_eq_tol(curve_over(&wait, t), over_by_sums(&c, t), 1e-12);
		curve_fini(&wait);
		crowd_fini(&c);
	}
}
END_TEST

START_TEST(more_room_refuses_less_and_makes_longer_waits)
{
	double refused = 1, mean = -1;

	for (unsigned slots = 0; slots <= 100000; slots = slots * 2 + 1) {
		struct station s = { 1100, 0.02, 1, 20, 1, true, slots };
		struct curve wait;
		struct crowd c;

		ck_assert(crowd_init(&c, &s) == 0);
		ck_assert(crowd_wait(&c, &wait) == 0);
		ck_assert_msg(c.refused <= refused * (1 + 1e-12), "%u slots", slots);
		ck_assert_msg(curve_mean(&wait) > mean, "%u slots", slots);
		refused = c.refused;
		mean = curve_mean(&wait);
		curve_fini(&wait);
		crowd_fini(&c);
	}
	ck_assert_double_eq_tol(refused, 1 - 1 / 1.1, 1e-9);
}
END_TEST

START_TEST(what_has_no_long_run_is_refused)
{
	struct station full = { 40, 0.1, 1, 4, 1, false, 0 };
	struct station never = { 1, 0.1, 1, 2, 4, true, 1 };
	struct crowd c;

	ck_assert(crowd_init(&c, &full) == ERR_SHED);
	ck_assert(crowd_init(&c, &never) == ERR_ARGUMENT);
	never.slots = 2;
	ck_assert(crowd_init(&c, &never) == 0);
	crowd_fini(&c);
}
END_TEST

Suite *
suite_planner_crowd(void)
{
	Suite *s = suite_create("planner_crowd");
	TCase *c = tcase_create("crowd");

	tcase_add_test(c, shares_solve_the_balance_equations);
	tcase_add_test(c, no_place_to_wait_is_erlang_b);
	tcase_add_test(c, no_bound_is_erlang_c);
	tcase_add_test(c, wait_of_a_bounded_queue_equals_its_sums);
	tcase_add_test(c, more_room_refuses_less_and_makes_longer_waits);
	tcase_add_test(c, what_has_no_long_run_is_refused);
	suite_add_tcase(s, c);
	return s;
}
