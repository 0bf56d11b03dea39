/*
 * The stall watch; see stall_watch.h.
 */
#include "server/stall_watch.h"

#include "base/writer.h"

/* MEASURE_SHARE: figures of a stall that goes on are read again when it is so much longer.
 * THROTTLED_SHARE: of the time; threads that wait for others' turns make it less than all. */
enum { BASE_MS = 1000, MEASURE_SHARE = 8, WINDOW_SHARE = 4, THROTTLED_SHARE = 4 };

static const enum counter counter_of[STALL_KINDS] = {
	[STALL_KIND_WORKER] = COUNTER_STALL_WORKER,
	[STALL_KIND_FLOW] = COUNTER_STALL_FLOW,
	[STALL_KIND_JOB] = COUNTER_STALL_JOB,
	[STALL_KIND_THROTTLED] = COUNTER_STALL_THROTTLED,
	[STALL_KIND_STARVED] = COUNTER_STALL_STARVED,
};

/* What one look is about. */
struct look {
	struct stall_watch *w;
	struct stall_slot *slot;
	struct stall_place *place;
	struct stall_look seen;
	unsigned worker;
	uint64_t limit_ns, now_ns;
};

void
stall_watch_init(struct stall_watch *w, const struct stall_senses *senses, struct stall_slot *self)
{
	*w = (struct stall_watch){ .senses = senses, .self = self };
}

static uint64_t
since(uint64_t then, uint64_t now)
{
	return now > then ? now - then : 0;
}

/* --- records ---------------------------------------------------------------------------- */

static struct stall *
add(struct stall_watch *w, const struct stall *like)
{
	count_add(&w->counters, counter_of[like->kind], 1);
	return stalls_add(&w->stalls, like);
}

static void
set_where(const struct look *l, struct stall *s, uint64_t mark, uint64_t request)
{
	struct stall_where where = stall_where(mark);

	s->at = where.at;
	s->route[0] = s->part[0] = s->request[0] = '\0';
	if (where.route > 0) {
		struct writer id = writer_over(s->request, sizeof(s->request) - 1);

		writer_hex(&id, request);
		s->request[id.len] = '\0';
		l->w->senses->name(s, where, l->w->senses->argument);
	}
}

/* --- figures ------------------------------------------------------------------------------ */

/* Over what was seen of this turn. */
static void
measure(const struct look *l, struct stall *s)
{
	const struct stall_senses *senses = l->w->senses;
	struct stall_place *p = l->place;

	p->measured_ns = l->now_ns;
	s->seen_ns = since(p->first_ns, l->now_ns);
	s->cpu_ns = since(p->cpu_ns, senses->cpu(l->slot, senses->argument));
	if (s->cpu_ns > s->seen_ns)
		s->cpu_ns = s->seen_ns; /* read a little later */
	s->waited_ns =
	    p->second_ns ? since(p->waited_ns, senses->waited(l->slot, senses->argument)) : 0;
	s->throttled_ns = since(l->w->base_throttled_ns, senses->throttled(senses->argument));
}

static enum stall_cause
judge(const struct look *l, const struct stall *s)
{
	const struct stall_place *p = l->place;

	if (p->dark_ns >= s->lasted_ns / 2 && p->dark_ns > 0)
		return p->dark;
	if (s->seen_ns == 0)
		return STALL_CAUSE_UNKNOWN;
	if (s->cpu_ns >= s->seen_ns / 2)
		return STALL_CAUSE_BUSY;
	if (s->throttled_ns >= s->seen_ns / THROTTLED_SHARE)
		return STALL_CAUSE_THROTTLED;
	if (p->second_ns && s->waited_ns >= since(p->second_ns, l->now_ns) / 2 && s->waited_ns > 0)
		return STALL_CAUSE_STARVED;
	return STALL_CAUSE_BLOCKED;
}

static enum stall_kind
kind_of(const struct stall *s)
{
	if (s->at == STALL_AT_FLOW)
		return STALL_KIND_FLOW;
	if (s->cause == STALL_CAUSE_THROTTLED)
		return STALL_KIND_THROTTLED;
	if (s->cause == STALL_CAUSE_STARVED)
		return STALL_KIND_STARVED;
	return STALL_KIND_WORKER;
}

/* --- a turn -------------------------------------------------------------------------------- */

/* What the worker is at for longest is what is told of it. */
static void
follow(const struct look *l, struct stall *s)
{
	const struct stall_place *p = l->place;
	uint64_t steady = since(p->marked_ns, l->now_ns);

	if (s->steady_ns > 0 && steady <= s->steady_ns)
		return;
	s->steady_ns = steady;
	set_where(l, s, p->mark, p->request);
}

/* Reports of it have records of their own; the rest of the turn may be long enough by itself. */
static bool
is_too_long(const struct look *l, uint64_t lasted)
{
	const struct stall_place *p = l->place;

	if (l->limit_ns == 0)
		return false;
	if (p->told_turn == p->turn)
		lasted = since(p->told_ns, lasted);
	return lasted >= l->limit_ns;
}

static struct stall *
open_record(const struct look *l)
{
	const struct stall_place *p = l->place;
	struct stall s = {
		.began_ns = p->began_ns,
		.lasted_ns = since(p->began_ns, l->now_ns),
		.is_open = true,
		.has_worker = true,
		.worker = l->worker,
		.turn = p->turn,
	};
	struct stall *kept;

	measure(l, &s);
	s.cause = judge(l, &s);
	follow(l, &s);
	s.kind = kind_of(&s);
	kept = add(l->w, &s);
	l->place->number = kept->number;
	return kept;
}

static void
end_record(const struct look *l, struct stall *s, uint64_t lasted_ns)
{
	s->lasted_ns = lasted_ns;
	s->is_open = false;
	l->place->number = 0;
	l->w->senses->over(s, l->w->senses->argument);
}

/* It ended between the last look and this one: when the next began, where that is known. */
static uint64_t
end_of(const struct look *l)
{
	const struct stall_place *p = l->place;

	if (l->seen.turn == p->turn + 1 && l->seen.began_ns > p->looked_ns &&
	    l->seen.began_ns <= l->now_ns)
		return l->seen.began_ns;
	return p->looked_ns + since(p->looked_ns, l->now_ns) / 2;
}

/* The turn is another, or the worker sleeps. */
static void
leave(const struct look *l)
{
	struct stall_place *p = l->place;
	struct stall *s = stalls_find(&l->w->stalls, p->number);

	/* Too short for a look at its figures. */
	if (p->began_ns && !p->number && is_too_long(l, since(p->began_ns, p->looked_ns)))
		s = open_record(l);
	if (s) {
		l->w->is_any_long = true;
		end_record(l, s, since(s->began_ns, end_of(l)));
	}
	*p = (struct stall_place){
		.turn = l->seen.turn,
		.told_turn = p->told_turn,
		.told_ns = p->told_ns,
		.lost = p->lost,
	};
}

/* Part of the turn was in a time when nobody could look. */
static void
add_dark(const struct look *l)
{
	struct stall_place *p = l->place;
	uint64_t age = since(p->began_ns, l->now_ns);

	if (l->w->dark == STALL_CAUSE_UNKNOWN)
		return;
	p->dark = l->w->dark;
	p->dark_ns += l->w->late_ns < age ? l->w->late_ns : age;
}

static void
enter(const struct look *l)
{
	const struct stall_senses *senses = l->w->senses;
	struct stall_place *p = l->place;
	uint64_t began = l->seen.began_ns;

	p->began_ns = began && began < l->now_ns ? began : l->now_ns;
	p->first_ns = p->looked_ns = p->marked_ns = l->now_ns;
	p->mark = l->seen.mark;
	p->request = l->seen.request;
	p->cpu_ns = senses->cpu(l->slot, senses->argument);
}

/* A look at a turn that was seen before. */
static void
stay(const struct look *l)
{
	const struct stall_senses *senses = l->w->senses;
	struct stall_place *p = l->place;

	if (p->second_ns == 0) {
		p->second_ns = l->now_ns;
		p->waited_ns = senses->waited(l->slot, senses->argument);
	}
	if (l->seen.mark != p->mark || l->seen.request != p->request) {
		p->mark = l->seen.mark;
		p->request = l->seen.request;
		p->marked_ns = p->looked_ns;
	}
	p->looked_ns = l->now_ns;
}

static void
look_at_turn(const struct look *l)
{
	struct stall_place *p = l->place;
	uint64_t lasted = since(p->began_ns, l->now_ns);
	struct stall *s = stalls_find(&l->w->stalls, p->number);

	l->w->is_any_long |= is_too_long(l, lasted);
	if (!p->number && is_too_long(l, lasted) &&
	    since(p->first_ns, l->now_ns) >= l->limit_ns / WINDOW_SHARE)
		s = open_record(l);
	if (!s)
		return;
	s->lasted_ns = lasted;
	follow(l, s);
	if (since(p->measured_ns, l->now_ns) >= lasted / MEASURE_SHARE) {
		measure(l, s);
		s->cause = judge(l, s);
	}
}

/* --- reports -------------------------------------------------------------------------------- */

/* Of a flow: what the looks have seen of it goes on as its record. */
static void
take_report(const struct look *l, const struct stall_report *r)
{
	struct stall_place *p = l->place;
	struct stall *s = stalls_find(&l->w->stalls, p->turn == r->turn ? p->number : 0);
	struct stall fresh = {
		.kind = STALL_KIND_FLOW,
		.began_ns = r->began_ns,
		.has_worker = true,
		.worker = l->worker,
		.turn = r->turn,
		.steady_ns = r->lasted_ns,
	};

	if (!s || s->kind != STALL_KIND_FLOW)
		s = add(l->w, &fresh);
	else
		p->number = 0;
	s->began_ns = r->began_ns;
	s->lasted_ns = r->lasted_ns;
	s->is_open = false;
	set_where(l, s, r->mark, r->request);
	stall_set_text(s->what, slice_of(r->name));
	p->told_ns = r->lasted_ns + (p->told_turn == r->turn ? p->told_ns : 0);
	p->told_turn = r->turn;
}

static void
take_reports(const struct look *l)
{
	struct stall_report r;
	uint64_t lost = stall_lost(l->slot);

	while (stall_take(l->slot, &r))
		take_report(l, &r);
	count_add(&l->w->counters, COUNTER_STALL_FLOW, lost - l->place->lost);
	l->place->lost = lost;
}

/* --- all of them ----------------------------------------------------------------------------- */

static void
look_at(struct look *l)
{
	struct stall_place *p = l->place;

	take_reports(l);
	stall_look(l->slot, &l->seen);
	if (!l->seen.is_awake || l->seen.turn != p->turn)
		leave(l);
	if (!l->seen.is_awake)
		return;
	l->w->is_any_awake = true;
	if (p->began_ns == 0)
		enter(l);
	else
		stay(l);
	add_dark(l);
	look_at_turn(l);
}

/* Nobody could look for so long: for want of a processor, or because there was something else to do
 * for who looks. */
static void
look_at_lateness(struct stall_watch *w, uint64_t limit_ns, uint64_t now)
{
	const struct stall_senses *senses = w->senses;

	w->late_ns = w->due_ns ? since(w->due_ns, now) : 0;
	w->dark = STALL_CAUSE_UNKNOWN;
	if (limit_ns == 0 || w->late_ns < limit_ns)
		return;
	if (since(w->base_throttled_ns, senses->throttled(senses->argument)) >=
	    w->late_ns / THROTTLED_SHARE)
		w->dark = STALL_CAUSE_THROTTLED;
	else if (since(w->base_waited_ns, senses->waited(w->self, senses->argument)) >=
		 w->late_ns / 2)
		w->dark = STALL_CAUSE_STARVED;
}

/* That, when no turn tells of it. */
static void
tell_dark(struct stall_watch *w, uint64_t now)
{
	const struct stall s = {
		.kind =
		    w->dark == STALL_CAUSE_THROTTLED ? STALL_KIND_THROTTLED : STALL_KIND_STARVED,
		.cause = w->dark,
		.began_ns = now - w->late_ns,
		.lasted_ns = w->late_ns,
	};

	w->senses->over(add(w, &s), w->senses->argument);
}

/* Totals that the figures count from: not while a stall goes on. */
static void
set_base(struct stall_watch *w, uint64_t now)
{
	if (w->base_ns && (w->is_any_long || since(w->base_ns, now) < BASE_MS * CLOCK_MS))
		return;
	w->base_ns = now;
	w->base_throttled_ns = w->senses->throttled(w->senses->argument);
	w->base_waited_ns = w->senses->waited(w->self, w->senses->argument);
}

/* Once per limit is enough while all sleep; without a limit there are only reports. */
static uint64_t
next_look(const struct stall_watch *w, uint64_t limit_ns, uint64_t now)
{
	uint64_t idle = STALL_IDLE_MS * CLOCK_MS, fast = STALL_FAST_MS * CLOCK_MS;

	if (limit_ns == 0)
		return clock_after(now, idle);
	if (limit_ns < idle)
		idle = limit_ns;
	if (limit_ns / WINDOW_SHARE < fast)
		fast = limit_ns / WINDOW_SHARE > CLOCK_MS ? limit_ns / WINDOW_SHARE : CLOCK_MS;
	return clock_after(now, w->is_any_awake && fast < idle ? fast : idle);
}

uint64_t
stall_watch_look(struct stall_watch *w, struct stall_slot *const slots[], unsigned count,
		 uint64_t limit_ns, uint64_t now)
{
	uint64_t before = w->stalls.count;

	if (w->base_ns == 0)
		set_base(w, now);
	look_at_lateness(w, limit_ns, now);
	w->is_any_awake = w->is_any_long = false;
	for (unsigned i = 0; i < count && i < STALL_PLACES; i++) {
		struct look l = { .w = w,
				  .slot = slots[i],
				  .place = &w->place[i],
				  .worker = i,
				  .limit_ns = limit_ns,
				  .now_ns = now };

		if (slots[i])
			look_at(&l);
	}
	if (w->dark != STALL_CAUSE_UNKNOWN && !w->is_any_long && w->stalls.count == before)
		tell_dark(w, now);
	set_base(w, now);
	w->due_ns = next_look(w, limit_ns, now);
	return w->due_ns;
}
