/*
 * Work on a worker that no client waits for, such as bringing up to date what a cache keeps. It is
 * bounded in number, so that it stays beside the work, and it ends with the worker's last conn:
 * nobody waits for it who drains. Whoever does such work bounds it in time as well, since it holds
 * a lease, and with that a site. Of one thread.
 */
#ifndef FOREBAY_NET_BACKGROUND_H
#define FOREBAY_NET_BACKGROUND_H

#include "net/env.h"

enum { BACKGROUND_MAX = 64 }; /* of one worker, all sites together */

/* One piece of work; embedded in its owner, and in the list of the worker until it is removed. */
struct background {
	struct background *next;
	/* From the loop: lets go of everything, and removes itself. */
	void (*stop)(struct background *b);
};

static inline bool
background_has_room(const struct env *env)
{
	return env->backgrounds < BACKGROUND_MAX;
}

static inline void
background_add(struct env *env, struct background *b)
{
	env->backgrounds++;
	b->next = env->background;
	env->background = b;
}

static inline void
background_remove(struct env *env, struct background *b)
{
	struct background **at = &env->background;

	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	env->backgrounds--;
}

/* From the loop, and never from inside a call of a source or an exchange. */
static inline void
background_stop_all(struct env *env)
{
	while (env->background)
		env->background->stop(env->background);
}

#endif
