/*
 * A breaker: when most attempts of the last seconds have failed, the upstream
 * is not asked for a while. Clients get their 503 at once, and the upstream
 * gets room to recover.
 *
 *   closed --- rate and volume reached ---> open --- breaker_open_for ---> half open
 *     ^                                      ^ '------- one fails ----------' |
 *     '------------------------ TRIALS answered ------------------------------'
 *
 * Half open, TRIALS errands may be on their way. Each worker has its own
 * breaker, which sees the worker's own attempts.
 */
#include "source/upstream_priv.h"

enum { TRIALS = 3 };

static void
turn_to(struct upstream_share *share, enum upstream_breaker_state state)
{
	static const struct {
		enum counter counter;
		const char *word;
	} states[] = {
		[UPSTREAM_CLOSED_BREAKER] = { COUNTER_UPSTREAM_BREAKER_CLOSED, "closed" },
		[UPSTREAM_OPEN] = { COUNTER_UPSTREAM_BREAKER_OPEN, "open" },
		[UPSTREAM_HALF_OPEN] = { COUNTER_UPSTREAM_BREAKER_HALF_OPEN, "half open" },
	};
	struct upstream_breaker *b = &share->breaker;

	b->state = state;
	b->answered = 0;
	count_add(share->env->counters, states[state].counter, 1);
	log_line(state == UPSTREAM_OPEN ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE,
		 "upstream %.*s: breaker %s", SLICE_PRINT(share->upstream->name),
		 states[state].word);
}

static void
open_it(struct upstream_share *share)
{
	uint64_t now = loop_now(&share->env->loop);

	share->breaker.until_ns = clock_after(now, share->upstream->conf->breaker_open_for);
	turn_to(share, UPSTREAM_OPEN);
}

static void
close_it(struct upstream_share *share)
{
	memset(share->breaker.seconds, 0, sizeof(share->breaker.seconds));
	turn_to(share, UPSTREAM_CLOSED_BREAKER);
}

/* --- the window ----------------------------------------------------------------------- */

static void
count_attempt(struct upstream_breaker *b, uint64_t second, bool has_failed)
{
	struct upstream_second *s = &b->seconds[second % UPSTREAM_WINDOW_S];

	if (s->number != second)
		*s = (struct upstream_second){ .number = second };
	s->attempts++;
	s->failures += has_failed;
}

static bool
is_bad(const struct upstream_share *share, uint64_t second)
{
	const struct upstream_conf *conf = share->upstream->conf;
	uint64_t attempts = 0, failures = 0;

	for (unsigned i = 0; i < UPSTREAM_WINDOW_S; i++) {
		const struct upstream_second *s = &share->breaker.seconds[i];

		if (second - s->number >= UPSTREAM_WINDOW_S)
			continue;
		attempts += s->attempts;
		failures += s->failures;
	}
	return attempts >= conf->breaker_min_requests &&
	       failures * 100 >= attempts * conf->breaker_error_rate;
}

static void
note_trial(struct upstream_share *share, bool has_failed)
{
	if (has_failed)
		open_it(share);
	else if (++share->breaker.answered >= TRIALS)
		close_it(share);
}

void
upstream_breaker_note(struct upstream_share *share, bool has_failed)
{
	uint64_t second = loop_now(&share->env->loop) / CLOCK_SEC;

	if (share->upstream->conf->breaker_error_rate == 0)
		return;
	switch (share->breaker.state) {
	case UPSTREAM_CLOSED_BREAKER:
		count_attempt(&share->breaker, second, has_failed);
		if (has_failed && is_bad(share, second))
			open_it(share);
		break;
	case UPSTREAM_OPEN:
		break; /* of an errand that began before */
	case UPSTREAM_HALF_OPEN:
		note_trial(share, has_failed);
		break;
	}
}

/* --- admission ------------------------------------------------------------------------ */

bool
upstream_breaker_admits(struct upstream_share *share, size_t n)
{
	struct upstream_breaker *b = &share->breaker;

	if (b->state == UPSTREAM_CLOSED_BREAKER)
		return true;
	if (b->state == UPSTREAM_OPEN && loop_now(&share->env->loop) < b->until_ns)
		return false;
	if (b->state == UPSTREAM_OPEN)
		turn_to(share, UPSTREAM_HALF_OPEN);
	/* A fan-out that is wider goes as one. */
	return b->trying == 0 || b->trying + n <= TRIALS;
}

void
upstream_breaker_mark(struct upstream_share *share, struct upstream_errand *e)
{
	e->is_trying = share->breaker.state == UPSTREAM_HALF_OPEN;
	share->breaker.trying += e->is_trying;
}

void
upstream_breaker_drop(struct upstream_share *share, struct upstream_errand *e)
{
	share->breaker.trying -= e->is_trying;
	e->is_trying = false;
}

uint64_t
upstream_breaker_wait(const struct upstream_share *share, uint64_t now_ns)
{
	const struct upstream_breaker *b = &share->breaker;

	if (b->state != UPSTREAM_OPEN || now_ns >= b->until_ns)
		return 0;
	return b->until_ns - now_ns;
}
