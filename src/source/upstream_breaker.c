/*
 * A breaker: when most attempts of its window have failed, the upstream is not
 * asked for a while. Clients get their 503 at once, and the upstream gets room to
 * recover.
 *
 *   closed --- rate and volume reached ---> open --- breaker_open_for ---> half open
 *     ^                                      ^ '------- one fails ----------' |
 *     '------------------------ TRIALS answered ------------------------------'
 *
 * Half open, TRIALS errands may be on their way, and what becomes of them is all
 * that counts: others may be under way still, of a time when the upstream did not
 * answer. Each worker has its own breaker, which sees the worker's own attempts.
 */
#include "source/upstream_prior.h"
#include "source/upstream_priv.h"

enum { TRIALS = 3 };

static void
turn_to(struct upstream_share *share, enum upstream_breaker_state state)
{
	static const struct {
		enum counter counter;
		const char *word;
	} states[] = {
		[BREAKER_CLOSED] = { COUNTER_UPSTREAM_BREAKER_CLOSED, "closed" },
		[BREAKER_OPEN] = { COUNTER_UPSTREAM_BREAKER_OPEN, "open" },
		[BREAKER_HALF_OPEN] = { COUNTER_UPSTREAM_BREAKER_HALF_OPEN, "half open" },
	};
	struct upstream_breaker *b = &share->breaker;

	b->state = state;
	b->answered = 0;
	count_add(share->env->counters, states[state].counter, 1);
	log_line(state == BREAKER_OPEN ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE,
		 "upstream %.*s: breaker %s", SLICE_PRINT(share->upstream->name),
		 states[state].word);
}

static void
open_it(struct upstream_share *share)
{
	uint64_t now = loop_now(&share->env->loop);

	share->breaker.until_ns = clock_after(now, share->upstream->conf->breaker_open_for);
	turn_to(share, BREAKER_OPEN);
}

static void
close_it(struct upstream_share *share)
{
	memset(share->breaker.slots, 0, sizeof(share->breaker.slots));
	share->breaker.closed_ns = loop_now(&share->env->loop);
	turn_to(share, BREAKER_CLOSED);
}

static void
half_open_it(struct upstream_share *share)
{
	share->breaker.round++;
	share->breaker.trying = 0;
	turn_to(share, BREAKER_HALF_OPEN);
}

/* --- the window ----------------------------------------------------------------------- */

static uint64_t
slot_now(const struct upstream_share *share)
{
	/* The clock has run for longer than any window: no number is that of an empty slot. */
	return loop_now(&share->env->loop) /
	       (share->upstream->conf->breaker_window / UPSTREAM_SLOTS);
}

static void
count_attempt(struct upstream_breaker *b, uint64_t slot, bool has_failed)
{
	struct upstream_slot *s = &b->slots[slot % UPSTREAM_SLOTS];

	if (s->number != slot)
		*s = (struct upstream_slot){ .number = slot };
	s->attempts++;
	s->failures += has_failed;
}

static bool
is_bad(const struct upstream_share *share, uint64_t slot)
{
	const struct upstream_conf *conf = share->upstream->conf;
	uint64_t attempts = 0, failures = 0;

	for (unsigned i = 0; i < UPSTREAM_SLOTS; i++) {
		const struct upstream_slot *s = &share->breaker.slots[i];

		if (slot - s->number >= UPSTREAM_SLOTS)
			continue;
		attempts += s->attempts;
		failures += s->failures;
	}
	return attempts >= conf->breaker_min_requests &&
	       failures * 100 >= attempts * conf->breaker_error_rate;
}

static void
note_attempt(struct upstream_share *share, bool has_failed)
{
	uint64_t slot = slot_now(share);

	count_attempt(&share->breaker, slot, has_failed);
	if (has_failed && is_bad(share, slot))
		open_it(share);
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
upstream_breaker_note(const struct upstream_errand *e, bool has_failed)
{
	struct upstream_share *share = e->share;
	struct upstream_breaker *b = &share->breaker;

	if (share->upstream->conf->breaker_error_rate == 0)
		return;
	switch (b->state) {
	case BREAKER_CLOSED:
		if (e->begun_ns >= b->closed_ns)
			note_attempt(share, has_failed);
		break;
	case BREAKER_OPEN:
		break; /* of an errand that began before */
	case BREAKER_HALF_OPEN:
		if (e->trial == b->round)
			note_trial(share, has_failed);
		break;
	}
}

/* --- admission ------------------------------------------------------------------------ */

bool
upstream_breaker_admits(struct upstream_share *share, size_t n)
{
	struct upstream_breaker *b = &share->breaker;

	if (b->state == BREAKER_CLOSED)
		return true;
	if (b->state == BREAKER_OPEN && loop_now(&share->env->loop) < b->until_ns)
		return false;
	if (b->state == BREAKER_OPEN)
		half_open_it(share);
	/* A fan-out that is wider goes as one. */
	return b->trying == 0 || b->trying + n <= TRIALS;
}

void
upstream_breaker_mark(struct upstream_errand *e)
{
	struct upstream_breaker *b = &e->share->breaker;

	if (b->state != BREAKER_HALF_OPEN)
		return;
	e->trial = b->round;
	b->trying++;
}

void
upstream_breaker_follow(struct upstream_errand *twin, const struct upstream_errand *e)
{
	twin->trial = e->trial;
	twin->share->breaker.trying +=
	    twin->trial != 0 && twin->trial == twin->share->breaker.round;
}

void
upstream_breaker_drop(struct upstream_errand *e)
{
	e->share->breaker.trying -= e->trial != 0 && e->trial == e->share->breaker.round;
	e->trial = 0;
}

uint64_t
upstream_breaker_wait(const struct upstream_share *share, uint64_t now_ns)
{
	const struct upstream_breaker *b = &share->breaker;

	if (b->state != BREAKER_OPEN || now_ns >= b->until_ns)
		return 0;
	return b->until_ns - now_ns;
}

/* --- the site before ------------------------------------------------------------------- */

void
upstream_breaker_take(struct upstream_share *share, const struct upstream_share *prior)
{
	const struct upstream_conf *conf = share->upstream->conf;
	struct upstream_breaker *b = &share->breaker;
	uint64_t latest = clock_after(loop_now(&share->env->loop), conf->breaker_open_for);

	if (conf->breaker_error_rate == 0)
		return;
	if (conf->breaker_window == prior->upstream->conf->breaker_window)
		memcpy(b->slots, prior->breaker.slots, sizeof(b->slots));
	if (prior->breaker.state == BREAKER_CLOSED)
		return;
	/* Half open, its trials are not ours: their time has come, and the next ones are. */
	b->state = BREAKER_OPEN;
	b->until_ns = prior->breaker.until_ns < latest ? prior->breaker.until_ns : latest;
}
