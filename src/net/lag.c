/*
 * How far a loop is behind; see lag.h.
 */
#include "net/lag.h"

#include "base/clock.h"

void
lag_init(struct lag *l)
{
	*l = (struct lag){ .limit_ns = CLOCK_NEVER };
}

void
lag_watch(struct lag *l, uint64_t limit_ns)
{
	l->limit_ns = limit_ns;
	l->long_ns = 0;
	l->is_standing = false;
}

void
lag_end(struct lag *l, uint64_t now_ns)
{
	uint64_t took = now_ns - l->began_ns;

	l->is_near = took >= l->limit_ns;
	l->turn_ns = l->is_near ? took : 0;
	if (!l->is_near)
		l->long_ns = 0;
	else if (l->long_ns == 0)
		l->long_ns = l->began_ns;
	l->is_standing = l->is_near && (now_ns - l->long_ns) / LAG_INTERVAL >= l->limit_ns;
	if (l->on_look)
		l->on_look(l);
}
