/*
 * Conns that wait for their worker; see backlog.h.
 */
#include "proto/backlog.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "proto/conn.h"

/* FIRST_SIZE: of the ring. TURN_SHARE: of the limit, for one turn. REFUSING_SHARE: of the time.
 * MEMORY: over so many limits is the time shared. */
enum { FIRST_SIZE = 256, TURN_SHARE = 4, REFUSING_SHARE = 10, MEMORY = 50 };

/* --- on and off ----------------------------------------------------------------------- */

static void
on_look(struct lag *l)
{
	struct backlog *b = l->owner;

	if (b->is_on)
		return;
	gauge_set(&b->behind_ns, l->turn_ns);
	if (b->is_shadow) {
		b->waited_ns = l->is_standing ? l->turn_ns : 0;
	} else if (l->is_standing) {
		b->is_on = true;
		b->worked_ns = b->refusing_ns = 0;
		b->stopped_ns = l->began_ns;
		b->late_ns = l->began_ns + l->turn_ns;
	}
}

static void
on_turn(struct deferred *d)
{
	backlog_serve(CONTAINER_OF(d, struct backlog, turn), clock_monotonic);
}

void
backlog_init(struct backlog *b, struct env *env)
{
	*b = (struct backlog){ .env = env, .limit_ns = CLOCK_NEVER, .turn.run = on_turn };
}

void
backlog_fini(struct backlog *b)
{
	ASSERT(b->first == b->end);
	b->is_on = false;
	loop_forget(&b->env->loop, &b->turn);
	mem_free(&b->ring);
}

/* One that is on and not wanted any more is emptied by its next turn, and goes off. */
void
backlog_set_limit(struct backlog *b, uint64_t limit_ns, bool is_shadow)
{
	struct lag *l = &b->env->loop.lag;

	b->limit_ns = limit_ns ? limit_ns : CLOCK_NEVER;
	b->is_shadow = is_shadow;
	b->waited_ns = 0;
	l->on_look = on_look;
	l->owner = b;
	lag_watch(l, b->limit_ns);
}

/* --- the ring ------------------------------------------------------------------------- */

static struct backlog_entry *
entry_at(const struct backlog *b, uint32_t place)
{
	return &b->ring[place & (b->size - 1)];
}

static int
grow(struct backlog *b)
{
	struct backlog next = *b;

	next.size = b->size ? b->size * 2 : FIRST_SIZE;
	next.ring = mem_zalloc(next.size, sizeof(*next.ring));
	if (!next.ring)
		return ERR_MEMORY;
	for (uint32_t place = b->first; place != b->end; place++)
		*entry_at(&next, place) = *entry_at(b, place);
	mem_free(&b->ring);
	b->ring = next.ring;
	b->size = next.size;
	return 0;
}

int
backlog_hold(struct backlog *b, struct conn *c)
{
	ASSERT(b->is_on && !(c->flags & CONN_HELD));
	if (b->end - b->first == b->size && grow(b) != 0)
		return ERR_MEMORY;
	count_add(b->env->counters, COUNTER_CONN_HELD, 1);
	if (b->stopped_ns == 0)
		b->stopped_ns = loop_now(&b->env->loop);
	*entry_at(b, b->end) =
	    (struct backlog_entry){ .conn = c, .since_ns = loop_now(&b->env->loop) };
	c->flags |= CONN_HELD;
	c->place = b->end++;
	loop_last(&b->env->loop, &b->turn);
	return 0;
}

void
backlog_drop(struct backlog *b, struct conn *c)
{
	c->flags &= ~(unsigned)CONN_HELD;
	entry_at(b, c->place)->conn = NULL;
	while (b->first != b->end && !entry_at(b, b->first)->conn)
		b->first++;
}

/* --- serving -------------------------------------------------------------------------- */

bool
backlog_refuses_late(struct backlog *b, enum gate_class priority)
{
	uint64_t enough = priority == CLASS_SHEDDABLE ? b->limit_ns / 2 : b->limit_ns;

	if (priority == CLASS_CRITICAL || b->waited_ns < enough)
		return false;
	if (b->is_shadow) {
		count_add(b->env->counters, COUNTER_SPARED_WAIT, 1);
		return false;
	}
	count_add(b->env->counters, COUNTER_REFUSED_WAIT, 1);
	b->refused++;
	return true;
}

/* The time since the last turn went into what was begun before. */
static void
remember(struct backlog *b, uint64_t now)
{
	b->worked_ns += now - b->stopped_ns;
	if ((b->worked_ns + b->refusing_ns) / MEMORY < b->limit_ns)
		return;
	b->worked_ns /= 2;
	b->refusing_ns /= 2;
}

/* The oldest. What it took is known when it returns; its conn may be gone then. */
static uint64_t
serve_one(struct backlog *b, uint64_t now, backlog_clock_fn clock)
{
	struct backlog_entry e = *entry_at(b, b->first);
	bool may_refuse =
	    b->end - b->first >= BACKLOG_CROWD && b->refusing_ns < b->worked_ns / REFUSING_SHARE;
	unsigned refused = b->refused;
	uint64_t then;

	backlog_drop(b, e.conn);
	if (now - e.since_ns >= b->limit_ns / 2)
		b->late_ns = now;
	b->waited_ns = may_refuse && !b->is_shadow ? now - e.since_ns : 0;
	conn_serve(e.conn);
	b->waited_ns = 0;
	then = clock();
	*(b->refused != refused ? &b->refusing_ns : &b->worked_ns) += then - now;
	return then;
}

static bool
is_wanted(const struct backlog *b)
{
	return b->limit_ns != CLOCK_NEVER && !b->is_shadow;
}

/* It is empty. */
static bool
is_to_go_off(const struct backlog *b, uint64_t now)
{
	return !is_wanted(b) || (now - b->late_ns) / LAG_INTERVAL >= b->limit_ns;
}

void
backlog_serve(struct backlog *b, backlog_clock_fn clock)
{
	uint64_t now = clock();
	uint64_t until = is_wanted(b) ? now + b->limit_ns / TURN_SHARE : CLOCK_NEVER;

	remember(b, now);
	while (b->first != b->end && now < until)
		now = serve_one(b, now, clock);
	b->stopped_ns = now;
	if (b->first != b->end) {
		gauge_set(&b->behind_ns, now - entry_at(b, b->first)->since_ns);
		loop_last(&b->env->loop, &b->turn);
		return;
	}
	b->stopped_ns = 0;
	gauge_set(&b->behind_ns, 0);
	if (is_to_go_off(b, now))
		b->is_on = false;
}
