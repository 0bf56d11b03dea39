/*
 * Waiting for a connection: who is let wait, who is next, and who is told no.
 */
#include "base/clock.h"
#include "base/random.h"
#include "source/wait.h"

#include <check.h>
#include <string.h>

Suite *suite_source_wait(void);

enum { CLIENTS = 16, PARTS = 2, MAX_PENDING = 4 };

static const uint64_t ms = CLOCK_MS;

struct client {
	struct wait wait;
	struct subrequest q;
};

struct bench {
	struct env env;
	struct lease lease;
	struct source source;
	struct part part[PARTS];
	struct pool_gate gate;
	struct wait_line line;
	struct shed_series shed[WAIT_LIMITS], *sheds[1];
	struct client client[CLIENTS];
	unsigned clients;
	struct wait *evicted;
};

static struct wait *
wait_of(const struct subrequest *q)
{
	return &((struct client *)q->state)->wait;
}

static void
on_evict(struct wait_line *l, struct wait *w)
{
	CONTAINER_OF(l, struct bench, line)->evicted = w;
}

static const struct wait_ops ops = { .of = wait_of, .evict = on_evict };
static const char *const limits[] = { "t.max_pending", "t.wait", "t.standing", "t.priority",
				      "t.deadline" };

static void
set_up_as(struct bench *b, unsigned places, enum gate_order order)
{
	memset(b, 0, sizeof(*b));
	b->sheds[0] = b->shed;
	b->env.loop.now_ns = CLOCK_SEC;
	b->lease = (struct lease){ .env = &b->env, .sheds = b->sheds };
	b->source = (struct source){ .limit = limits, .limits = WAIT_LIMITS, .parts = PARTS };
	b->line.ops = &ops;
	random_init(&b->env.random, 1);
	for (unsigned i = 0; i < PARTS; i++)
		b->part[i] = (struct part){ .source = &b->source, .number = i };
	gate_init(&b->gate, order);
	b->gate.is_lone = true;
	gate_set_queue(&b->gate, MAX_PENDING, 0);
	ck_assert_int_eq(wait_line_init(&b->line, &b->gate, false, &b->source, &b->lease), 0);
	wait_line_set(&b->line, places);
}

static void
set_up(struct bench *b, unsigned places)
{
	set_up_as(b, places, ORDER_ADAPTIVE);
}

static void
tear_down(struct bench *b)
{
	for (unsigned i = 0; i < b->clients; i++)
		wait_end(&b->line, &b->client[i].wait, 0, true);
	ck_assert_uint_eq(b->gate.admitted, 0);
	ck_assert_uint_eq(b->gate.waiting, 0);
	ck_assert_uint_eq(b->gate.promised, 0);
	ck_assert_uint_eq(b->gate.running_ns, 0);
	ck_assert_uint_eq(b->line.filed + b->line.lent, 0);
	for (unsigned i = 0; i < CLASSES; i++) {
		ck_assert_uint_eq(b->gate.line[i].jobs, 0);
		ck_assert_uint_eq(b->gate.line[i].work_ns, 0);
	}
	wait_line_fini(&b->line);
}

static struct client *
prepare(struct bench *b, enum gate_class priority, uint64_t left_ms)
{
	struct client *c = &b->client[b->clients++];

	ck_assert_uint_le(b->clients, CLIENTS);
	*c = (struct client){ .q = { .part = &b->part[0],
				     .priority = priority,
				     .deadline_ns = b->env.loop.now_ns + left_ms * ms,
				     .state = c } };
	return c;
}

static int
reserve(struct bench *b, struct client *c)
{
	struct subrequest *q = &c->q;
	int err = wait_reserve(&b->line, &q, 1);

	if (!err && c->wait.stage == WAIT_RESERVED)
		wait_file(&b->line, &c->wait, &c->q);
	return err;
}

/* One that is let in. */
static struct client *
ask(struct bench *b, enum gate_class priority, uint64_t left_ms)
{
	struct client *c = prepare(b, priority, left_ms);

	ck_assert_int_eq(reserve(b, c), 0);
	return c;
}

static const char *
refusal(struct bench *b, enum gate_class priority, uint64_t left_ms)
{
	struct client *c = prepare(b, priority, left_ms);

	ck_assert_int_eq(reserve(b, c), ERR_SHED);
	ck_assert_uint_ge(c->q.refusal.retry_after_s, 1);
	return c->q.refusal.limit;
}

/* Connections have been held for so long, again and again. */
static void
learn(struct bench *b, uint64_t held_ms)
{
	struct client *c = prepare(b, CLASS_NORMAL, 1000);

	for (unsigned i = 0; i < 200; i++) {
		ck_assert_int_eq(reserve(b, c), 0);
		wait_begin(&b->line, &c->wait);
		wait_end(&b->line, &c->wait, held_ms * ms, false);
	}
}

static void
end(struct bench *b, struct client *c, uint64_t held_ms)
{
	wait_begin(&b->line, &c->wait);
	wait_end(&b->line, &c->wait, held_ms * ms, false);
}

static void
pass(struct bench *b, uint64_t some_ms)
{
	b->env.loop.now_ns += some_ms * ms;
}

static bool
is_next(struct bench *b, struct client *c)
{
	bool is = wait_first(&b->line) == &c->wait;

	wait_begin(&b->line, &c->wait);
	return is;
}

/* --- who is let wait ----------------------------------------------------------------- */

START_TEST(while_places_are_free_everybody_runs_and_nothing_is_put_in_order)
{
	struct bench b;

	set_up(&b, 2);
	learn(&b, 500);
	/* Hopeless by all that is known, which may be wrong. */
	ck_assert_int_eq(ask(&b, CLASS_SHEDDABLE, 10)->wait.stage, WAIT_RUNNING);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, 10)->wait.stage, WAIT_RUNNING);
	ck_assert_uint_eq(b.line.filed, 0);
	tear_down(&b);
}
END_TEST

START_TEST(who_would_not_be_in_time_is_refused_at_once)
{
	struct bench b;

	set_up(&b, 1);
	learn(&b, 100);
	ask(&b, CLASS_NORMAL, 1000);
	ck_assert_str_eq(refusal(&b, CLASS_NORMAL, 150), "t.wait");
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, 250)->wait.stage, WAIT_FILED);
	ck_assert_uint_eq(b.shed[WAIT_TIME].enforced, 1);
	tear_down(&b);
}
END_TEST

START_TEST(what_was_slow_once_is_learned_anew)
{
	struct bench b;

	set_up(&b, 1);
	learn(&b, 5000);
	ask(&b, CLASS_NORMAL, 1000);
	ck_assert_str_eq(refusal(&b, CLASS_NORMAL, 1000), "t.wait");
	wait_end(&b.line, &b.client[1].wait, 10 * ms, false);
	for (unsigned i = 0; i < 3; i++)
		learn(&b, 10);
	ask(&b, CLASS_NORMAL, 1000);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, 1000)->wait.stage, WAIT_FILED);
	tear_down(&b);
}
END_TEST

START_TEST(no_more_wait_than_may_and_of_a_fan_out_all_or_none)
{
	struct bench b;
	struct subrequest *q[3];

	set_up(&b, 1);
	for (unsigned i = 0; i < 3; i++)
		ask(&b, CLASS_NORMAL, 1000);
	for (unsigned i = 0; i < 3; i++)
		q[i] = &prepare(&b, CLASS_NORMAL, 1000)->q;
	ck_assert_int_eq(wait_reserve(&b.line, q, 3), ERR_SHED);
	ck_assert_str_eq(q[2]->refusal.limit, "t.max_pending");
	ck_assert_uint_eq(b.shed[WAIT_QUEUE].enforced, 1);
	ck_assert_int_eq(wait_reserve(&b.line, q, 2), 0);
	ck_assert_str_eq(refusal(&b, CLASS_NORMAL, 1000), "t.max_pending");
	tear_down(&b);
}
END_TEST

/* One more of a fan-out, which waits for others. */
static struct client *
prepare_later(struct bench *b, uint64_t left_ms)
{
	struct client *c = prepare(b, CLASS_NORMAL, left_ms);

	c->q.is_later = true;
	return c;
}

START_TEST(who_comes_later_leaves_the_places_to_who_comes_now)
{
	struct bench b;
	struct client *first, *later[MAX_PENDING + 1];

	set_up(&b, 1);
	for (unsigned i = 0; i < MAX_PENDING + 1; i++) {
		later[i] = prepare_later(&b, 1000);
		ck_assert_int_eq(reserve(&b, later[i]), 0);
		ck_assert_int_eq(later[i]->wait.stage, WAIT_PROMISED);
	}
	ck_assert_uint_eq(b.gate.admitted, 0);
	first = ask(&b, CLASS_NORMAL, 1000);
	ck_assert_int_eq(first->wait.stage, WAIT_RUNNING);
	for (unsigned i = 0; i < MAX_PENDING; i++)
		ask(&b, CLASS_NORMAL, 1000);
	/* What was promised is kept, though the queue is full. */
	pass(&b, 100);
	wait_start(&b.line, &later[0]->wait, &later[0]->q);
	wait_start(&b.line, &later[0]->wait, &later[0]->q);
	ck_assert_int_eq(later[0]->wait.stage, WAIT_RESERVED);
	ck_assert_uint_eq(b.gate.admitted, MAX_PENDING + 2);
	wait_file(&b.line, &later[0]->wait, &later[0]->q);
	end(&b, first, 10);
	ck_assert_uint_eq(cost_delay(&b.line.cost[0].hold), 100 * ms);
	tear_down(&b);
	ck_assert_uint_eq(b.gate.promised, 0);
}
END_TEST

START_TEST(a_fan_out_of_now_and_later_is_let_in_as_one)
{
	struct bench b;
	struct client *now, *later;
	struct subrequest *q[2];

	set_up(&b, 1);
	learn(&b, 100);
	cost_learn_delay(&b.line.cost[0].hold, 500 * ms);
	ask(&b, CLASS_NORMAL, 1000);
	later = prepare_later(&b, 520);
	now = prepare(&b, CLASS_NORMAL, 1000);
	q[0] = &later->q;
	q[1] = &now->q;
	/* The later one would not be in time: the other gives its place back. */
	ck_assert_int_eq(wait_reserve(&b.line, q, 2), ERR_SHED);
	ck_assert_str_eq(q[0]->refusal.limit, "t.wait");
	ck_assert_str_eq(q[1]->refusal.limit, "t.wait");
	ck_assert_int_eq(now->wait.stage, WAIT_NONE);
	ck_assert_uint_eq(b.gate.admitted, 1);
	later->q.deadline_ns += 2000 * ms;
	ck_assert_int_eq(wait_reserve(&b.line, q, 2), 0);
	ck_assert_int_eq(later->wait.stage, WAIT_PROMISED);
	ck_assert_int_eq(now->wait.stage, WAIT_RESERVED);
	tear_down(&b);
}
END_TEST

START_TEST(a_higher_class_takes_the_place_of_the_last_of_a_lower_one)
{
	struct bench b;
	struct client *late;

	set_up(&b, 1);
	ask(&b, CLASS_NORMAL, 1000);
	ask(&b, CLASS_SHEDDABLE, 500);
	late = ask(&b, CLASS_SHEDDABLE, 900);
	ask(&b, CLASS_SHEDDABLE, 600);
	ask(&b, CLASS_NORMAL, 1000);
	ck_assert_int_eq(ask(&b, CLASS_CRITICAL, 1000)->wait.stage, WAIT_FILED);
	ck_assert_ptr_eq(b.evicted, &late->wait);
	ck_assert_int_eq(late->wait.stage, WAIT_NONE);
	ck_assert_str_eq(refusal(&b, CLASS_SHEDDABLE, 1000), "t.max_pending");
	tear_down(&b);
}
END_TEST

START_TEST(shadow_counts_and_lets_in)
{
	struct bench b;

	set_up(&b, 1);
	b.source.is_shadow = true;
	learn(&b, 100);
	ask(&b, CLASS_NORMAL, 1000);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, 150)->wait.stage, WAIT_FILED);
	ck_assert_uint_eq(b.shed[WAIT_TIME].enforced, 0);
	ck_assert_uint_eq(b.shed[WAIT_TIME].spared, 1);
	tear_down(&b);
}
END_TEST

/* The deadline of what is passed through is for its head, however long its body takes. */
START_TEST(a_long_body_is_no_reason_to_refuse)
{
	struct bench b;
	struct client *c;

	set_up(&b, 1);
	b.part[0].passes_through = true;
	for (unsigned i = 0; i < 100; i++) {
		c = ask(&b, CLASS_NORMAL, 1000);
		wait_begin(&b.line, &c->wait);
		wait_answered(&c->wait, 5 * ms);
		wait_end(&b.line, &c->wait, 900 * ms, false);
		b.clients = 0;
	}
	ask(&b, CLASS_NORMAL, 1000);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, 1000)->wait.stage, WAIT_FILED);
	ck_assert_str_eq(refusal(&b, CLASS_NORMAL, 800), "t.wait");
	tear_down(&b);
}
END_TEST

START_TEST(parts_are_told_apart)
{
	struct bench b;
	struct client *c;

	set_up(&b, 1);
	learn(&b, 10);
	for (unsigned i = 0; i < 300; i++) {
		c = prepare(&b, CLASS_NORMAL, 9000);
		c->q.part = &b.part[1];
		ck_assert_int_eq(reserve(&b, c), 0);
		end(&b, c, 2000);
		b.clients = 0;
	}
	ask(&b, CLASS_NORMAL, 1000);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, 1500)->wait.stage, WAIT_FILED);
	c = prepare(&b, CLASS_NORMAL, 1500);
	c->q.part = &b.part[1];
	ck_assert_int_eq(reserve(&b, c), ERR_SHED);
	tear_down(&b);
}
END_TEST

/* --- who is next ------------------------------------------------------------------------ */

START_TEST(classes_come_before_deadlines_and_deadlines_before_coming)
{
	struct bench b;
	struct client *late, *soon, *sheddable, *critical;

	set_up(&b, 1);
	ask(&b, CLASS_NORMAL, 1000);
	sheddable = ask(&b, CLASS_SHEDDABLE, 100);
	late = ask(&b, CLASS_NORMAL, 900);
	soon = ask(&b, CLASS_NORMAL, 500);
	critical = ask(&b, CLASS_CRITICAL, 1000);
	ck_assert(is_next(&b, critical));
	ck_assert(is_next(&b, soon));
	ck_assert(is_next(&b, late));
	ck_assert(is_next(&b, sheddable));
	tear_down(&b);
}
END_TEST

START_TEST(fifo_is_in_order_of_coming)
{
	struct bench b;
	struct client *first, *second;

	set_up_as(&b, 1, ORDER_FIFO);
	ask(&b, CLASS_NORMAL, 1000);
	first = ask(&b, CLASS_SHEDDABLE, 1000);
	second = ask(&b, CLASS_CRITICAL, 500);
	ck_assert(is_next(&b, first));
	ck_assert(is_next(&b, second));
	tear_down(&b);
}
END_TEST

START_TEST(who_has_waited_before_is_the_first_of_its_class)
{
	struct bench b;
	struct client *again;

	set_up(&b, 1);
	again = ask(&b, CLASS_NORMAL, 1000);
	ask(&b, CLASS_NORMAL, 100);
	wait_begin(&b.line, &again->wait);
	wait_return(&b.line, &again->wait, &again->q);
	wait_file(&b.line, &again->wait, &again->q);
	ck_assert(is_next(&b, again));
	tear_down(&b);
}
END_TEST

START_TEST(waiting_may_make_hopeless_but_a_moved_deadline_does_not)
{
	struct bench b;
	struct client *c;

	set_up(&b, 1);
	learn(&b, 100);
	ask(&b, CLASS_NORMAL, 1000);
	c = ask(&b, CLASS_NORMAL, 300);
	ck_assert(!wait_is_hopeless(&b.line, &c->wait, &c->q));
	pass(&b, 250);
	ck_assert(wait_is_hopeless(&b.line, &c->wait, &c->q));
	c->q.deadline_ns += CLOCK_SEC;
	ck_assert(!wait_is_hopeless(&b.line, &c->wait, &c->q));
	tear_down(&b);
}
END_TEST

/* --- what is learned ----------------------------------------------------------------------- */

START_TEST(one_that_takes_for_ever_does_not_spoil_the_average)
{
	struct bench b;

	set_up(&b, 1);
	learn(&b, 10);
	end(&b, ask(&b, CLASS_NORMAL, 1000), 600000);
	ck_assert_uint_le(cost_mean(&b.line.cost[0].hold), 12 * ms);
	/* When all do, it is learned. */
	learn(&b, 1000);
	ck_assert_uint_ge(cost_mean(&b.line.cost[0].hold), 800 * ms);
	tear_down(&b);
}
END_TEST

START_TEST(what_is_lent_is_one_place_less_and_teaches_nothing)
{
	struct bench b;
	struct client *tunnel;

	set_up(&b, 2);
	learn(&b, 10);
	tunnel = ask(&b, CLASS_NORMAL, 1000);
	wait_begin(&b.line, &tunnel->wait);
	wait_lend(&b.line, &tunnel->wait);
	ck_assert_uint_eq(b.gate.threads, 1);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, 1000)->wait.stage, WAIT_RUNNING);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, 1000)->wait.stage, WAIT_FILED);
	wait_end(&b.line, &tunnel->wait, 3600000 * ms, false);
	ck_assert_uint_eq(b.gate.threads, 2);
	ck_assert_uint_le(cost_mean(&b.line.cost[0].hold), 10 * ms);
	tear_down(&b);
}
END_TEST

START_TEST(where_all_are_lent_only_so_many_wait)
{
	struct bench b;
	struct client *tunnel;

	set_up(&b, 1);
	gate_set_queue(&b.gate, 0, 0);
	tunnel = ask(&b, CLASS_NORMAL, 1000);
	wait_begin(&b.line, &tunnel->wait);
	wait_lend(&b.line, &tunnel->wait);
	ck_assert_str_eq(refusal(&b, CLASS_NORMAL, 1000), "t.max_pending");
	tear_down(&b);
}
END_TEST

/* --- lines that share a gate --------------------------------------------------------------- */

START_TEST(what_others_have_in_line_is_taken_to_be_alike)
{
	struct bench b;
	struct wait_line other = { .ops = &ops };
	struct client *c;

	set_up(&b, 1);
	b.line.queue.is_part = true;
	ck_assert_int_eq(wait_line_init(&other, &b.gate, true, &b.source, &b.lease), 0);
	learn(&b, 100);
	ask(&b, CLASS_NORMAL, 3000);
	/* One here and one there, both behind. */
	ask(&b, CLASS_NORMAL, 3000);
	c = prepare(&b, CLASS_NORMAL, 3000);
	ck_assert_int_eq(wait_reserve(&other, (struct subrequest *[]){ &c->q }, 1), 0);
	wait_file(&other, &c->wait, &c->q);
	/* Before both it is in time. */
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, 250)->wait.stage, WAIT_FILED);
	wait_end(&other, &c->wait, 0, true);
	wait_line_fini(&other);
	tear_down(&b);
}
END_TEST

Suite *
suite_source_wait(void)
{
	Suite *s = suite_create("source_wait");
	TCase *t = tcase_create("wait");

	tcase_add_test(t, while_places_are_free_everybody_runs_and_nothing_is_put_in_order);
	tcase_add_test(t, who_would_not_be_in_time_is_refused_at_once);
	tcase_add_test(t, what_was_slow_once_is_learned_anew);
	tcase_add_test(t, no_more_wait_than_may_and_of_a_fan_out_all_or_none);
	tcase_add_test(t, who_comes_later_leaves_the_places_to_who_comes_now);
	tcase_add_test(t, a_fan_out_of_now_and_later_is_let_in_as_one);
	tcase_add_test(t, a_higher_class_takes_the_place_of_the_last_of_a_lower_one);
	tcase_add_test(t, shadow_counts_and_lets_in);
	tcase_add_test(t, a_long_body_is_no_reason_to_refuse);
	tcase_add_test(t, parts_are_told_apart);
	tcase_add_test(t, classes_come_before_deadlines_and_deadlines_before_coming);
	tcase_add_test(t, fifo_is_in_order_of_coming);
	tcase_add_test(t, who_has_waited_before_is_the_first_of_its_class);
	tcase_add_test(t, waiting_may_make_hopeless_but_a_moved_deadline_does_not);
	tcase_add_test(t, one_that_takes_for_ever_does_not_spoil_the_average);
	tcase_add_test(t, what_is_lent_is_one_place_less_and_teaches_nothing);
	tcase_add_test(t, where_all_are_lent_only_so_many_wait);
	tcase_add_test(t, what_others_have_in_line_is_taken_to_be_alike);
	suite_add_tcase(s, t);
	return s;
}
