/*
 * The crew; see crew.h.
 */
#include "server/crew.h"

#include "base/log.h"
#include "base/mem.h"
#include "server/server.h"

void
crew_init(struct crew *c, struct server *server)
{
	*c = (struct crew){ .server = server };
}

/* --- places ------------------------------------------------------------------------------ */

static bool
is_in(const struct worker *w, enum worker_state state)
{
	return gauge_read(&w->state) == (uint64_t)state;
}

/* Neither running nor recruited. NULL without one, or without memory (*err). */
static struct worker *
take_place(struct crew *c, unsigned *number, int *err)
{
	unsigned places = (unsigned)gauge_read(&c->places);
	struct worker *w;

	for (unsigned i = 0; i < places; i++) {
		if (is_in(c->place[i], WORKER_FREE) && !c->place[i]->thread.is_running) {
			*number = i;
			return c->place[i];
		}
	}
	*err = places == CREW_MAX ? ERR_FULL : ERR_MEMORY;
	w = places == CREW_MAX ? NULL : mem_zalloc(1, sizeof(*w));
	if (!w)
		return NULL;
	*number = places;
	c->place[places] = w;
	gauge_set(&c->places, places + 1);
	return w;
}

static int
recruit(struct crew *c, struct site *site)
{
	unsigned at = c->serving_count + c->recruits, number;
	int err = 0;
	struct worker *w = take_place(c, &number, &err);

	if (!w)
		return err;
	err = worker_init(w, c->server, number, site, at, site->workers);
	if (!err)
		err = worker_start(w);
	if (err) {
		worker_fini(w);
		return err;
	}
	c->serving[at] = w;
	c->recruits++;
	return 0;
}

int
crew_recruit(struct crew *c, struct site *site)
{
	int err = 0;

	while (!err && c->serving_count + c->recruits < site->workers)
		err = recruit(c, site);
	return err;
}

static void
end_worker(struct worker *w)
{
	worker_stop(w);
	worker_fini(w);
	gauge_set(&w->state, WORKER_FREE);
}

void
crew_dismiss_recruits(struct crew *c)
{
	while (c->recruits > 0)
		end_worker(c->serving[c->serving_count + --c->recruits]);
}

static void
let_go(struct worker *w, uint64_t grace_ns)
{
	gauge_set(&w->state, WORKER_LEAVING);
	/* Without memory for the order it goes on with what it has, until the server ends. */
	if (worker_send(w, WORKER_LEAVE, grace_ns) != 0)
		log_error("worker %u cannot be told to leave: %s", w->env.worker,
			  err_text(ERR_MEMORY));
}

void
crew_settle(struct crew *c, const struct site *site)
{
	for (unsigned i = c->serving_count; i < c->serving_count + c->recruits; i++)
		gauge_set(&c->serving[i]->state, WORKER_SERVING);
	c->serving_count += c->recruits;
	c->recruits = 0;
	while (c->serving_count > site->workers)
		let_go(c->serving[--c->serving_count], site->grace_ns);
}

struct worker *
crew_next(const struct crew *c, unsigned *from)
{
	unsigned places = (unsigned)gauge_read(&c->places);

	while (*from < places) {
		struct worker *w = c->place[(*from)++];

		if (!is_in(w, WORKER_FREE) && !w->is_ending)
			return w;
	}
	return NULL;
}

unsigned
crew_place(const struct crew *c, const struct worker *w)
{
	unsigned i = 0;

	while (i < c->serving_count && c->serving[i] != w)
		i++;
	return i;
}

void
crew_end_left(struct crew *c)
{
	unsigned from = 0;
	struct worker *w;

	/* At the end of all, they report with jobs still out: these come home when the pools stop.
	 */
	if (gauge_read(&c->server->state) == SERVER_DRAINING)
		return;
	while ((w = crew_next(c, &from)) != NULL) {
		if (is_in(w, WORKER_LEAVING) && w->has_reported)
			worker_end(w);
	}
}

void
crew_bury(struct crew *c, struct worker *w)
{
	(void)c;
	/* Else it is stopped with all others, or a recruit that was dismissed. */
	if (is_in(w, WORKER_LEAVING))
		end_worker(w);
}

/* --- the end ----------------------------------------------------------------------------- */

void
crew_close(struct crew *c)
{
	for (unsigned i = 0; i < gauge_read(&c->places); i++)
		worker_close(c->place[i]);
}

void
crew_stop(struct crew *c)
{
	for (unsigned i = 0; i < gauge_read(&c->places); i++)
		worker_stop(c->place[i]);
}

void
crew_fini(struct crew *c)
{
	for (unsigned i = 0; i < gauge_read(&c->places); i++) {
		if (c->place[i]->has_loop)
			worker_fini(c->place[i]);
		mem_free(&c->place[i]);
	}
	gauge_set(&c->places, 0);
	c->serving_count = c->recruits = 0;
}
