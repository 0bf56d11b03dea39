/*
 * A retry storm on a clock that the test turns: servers that fail all together
 * for five seconds while requests go on coming, and come back. Retries, ejection
 * and breaker at once: what the servers see meanwhile, how soon all is well.
 *
 * A request every 10 ms. Before time goes on everything has happened that can:
 * whoever has not ended hangs at a server, which has heard of it.
 */
#include "base/clock.h"
#include "upstream_bed.h"

#include "source/upstream_priv.h"

#include <check.h>
#include <errno.h>
#include <sys/socket.h>

Suite *suite_source_upstream_storm(void);

enum {
	SERVERS = 3,
	STEP_MS = 10,
	PER_S = 1000 / STEP_MS,
	BEFORE_S = 2,
	FAILING_S = 5,
	SECONDS = 12,
	BACK = (BEFORE_S + FAILING_S) * PER_S, /* the step in which the servers are back */
	OPEN_FOR_MS = 500,
	FIRST_BYTE_MS = 200,
	SAVED = 10, /* retries, at most */
	REPLACED = SERVERS, /* idle connections, which cost nothing */
	ASKS = 60, /* at a time */
	FDS = 96,
	LOOKS_MAX = 1000000,
};

#define RETRIES                                                                                    \
	"retries = 1\nretry_on = connect, closed, timeout, 503\nfirst_byte_timeout = 200ms\n"

static const char without_breaker[] = RETRIES;
static const char with_breaker[] = RETRIES "breaker_error_rate = 50%\nbreaker_window = 1s\n"
					   "breaker_open_for = 500ms";

enum mode { MODE_503, MODE_RESET, MODE_HANG, MODES };

struct server_end {
	int fd; /* -1: free */
	unsigned server;
	bool hangs;
};

struct pending {
	struct ask *ask; /* NULL: free */
	unsigned step; /* that it began in */
};

struct storm {
	struct bed *bed;
	enum mode mode;
	bool is_failing;
	unsigned step;
	struct server_end end[FDS];
	struct pending pending[ASKS];
	unsigned attempts[SECONDS]; /* as the servers see them */
	bool is_ok[SECONDS * PER_S]; /* by the step in which a request came */
	unsigned answered[SERVERS]; /* in the last second */
};

/* --- the servers ---------------------------------------------------------------------- */

static void
leave(struct server_end *end, bool resets)
{
	if (resets)
		bed_reset(end->fd);
	else
		bed_hang_up(end->fd);
	*end = (struct server_end){ .fd = -1 };
}

static void
answer(struct storm *s, struct server_end *end)
{
	s->attempts[s->step / PER_S]++;
	if (s->is_failing && s->mode == MODE_HANG) {
		end->hangs = true;
	} else if (s->is_failing && s->mode == MODE_RESET) {
		leave(end, true);
	} else if (s->is_failing) {
		bed_say(s->bed, end->fd, "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
	} else {
		bed_say_ok(s->bed, end->fd);
		s->answered[end->server] += s->step / PER_S == SECONDS - 1;
	}
}

/* A head comes whole: it is one write on the loopback. */
static void
hear(struct storm *s, struct server_end *end)
{
	char text[4096];
	ssize_t n = recv(end->fd, text, sizeof(text), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		leave(end, false);
		return;
	}
	ck_assert(n > 4 && memcmp(text + n - 4, "\r\n\r\n", 4) == 0);
	answer(s, end);
}

static struct server_end *
free_end(struct storm *s)
{
	for (unsigned i = 0; i < FDS; i++) {
		if (s->end[i].fd < 0)
			return &s->end[i];
	}
	ck_abort_msg("more connections than there may be");
	return NULL;
}

static void
serve(struct storm *s)
{
	for (unsigned i = 0; i < SERVERS; i++) {
		int fd;

		while ((fd = bed_try_accept_at(s->bed, i)) >= 0)
			*free_end(s) = (struct server_end){ .fd = fd, .server = i };
	}
	for (unsigned i = 0; i < FDS; i++) {
		if (s->end[i].fd >= 0)
			hear(s, &s->end[i]);
	}
}

/* --- the clients ------------------------------------------------------------------------- */

static void
come(struct storm *s)
{
	struct pending *p = s->pending;

	while (p < s->pending + ASKS && p->ask)
		p++;
	ck_assert(p < s->pending + ASKS);
	*p = (struct pending){ bed_prepare(s->bed), s->step };
	/* Refused by the breaker: an end, too. */
	if (ask_start(p->ask) != 0)
		p->ask->is_ended = true;
}

static unsigned
collect(struct storm *s)
{
	unsigned left = 0;

	for (unsigned i = 0; i < ASKS; i++) {
		struct pending *p = &s->pending[i];

		if (p->ask && p->ask->is_ended) {
			s->is_ok[p->step] =
			    p->ask->heads && p->ask->err == 0 && p->ask->q.response.status == 200;
			bed_forget(s->bed, &p->ask);
		}
		left += p->ask != NULL;
	}
	return left;
}

static unsigned
hanging(const struct storm *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FDS; i++)
		n += s->end[i].hangs;
	return n;
}

/* --- the storm --------------------------------------------------------------------------- */

static void
step(struct storm *s)
{
	unsigned looks = 0;

	s->is_failing = s->step >= BEFORE_S * PER_S && s->step < BACK;
	come(s);
	do {
		serve(s);
		bed_turn(s->bed);
		ck_assert_uint_lt(looks++, LOOKS_MAX);
	} while (collect(s) != hanging(s));
	bed_pass(s->bed, STEP_MS);
	s->step++;
}

static void
blow(struct storm *s, const char *section, enum mode mode)
{
	s->mode = mode;
	s->bed = bed_open_servers(section, "", SERVERS);
	for (unsigned i = 0; i < FDS; i++)
		s->end[i].fd = -1;
	bed_freeze(s->bed);
	while (s->step < SECONDS * PER_S)
		step(s);
}

static void
calm(struct storm *s)
{
	for (unsigned i = 0; i < FDS; i++) {
		if (s->end[i].fd >= 0)
			bed_hang_up(s->end[i].fd);
	}
	bed_close(s->bed);
}

static void
expect_few_attempts(const struct storm *s)
{
	unsigned all = 0;

	for (unsigned i = 0; i < SECONDS; i++) {
		ck_assert_uint_le(s->attempts[i], PER_S + PER_S / 5 + SAVED + REPLACED);
		all += s->attempts[i];
	}
	ck_assert_uint_le(all * 5, SECONDS * PER_S * 6);
}

/* The breaker needs no more than its window to notice. */
static void
expect_hardly_any(const struct storm *s)
{
	for (unsigned i = BEFORE_S + 2; i < BEFORE_S + FAILING_S; i++)
		ck_assert_uint_lt(s->attempts[i], PER_S / 5);
}

static void
expect_all_well(const struct storm *s, unsigned from, unsigned until)
{
	for (unsigned i = from; i < until; i++)
		ck_assert_msg(s->is_ok[i], "%u ms after the return", (i - BACK) * STEP_MS);
}

static void
expect_soon_well(const struct storm *s, unsigned longest_ms)
{
	unsigned first = BACK;

	while (!s->is_ok[first])
		ck_assert_uint_lt(++first, SECONDS * PER_S);
	ck_assert_uint_le((first - BACK) * STEP_MS, longest_ms);
	expect_all_well(s, BACK + PER_S, SECONDS * PER_S);
	for (unsigned i = 0; i < SERVERS; i++)
		ck_assert_uint_gt(s->answered[i], PER_S / SERVERS / 2);
}

START_TEST(retries_stay_within_their_budget_and_all_is_well_at_once)
{
	struct storm s = { .step = 0 };

	blow(&s, without_breaker, (enum mode)_i);
	expect_all_well(&s, 0, BEFORE_S * PER_S - 1);
	expect_few_attempts(&s);
	expect_soon_well(&s, 0);
	calm(&s);
}
END_TEST

START_TEST(with_a_breaker_there_are_hardly_any_attempts_and_all_is_well_a_second_after_it)
{
	struct storm s = { .step = 0 };
	uint64_t opened;

	blow(&s, with_breaker, (enum mode)_i);
	expect_all_well(&s, 0, BEFORE_S * PER_S - 1);
	expect_few_attempts(&s);
	expect_hardly_any(&s);
	expect_soon_well(&s, OPEN_FOR_MS + (_i == MODE_HANG ? FIRST_BYTE_MS : 0));
	opened = bed_count(s.bed, COUNTER_UPSTREAM_BREAKER_OPEN);
	ck_assert_uint_ge(opened, 5);
	ck_assert_uint_eq(bed_count(s.bed, COUNTER_UPSTREAM_BREAKER_HALF_OPEN), opened);
	ck_assert_uint_eq(bed_count(s.bed, COUNTER_UPSTREAM_BREAKER_CLOSED), 1);
	calm(&s);
}
END_TEST

Suite *
suite_source_upstream_storm(void)
{
	Suite *s = suite_create("source_upstream_storm");
	TCase *t = tcase_create("storm");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, retries_stay_within_their_budget_and_all_is_well_at_once, 0, MODES);
	tcase_add_loop_test(
	    t, with_a_breaker_there_are_hardly_any_attempts_and_all_is_well_a_second_after_it, 0,
	    MODES);
	suite_add_tcase(s, t);
	return s;
}
