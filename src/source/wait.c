/*
 * Waiting for a connection; see wait.h.
 */
#include "source/wait.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/writer.h"

enum { RETRY_MAX_S = 60, LIMIT_BYTES = 32, MOST_DEVIATIONS = 8, MOST_MEANS = 4 };

const char *const wait_orders[] = { "fifo", "adaptive", NULL };

/* --- builder --------------------------------------------------------------------------- */

int
wait_name_limits(struct source *s, struct source_build *b, const char *const *words, unsigned count)
{
	size_t bytes = strlen(s->ops->section) + s->name.len + LIMIT_BYTES;
	const char **limit = arena_zalloc(b->arena, count, sizeof(*limit));

	if (!limit)
		return ERR_MEMORY;
	for (unsigned i = 0; i < count; i++) {
		char *text = arena_zalloc(b->arena, 1, bytes);
		struct writer w = writer_over(text, text ? bytes - 1 : 0);

		if (!text)
			return ERR_MEMORY;
		writer_format(&w, "%s.%.*s.%s", s->ops->section, SLICE_PRINT(s->name), words[i]);
		limit[i] = text;
	}
	s->limit = limit;
	s->limits = count;
	s->is_shadow = b->is_shadow;
	return 0;
}

void
wait_add_part(struct part *p)
{
	p->number = p->source->parts++;
}

/* --- its life ---------------------------------------------------------------------------- */

int
wait_line_init(struct wait_line *l, struct pool_gate *gate, bool is_part, const struct source *s,
	       struct lease *lease)
{
	l->gate = gate;
	l->source = s;
	l->lease = lease;
	gate_queue_init(&l->queue, is_part);
	l->cost = mem_zalloc(s->parts + 1, sizeof(*l->cost));
	if (!l->cost)
		return ERR_MEMORY;
	for (unsigned i = 0; i < s->parts; i++) {
		cost_init(&l->cost[i].hold, 0);
		cost_init(&l->cost[i].answer, 0);
	}
	return 0;
}

void
wait_line_fini(struct wait_line *l)
{
	mem_free(&l->cost);
}

void
wait_line_set(struct wait_line *l, unsigned places)
{
	l->places = places;
	gate_set_threads(l->gate, places > l->lent ? places - l->lent : 0);
}

/* --- refusals ------------------------------------------------------------------------------ */

static void
count_limit(struct wait_line *l, unsigned limit, bool is_shadow)
{
	struct shed_series **sheds = l->lease->sheds, *of;

	if (!sheds || !sheds[l->source->index])
		return;
	of = &sheds[l->source->index][limit];
	count_word(is_shadow ? &of->spared : &of->enforced, 1);
}

/* Until what is known of has drained, with jitter so that refused clients do not come back
 * together. */
static unsigned
retry_after(struct wait_line *l, uint64_t min_ns)
{
	uint64_t drain_ns = gate_drain_ns(l->gate);
	uint64_t seconds = (drain_ns > min_ns ? drain_ns : min_ns) / CLOCK_SEC + 1;

	if (seconds > RETRY_MAX_S)
		seconds = RETRY_MAX_S;
	return (unsigned)(seconds + random_below(&l->lease->env->random, seconds + 1));
}

int
wait_refuse(struct wait_line *l, struct subrequest *q[], size_t n, unsigned limit, uint64_t min_ns)
{
	const struct pool_refusal refusal = {
		.limit = l->source->limit[limit],
		.retry_after_s = retry_after(l, min_ns),
	};

	count_limit(l, limit, false);
	for (size_t i = 0; i < n; i++)
		q[i]->refusal = refusal;
	return ERR_SHED;
}

static bool
is_let_pass(struct wait_line *l, unsigned limit)
{
	if (l->source->is_shadow)
		count_limit(l, limit, true);
	return l->source->is_shadow;
}

/* --- asking ---------------------------------------------------------------------------------- */

static uint64_t
now_of(const struct wait_line *l)
{
	return loop_now(&l->lease->env->loop);
}

static uint64_t
larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* How long it holds a connection, as far as is known: all that one needs who does not wait. */
static uint64_t
expect(struct wait_line *l, struct wait *w, const struct subrequest *q)
{
	unsigned number = q->part->number;
	uint64_t mean = 0;

	if (number < l->source->parts) {
		w->cost = &l->cost[number];
		w->is_passed = q->part->passes_through;
		w->job.cost = &w->cost->hold;
		mean = cost_mean(w->job.cost);
	}
	w->job.node.work_ns = mean ? mean : cost_mean(&l->gate->mix);
	return w->job.node.work_ns;
}

/* All of it have a place. */
static bool
enter(struct wait_line *l, struct subrequest *q[], size_t n)
{
	uint64_t work_ns = 0;

	for (size_t i = 0; i < n; i++)
		work_ns += expect(l, l->ops->of(q[i]), q[i]);
	return gate_enter(l->gate, (unsigned)n, work_ns, now_of(l));
}

static struct gate_ask
new_ask(const struct wait_line *l, const struct subrequest *q)
{
	return (struct gate_ask){
		.priority = q->priority,
		.queue = &l->queue,
		.now_ns = now_of(l),
		.deadline_ns = CLOCK_NEVER,
	};
}

/* What it needs to stand in line, too. */
static void
add_to_ask(struct wait_line *l, struct gate_ask *a, struct wait *w, const struct subrequest *q)
{
	uint64_t longest = a->longest_ns, dev = a->dev_ns;

	w->job.priority = q->priority;
	w->job.submitted_ns = a->now_ns;
	w->job.node.work_ns =
	    q->is_later ? gate_ask_later(l->gate, a, w->job.cost, 0, q->deadline_ns, &w->promise)
			: gate_ask_more(l->gate, a, w->job.cost, 0, q->deadline_ns);
	if (!w->is_passed)
		return;
	a->longest_ns = larger(longest, cost_mean(&w->cost->answer));
	a->dev_ns = larger(dev, cost_dev(&w->cost->answer));
}

/* Makes room; what is evicted has left the gate. */
static void
evict(struct wait_line *l, enum gate_class priority, unsigned count)
{
	while (count-- > 0) {
		struct gate_job *spare = gate_spare(&l->queue, priority);
		struct wait *w = CONTAINER_OF(spare, struct wait, job);

		wait_end(l, w, 0, true);
		l->ops->evict(l, w);
	}
}

static enum gate_verdict
ask_gate(struct wait_line *l, struct gate_ask *a)
{
	enum gate_verdict verdict = gate_reserve(l->gate, a, true);
	unsigned excess;

	if (verdict != GATE_FULL || a->is_later || !gate_could_evict(l->gate, a, &excess))
		return verdict;
	evict(l, a->priority, excess);
	a->is_again = true;
	return gate_reserve(l->gate, a, true);
}

/* What refuses it; WAIT_LIMITS: nothing. */
static enum wait_limit
find_limit(struct wait_line *l, struct gate_ask *a)
{
	static const enum wait_limit limits[] = {
		[GATE_OPEN] = WAIT_LIMITS,
		[GATE_FULL] = WAIT_QUEUE,
		[GATE_WAIT] = WAIT_TIME,
		[GATE_STANDING] = WAIT_STANDING,
	};
	enum wait_limit limit = limits[ask_gate(l, a)];

	if (limit == WAIT_LIMITS || limit == WAIT_QUEUE || !is_let_pass(l, limit))
		return limit;
	a->is_again = a->is_underway = true;
	return limits[gate_reserve(l->gate, a, true)];
}

static void
set_stage(struct wait_line *l, struct subrequest *q[], size_t n, enum wait_stage stage)
{
	for (size_t i = 0; i < n; i++)
		l->ops->of(q[i])->stage = stage;
}

static enum wait_limit
reserve_in_line(struct wait_line *l, struct subrequest *q[], size_t n, enum wait_stage stage)
{
	struct gate_ask ask = new_ask(l, q[0]);
	enum wait_limit limit;

	for (size_t i = 0; i < n; i++)
		add_to_ask(l, &ask, l->ops->of(q[i]), q[i]);
	limit = find_limit(l, &ask);
	if (limit == WAIT_LIMITS)
		set_stage(l, q, n, stage);
	return limit;
}

static enum wait_limit
reserve_now(struct wait_line *l, struct subrequest *q[], size_t n)
{
	if (!enter(l, q, n))
		return reserve_in_line(l, q, n, WAIT_RESERVED);
	set_stage(l, q, n, WAIT_RUNNING);
	return WAIT_LIMITS;
}

static enum wait_limit
reserve_later(struct wait_line *l, struct subrequest *q[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		expect(l, l->ops->of(q[i]), q[i]);
	return reserve_in_line(l, q, n, WAIT_PROMISED);
}

/* Those that start at once first; the order is not anybody's concern. Returns how many they are. */
static size_t
sort(struct subrequest *q[], size_t n)
{
	size_t now = 0;

	for (size_t i = 0; i < n; i++) {
		struct subrequest *one = q[i];

		if (one->is_later)
			continue;
		q[i] = q[now];
		q[now++] = one;
	}
	return now;
}

int
wait_reserve(struct wait_line *l, struct subrequest *q[], size_t n)
{
	size_t now = sort(q, n);
	enum wait_limit limit = now ? reserve_now(l, q, now) : WAIT_LIMITS;

	if (limit == WAIT_LIMITS && now < n) {
		limit = reserve_later(l, q + now, n - now);
		for (size_t i = 0; i < now && limit != WAIT_LIMITS; i++)
			wait_end(l, l->ops->of(q[i]), 0, true);
	}
	return limit == WAIT_LIMITS ? 0 : wait_refuse(l, q, n, limit, 0);
}

void
wait_start(struct wait_line *l, struct wait *w, const struct subrequest *q)
{
	if (w->stage != WAIT_PROMISED)
		return;
	w->job.priority = q->priority;
	w->job.submitted_ns = now_of(l);
	w->job.node.work_ns = gate_expect(l->gate, w->job.cost, 0);
	gate_redeem(l->gate, w->job.priority, &w->promise, w->cost ? &w->cost->hold : NULL,
		    now_of(l), w->job.node.work_ns);
	w->stage = WAIT_RESERVED;
}

bool
wait_join(struct wait_line *l, struct wait *w, const struct subrequest *q)
{
	struct gate_ask ask = new_ask(l, q);

	if (gate_enter(l->gate, 1, expect(l, w, q), ask.now_ns)) {
		w->stage = WAIT_RUNNING;
		return true;
	}
	add_to_ask(l, &ask, w, q);
	ask.is_underway = true;
	if (gate_reserve(l->gate, &ask, true) != GATE_OPEN)
		return false;
	w->stage = WAIT_RESERVED;
	return true;
}

/* --- in line ------------------------------------------------------------------------------------
 */

void
wait_file(struct wait_line *l, struct wait *w, const struct subrequest *q)
{
	w->job.queue = &l->queue;
	w->job.priority = q->priority;
	w->job.deadline_ns = w->is_again ? 0 : q->deadline_ns;
	if (w->stage == WAIT_RUNNING)
		gate_return(l->gate, &w->job);
	gate_submitted(l->gate, &w->job);
	gate_file(l->gate, &w->job);
	w->stage = WAIT_FILED;
	l->filed++;
}

struct wait *
wait_first(const struct wait_line *l)
{
	struct gate_job *first = gate_first(&l->queue);

	return first ? CONTAINER_OF(first, struct wait, job) : NULL;
}

static bool
is_late(struct wait_line *l, struct wait *w, const struct subrequest *q)
{
	struct gate_job job = w->job;

	/* The run keeps the deadline, and may have moved it since. */
	job.deadline_ns = q->deadline_ns;
	if (w->is_passed)
		job.cost = &w->cost->answer;
	return gate_is_hopeless(l->gate, &job, now_of(l));
}

bool
wait_is_hopeless(struct wait_line *l, struct wait *w, const struct subrequest *q)
{
	if (w->stage != WAIT_FILED || w->is_again || !is_late(l, w, q))
		return false;
	if (!is_let_pass(l, WAIT_DEADLINE))
		return true;
	w->is_again = true; /* once is enough */
	return false;
}

static void
leave_queue(struct wait_line *l, struct wait *w)
{
	gate_remove(l->gate, &w->job);
	l->filed--;
}

void
wait_begin(struct wait_line *l, struct wait *w)
{
	if (w->stage == WAIT_FILED) {
		leave_queue(l, w);
		gate_start(l->gate, &w->job);
	} else if (w->stage == WAIT_RESERVED) {
		gate_skip(l->gate, &w->job);
	}
	w->stage = WAIT_RUNNING;
}

void
wait_return(struct wait_line *l, struct wait *w, const struct subrequest *q)
{
	if (w->stage != WAIT_RUNNING)
		return;
	w->job.priority = q->priority;
	gate_return(l->gate, &w->job);
	w->is_again = true;
	w->stage = WAIT_RESERVED;
}

/* --- what it took
 * ---------------------------------------------------------------------------------
 */

/* A download to a slow client says little about the next one: far from all others it counts as no
 * further than this, and when all take so long that is learned all the same. */
static uint64_t
cut_off(const struct cost *c, uint64_t took_ns)
{
	uint64_t mean = cost_mean(c);
	uint64_t most = larger(mean + MOST_DEVIATIONS * cost_dev(c), MOST_MEANS * mean);

	return mean && took_ns > most ? most : took_ns;
}

void
wait_answered(struct wait *w, uint64_t took_ns)
{
	if (w->is_passed)
		cost_learn(&w->cost->answer, cut_off(&w->cost->answer, took_ns), COST_WHOLE);
}

static void
end_running(struct wait_line *l, struct wait *w, uint64_t held_ns, bool was_cut)
{
	const struct cost *c = w->cost ? &w->cost->hold : &l->gate->mix;

	gate_end(l->gate, &w->job, now_of(l), cut_off(c, held_ns), was_cut ? COST_CUT : COST_WHOLE);
	gate_leave(l->gate);
}

void
wait_lend(struct wait_line *l, struct wait *w)
{
	if (w->stage != WAIT_RUNNING)
		return;
	end_running(l, w, 0, true);
	w->stage = WAIT_LENT;
	l->lent++;
	wait_line_set(l, l->places);
}

void
wait_end(struct wait_line *l, struct wait *w, uint64_t held_ns, bool was_cut)
{
	enum wait_stage stage = w->stage;

	w->stage = WAIT_NONE;
	switch (stage) {
	case WAIT_NONE:
		break;
	case WAIT_PROMISED:
		gate_lapse(l->gate, w->job.priority, &w->promise, w->cost ? &w->cost->hold : NULL);
		break;
	case WAIT_RESERVED:
		gate_release(l->gate, w->job.priority, 1, w->job.node.work_ns);
		break;
	case WAIT_FILED:
		leave_queue(l, w);
		gate_leave(l->gate);
		break;
	case WAIT_RUNNING:
		end_running(l, w, held_ns, was_cut);
		break;
	case WAIT_LENT:
		l->lent--;
		wait_line_set(l, l->places);
		break;
	}
}
