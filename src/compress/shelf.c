/*
 * Encoders of one worker; see shelf.h.
 */
#include "compress/shelf.h"

#include "base/assert.h"

void
shelf_init(struct shelf *s, struct env *env, unsigned most)
{
	*s = (struct shelf){ .env = env, .most = most };
}

void
shelf_fini(struct shelf *s)
{
	ASSERT(s->out == 0);
	for (unsigned c = 0; c < CODING_COUNT; c++) {
		while (s->kept[c]) {
			struct encoder *e = s->kept[c];

			s->kept[c] = e->next;
			e->ops->close(e);
		}
		s->kept_count[c] = 0;
	}
}

/* One that was used before, ready; NULL: there is none, or it cannot be. */
static struct encoder *
take_kept(struct shelf *s, enum coding coding, unsigned level, uint64_t bytes)
{
	struct encoder *e = s->kept[coding];

	if (!e)
		return NULL;
	s->kept[coding] = e->next;
	s->kept_count[coding]--;
	if (e->ops->reset(e, level, bytes) == 0)
		return e;
	e->ops->close(e);
	return NULL;
}

struct encoder *
shelf_take(struct shelf *s, enum coding coding, unsigned level, uint64_t bytes, int *err)
{
	struct encoder *e;

	*err = ERR_FULL;
	if (s->out >= s->most)
		return NULL;
	e = take_kept(s, coding, level, bytes);
	if (!e)
		e = encoder_ops_of(coding)->open(level, bytes);
	*err = ERR_MEMORY;
	if (!e)
		return NULL;
	*err = 0;
	s->out++;
	return e;
}

void
shelf_give(struct shelf *s, struct encoder **encoder)
{
	struct encoder *e = *encoder;
	enum coding c;

	if (!e)
		return;
	*encoder = NULL;
	ASSERT(s->out > 0);
	s->out--;
	c = e->ops->coding;
	if (!e->ops->reset || s->kept_count[c] >= SHELF_KEPT) {
		e->ops->close(e);
		return;
	}
	e->next = s->kept[c];
	s->kept[c] = e;
	s->kept_count[c]++;
}

bool
shelf_may_spend(struct shelf *s, size_t bytes)
{
	uint64_t now = loop_now(&s->env->loop);

	if (now != s->turn_ns) {
		s->turn_ns = now;
		s->turn_bytes = 0;
	}
	if (bytes > SHELF_TURN_BYTES - s->turn_bytes)
		return false;
	s->turn_bytes += bytes;
	return true;
}
