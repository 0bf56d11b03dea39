/*
 * The stall watch on a clock of its own: which turns become records, once, and
 * what is said of them.
 */
#include "server/stall_watch.h"

#include <check.h>

Suite *suite_server_stall_watch(void);

#define START CLOCK_SEC
#define LIMIT (50 * CLOCK_MS)

enum { WORKERS = 2 };

static struct stall_watch watch;
static struct stall_slot slots[WORKERS], self;
static struct stall_slot *const all[WORKERS] = { &slots[0], &slots[1] };
/* What the machine says; overs: how many records were complete. */
static uint64_t now, cpu_ns, waited_ns, throttled_ns;
static unsigned overs, looks_at_waits;

static uint64_t
cpu(const struct stall_slot *slot, void *argument)
{
	(void)argument;
	return slot == &slots[0] ? cpu_ns : 0;
}

static uint64_t
waited(const struct stall_slot *slot, void *argument)
{
	(void)slot;
	(void)argument;
	looks_at_waits++;
	return waited_ns;
}

static uint64_t
throttled(void *argument)
{
	(void)argument;
	return throttled_ns;
}

static void
name(struct stall *s, struct stall_where where, void *argument)
{
	char text[] = "route ?";

	(void)argument;
	text[6] = (char)('0' + where.route);
	stall_set_text(s->route, slice_of(text));
}

static void
over(const struct stall *s, void *argument)
{
	(void)s;
	(void)argument;
	overs++;
}

static const struct stall_senses senses = {
	.cpu = cpu,
	.waited = waited,
	.throttled = throttled,
	.name = name,
	.over = over,
};

static void
open_watch(void)
{
	now = START;
	cpu_ns = waited_ns = throttled_ns = 7;
	overs = looks_at_waits = 0;
	stall_watch_init(&watch, &senses, &self);
	for (unsigned i = 0; i < WORKERS; i++) {
		slots[i] = (struct stall_slot){ .thread = 1 };
		slots[i].turn = 5;
	}
}

/* When it wants to look again. */
static uint64_t
look(void)
{
	return stall_watch_look(&watch, all, WORKERS, LIMIT, now);
}

static void
pass(uint64_t ms)
{
	now += ms * CLOCK_MS;
}

/* Looks when it has asked to, for so long; of that the first worker computes this share. */
static void
look_for(uint64_t ms, uint64_t cpu_percent)
{
	uint64_t until = now + ms * CLOCK_MS, next = watch.due_ns > now ? watch.due_ns : look();

	while (next <= until) {
		cpu_ns += (next - now) * cpu_percent / 100;
		now = next;
		next = look();
	}
	now = until;
}

static uint64_t
mark_of(enum stall_at at, unsigned route)
{
	return stall_mark_of((struct stall_where){ .at = at, .generation = 1, .route = route });
}

static void
begin_turn(enum stall_at at, unsigned route, uint64_t request)
{
	stall_clock(&slots[0], now);
	stall_mark(&slots[0], mark_of(at, route), request);
}

static const struct stall *
only(void)
{
	ck_assert_uint_eq(watch.stalls.count, 1);
	return stalls_nth(&watch.stalls, 0);
}

static uint64_t
counted(enum counter id)
{
	return count_read(&watch.counters, id);
}

START_TEST(a_long_turn_is_one_record_however_often_it_is_looked_at)
{
	const struct stall *s;

	open_watch();
	look_for(200, 0);
	begin_turn(STALL_AT_REQUEST, 3, 0xab);
	look_for(300, 100);
	s = only();
	ck_assert(s->is_open && s->has_worker && s->worker == 0 && s->turn == 5);
	ck_assert(s->lasted_ns >= 290 * CLOCK_MS && s->lasted_ns <= 300 * CLOCK_MS);
	stall_turn_over(&slots[0]);
	look_for(300, 0);
	s = only();
	ck_assert(!s->is_open && s->kind == STALL_KIND_WORKER && s->cause == STALL_CAUSE_BUSY);
	ck_assert(s->lasted_ns >= 290 * CLOCK_MS && s->lasted_ns <= 310 * CLOCK_MS);
	ck_assert(s->at == STALL_AT_REQUEST && s->steady_ns >= 200 * CLOCK_MS);
	ck_assert_str_eq(s->route, "route 3");
	ck_assert_str_eq(s->request, "ab");
	ck_assert_uint_eq(counted(COUNTER_STALL_WORKER), 1);
	ck_assert_uint_eq(overs, 1);
}
END_TEST

START_TEST(short_turns_and_sleep_are_none)
{
	open_watch();
	for (unsigned i = 0; i < 40; i++) {
		begin_turn(STALL_AT_REQUEST, 1, i);
		look_for(45, 100);
		stall_turn_over(&slots[0]);
		look_for(i, 0);
	}
	look_for(100000, 0); /* asleep for long */
	ck_assert_uint_eq(watch.stalls.count, 0);
}
END_TEST

START_TEST(a_turn_just_above_the_limit_is_found_by_a_watch_that_was_idle)
{
	open_watch();
	for (unsigned offset = 0; offset < 50; offset += 7) {
		look_for(1000 + offset, 0);
		begin_turn(STALL_AT_REQUEST, 1, offset);
		look_for(61, 100);
		stall_turn_over(&slots[0]);
		look_for(20, 0);
	}
	ck_assert_uint_eq(watch.stalls.count, 8);
}
END_TEST

START_TEST(a_turn_that_ends_between_looks_ends_where_the_next_began)
{
	open_watch();
	begin_turn(STALL_AT_REQUEST, 1, 1);
	look_for(100, 100);
	pass(4);
	stall_turn_over(&slots[0]);
	begin_turn(STALL_AT_REQUEST, 2, 2);
	pass(5);
	(void)look();
	ck_assert_uint_eq(only()->lasted_ns, 104 * CLOCK_MS);
}
END_TEST

START_TEST(it_looks_often_only_while_somebody_is_awake)
{
	open_watch();
	ck_assert_uint_eq(look(), now + LIMIT);
	begin_turn(STALL_AT_MAIL, 0, 0);
	ck_assert_uint_eq(look(), now + STALL_FAST_MS * CLOCK_MS);
	ck_assert_uint_eq(stall_watch_look(&watch, all, WORKERS, 20 * CLOCK_MS, now),
			  now + 5 * CLOCK_MS);
	ck_assert_uint_eq(stall_watch_look(&watch, all, WORKERS, 0, now),
			  now + STALL_IDLE_MS * CLOCK_MS);
	stall_turn_over(&slots[0]);
	ck_assert_uint_eq(stall_watch_look(&watch, all, WORKERS, 3600 * CLOCK_SEC, now),
			  now + STALL_IDLE_MS * CLOCK_MS);
}
END_TEST

START_TEST(without_a_limit_no_turn_is_long)
{
	open_watch();
	begin_turn(STALL_AT_REQUEST, 1, 1);
	for (unsigned i = 0; i < 20; i++) {
		now = stall_watch_look(&watch, all, WORKERS, 0, now);
		cpu_ns += 100 * CLOCK_MS;
	}
	ck_assert_uint_eq(watch.stalls.count, 0);
}
END_TEST

static const struct {
	unsigned cpu_percent, waited_percent, throttled_percent;
	enum stall_kind kind;
	enum stall_cause cause;
} why[] = {
	{ 90, 5, 0, STALL_KIND_WORKER, STALL_CAUSE_BUSY },
	{ 60, 40, 40, STALL_KIND_WORKER, STALL_CAUSE_BUSY },
	{ 1, 0, 0, STALL_KIND_WORKER, STALL_CAUSE_BLOCKED },
	{ 20, 79, 0, STALL_KIND_STARVED, STALL_CAUSE_STARVED },
	{ 20, 79, 60, STALL_KIND_THROTTLED, STALL_CAUSE_THROTTLED },
};

START_TEST(wall_and_cpu_time_say_why)
{
	uint64_t until, step = 10 * CLOCK_MS;

	open_watch();
	begin_turn(STALL_AT_PART, 1, 1);
	for (until = now + 200 * CLOCK_MS; now < until; now += step) {
		(void)look();
		cpu_ns += step * why[_i].cpu_percent / 100;
		waited_ns += step * why[_i].waited_percent / 100;
		throttled_ns += step * why[_i].throttled_percent / 100;
	}
	stall_turn_over(&slots[0]);
	(void)look();
	ck_assert_int_eq(only()->cause, why[_i].cause);
	ck_assert_int_eq(only()->kind, why[_i].kind);
	ck_assert(only()->seen_ns > 0 && only()->cpu_ns <= only()->seen_ns);
}
END_TEST

START_TEST(what_it_was_at_for_longest_is_told)
{
	open_watch();
	begin_turn(STALL_AT_REQUEST, 1, 1);
	look_for(60, 100);
	stall_mark(&slots[0], mark_of(STALL_AT_PART, 2), 2);
	look_for(150, 100);
	stall_phase(&slots[0], STALL_AT_FLUSH);
	look_for(30, 100);
	ck_assert_str_eq(only()->route, "route 2");
	ck_assert(only()->at == STALL_AT_PART && only()->steady_ns < 170 * CLOCK_MS);
}
END_TEST

/* --- flows ------------------------------------------------------------------------------ */

static void
report(uint64_t began, uint64_t lasted_ns)
{
	const struct stall_report r = { .began_ns = began,
					.lasted_ns = lasted_ns,
					.name = "script" };

	stall_tell(&slots[0], &r);
}

START_TEST(a_flow_that_was_seen_and_reports_is_one_record)
{
	uint64_t began;

	open_watch();
	began = now;
	begin_turn(STALL_AT_FLOW, 4, 4);
	look_for(203, 100);
	ck_assert(only()->is_open && only()->kind == STALL_KIND_FLOW);
	ck_assert_str_eq(only()->what, "");
	report(began, 203 * CLOCK_MS);
	look_for(20, 100); /* the turn goes on, at something else */
	stall_turn_over(&slots[0]);
	look_for(100, 0);
	ck_assert(!only()->is_open && only()->lasted_ns == 203 * CLOCK_MS);
	ck_assert_str_eq(only()->what, "script");
	ck_assert(only()->cause == STALL_CAUSE_BUSY);
	ck_assert_uint_eq(counted(COUNTER_STALL_FLOW), 1);
	ck_assert_uint_eq(counted(COUNTER_STALL_WORKER), 0);
}
END_TEST

START_TEST(a_flow_that_nobody_saw_is_a_record_by_its_report)
{
	open_watch();
	begin_turn(STALL_AT_FLOW, 4, 4);
	report(now, 12 * CLOCK_MS);
	report(now, 13 * CLOCK_MS);
	stall_turn_over(&slots[0]);
	look_for(100, 0);
	ck_assert_uint_eq(watch.stalls.count, 2);
	ck_assert_uint_eq(counted(COUNTER_STALL_FLOW), 2);
	ck_assert_uint_eq(stalls_nth(&watch.stalls, 0)->lasted_ns, 13 * CLOCK_MS);
	ck_assert_str_eq(stalls_nth(&watch.stalls, 0)->route, "route 4");
	ck_assert(stalls_nth(&watch.stalls, 0)->cause == STALL_CAUSE_UNKNOWN);
}
END_TEST

START_TEST(the_rest_of_a_turn_behind_a_flow_may_be_a_stall_of_its_own)
{
	open_watch();
	begin_turn(STALL_AT_FLOW, 4, 4);
	report(now, 12 * CLOCK_MS);
	pass(12);
	stall_mark(&slots[0], mark_of(STALL_AT_PART, 1), 5);
	look_for(45, 100); /* 57 ms in all, of which 12 are told */
	ck_assert_uint_eq(watch.stalls.count, 1);
	look_for(45, 100);
	ck_assert_uint_eq(watch.stalls.count, 2);
	ck_assert_uint_eq(counted(COUNTER_STALL_WORKER), 1);
}
END_TEST

START_TEST(reports_without_room_are_counted_as_well)
{
	open_watch();
	for (unsigned i = 0; i < STALL_REPORTS + 5; i++)
		report(now, 12 * CLOCK_MS);
	(void)look();
	(void)look();
	ck_assert_uint_eq(counted(COUNTER_STALL_FLOW), STALL_REPORTS + 5);
	ck_assert_uint_eq(watch.stalls.count, STALL_REPORTS);
}
END_TEST

/* --- when nobody can look ------------------------------------------------------------------ */

START_TEST(a_time_when_nothing_could_run_is_told_by_who_was_late)
{
	open_watch();
	look_for(2000, 0);
	pass(200);
	throttled_ns += 180 * CLOCK_MS;
	(void)look();
	ck_assert(only()->kind == STALL_KIND_THROTTLED && !only()->has_worker);
	ck_assert(only()->lasted_ns >= 100 * CLOCK_MS && only()->lasted_ns <= 200 * CLOCK_MS);
	(void)look();
	look_for(2000, 0);
	pass(200);
	waited_ns += 190 * CLOCK_MS;
	(void)look();
	ck_assert_uint_eq(watch.stalls.count, 2);
	ck_assert(stalls_nth(&watch.stalls, 0)->kind == STALL_KIND_STARVED);
	look_for(2000, 0);
	pass(200); /* it had something else to do */
	(void)look();
	ck_assert_uint_eq(watch.stalls.count, 2);
	ck_assert_uint_eq(overs, 2);
}
END_TEST

START_TEST(a_turn_in_such_a_time_tells_it_alone)
{
	open_watch();
	look_for(2000, 0);
	begin_turn(STALL_AT_REQUEST, 1, 1);
	look_for(10, 100);
	pass(200);
	throttled_ns += 180 * CLOCK_MS;
	look_for(30, 100);
	ck_assert(only()->kind == STALL_KIND_THROTTLED && only()->has_worker);
	ck_assert(only()->lasted_ns >= 230 * CLOCK_MS);
	stall_turn_over(&slots[0]);
	look_for(100, 0);
	ck_assert_uint_eq(counted(COUNTER_STALL_THROTTLED), 1);
	ck_assert_uint_eq(counted(COUNTER_STALL_WORKER), 0);
}
END_TEST

/* --- cost ---------------------------------------------------------------------------------- */

START_TEST(a_busy_worker_with_short_turns_is_not_looked_into)
{
	open_watch();
	for (unsigned i = 0; i < 90; i++) {
		begin_turn(STALL_AT_REQUEST, 1, i);
		(void)look();
		stall_turn_over(&slots[0]);
		pass(10);
	}
	ck_assert_uint_le(looks_at_waits, 2);
}
END_TEST

START_TEST(one_that_never_ends_is_looked_into_less_and_less)
{
	open_watch();
	begin_turn(STALL_AT_REQUEST, 1, 1);
	look_for(60000, 100);
	ck_assert(only()->is_open && only()->lasted_ns >= 59 * CLOCK_SEC);
	ck_assert_uint_le(looks_at_waits, 120);
}
END_TEST

START_TEST(a_worker_that_ends_leaves_no_open_record)
{
	open_watch();
	begin_turn(STALL_AT_REQUEST, 1, 1);
	look_for(100, 100);
	ck_assert(only()->is_open);
	stall_end(&slots[0]);
	look_for(100, 0);
	ck_assert(!only()->is_open);
}
END_TEST

Suite *
suite_server_stall_watch(void)
{
	Suite *s = suite_create("server_stall_watch");
	TCase *turns = tcase_create("turns"), *flows = tcase_create("flows");
	TCase *late = tcase_create("late"), *cost = tcase_create("cost");

	tcase_add_test(turns, a_long_turn_is_one_record_however_often_it_is_looked_at);
	tcase_add_test(turns, short_turns_and_sleep_are_none);
	tcase_add_test(turns, a_turn_just_above_the_limit_is_found_by_a_watch_that_was_idle);
	tcase_add_test(turns, a_turn_that_ends_between_looks_ends_where_the_next_began);
	tcase_add_test(turns, it_looks_often_only_while_somebody_is_awake);
	tcase_add_test(turns, without_a_limit_no_turn_is_long);
	tcase_add_loop_test(turns, wall_and_cpu_time_say_why, 0, sizeof(why) / sizeof(why[0]));
	tcase_add_test(turns, what_it_was_at_for_longest_is_told);
	suite_add_tcase(s, turns);
	tcase_add_test(flows, a_flow_that_was_seen_and_reports_is_one_record);
	tcase_add_test(flows, a_flow_that_nobody_saw_is_a_record_by_its_report);
	tcase_add_test(flows, the_rest_of_a_turn_behind_a_flow_may_be_a_stall_of_its_own);
	tcase_add_test(flows, reports_without_room_are_counted_as_well);
	suite_add_tcase(s, flows);
	tcase_add_test(late, a_time_when_nothing_could_run_is_told_by_who_was_late);
	tcase_add_test(late, a_turn_in_such_a_time_tells_it_alone);
	suite_add_tcase(s, late);
	tcase_add_test(cost, a_busy_worker_with_short_turns_is_not_looked_into);
	tcase_add_test(cost, one_that_never_ends_is_looked_into_less_and_less);
	tcase_add_test(cost, a_worker_that_ends_leaves_no_open_record);
	suite_add_tcase(s, cost);
	return s;
}
