/*
 * Servers that are declared by a name of DNS. The builder makes the first set of
 * servers; from then on worker 0 asks again whenever an answer has had its time,
 * and makes the set that follows from it known to all workers (thread/board.h).
 *
 *   waiting --- its time is over ---> asked --- an answer ---> waiting, its time to live
 *                                        '----- none, or nothing ---> waiting, longer and longer
 *
 * What DNS does not answer changes nothing: the servers that are known stay. A name
 * that was never found has no servers, and may get them at any time.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "source/upstream_priv.h"

#include <stdlib.h>

enum { RETRY_MAX_S = 30, RETRY_DOUBLINGS = 5, TEXT_BYTES = 512 };

/* --- the first set, on the builder's thread ------------------------------------------- */

/* One name while a site is built. */
struct first {
	struct resolver_question question;
	struct upstream *upstream;
	struct upstream_server *name;
	struct source *source;
	struct conf_errors *errors;
	bool is_short; /* no memory */
};

static int
merge_first(struct upstream *u, const struct upstream_server *name, const struct resolver_answer *a)
{
	struct upstream_change change;
	struct upstream_set *set = upstream_set_merge(u->set, name, a, &change);

	if (!set)
		return ERR_MEMORY;
	upstream_set_unref(&u->set);
	u->set = set;
	return 0;
}

static void
on_first(struct resolver_question *q, const struct resolver_answer *a)
{
	struct first *f = CONTAINER_OF(q, struct first, question);

	if (a->err) {
		conf_warning_at(f->errors, f->source->section, "servers",
				"%s has no address yet: %s; until it has, it gets no requests",
				conf_quote(slice_of(q->name)).text, a->why);
		return;
	}
	f->name->known_until_ns = clock_after(clock_monotonic(), a->ttl_ns);
	f->is_short = merge_first(f->upstream, f->name, a) != 0;
}

static bool
is_same_name(const struct upstream_server *a, const struct upstream_server *b)
{
	return a->lookup && b->lookup && strcmp(a->lookup, b->lookup) == 0 && a->port == b->port &&
	       a->kind == b->kind;
}

/* What the site before knows of it, which is asked again at once. */
static unsigned
recall(const struct upstream *prior, const struct upstream_server *name,
       struct resolver_found found[RESOLVER_FOUND_MAX])
{
	struct upstream_set *set;
	unsigned count = 0;

	if (!prior || !prior->board)
		return 0;
	set = board_take(prior->board);
	for (unsigned i = 0; i < set->count && count < RESOLVER_FOUND_MAX; i++) {
		const struct upstream_server *s = set->at[i].server;

		if (s->name && is_same_name(s->name, name))
			found[count++] = (struct resolver_found){ s->addresses[0], set->at[i].rank,
								  set->at[i].weight };
	}
	upstream_set_unref(&set);
	return count;
}

static int
compare_ranks(const void *a, const void *b)
{
	const struct resolver_found *x = a, *y = b;

	return x->priority == y->priority ? 0 : x->priority < y->priority ? -1 : 1;
}

/* 0; ERR_NOT_FOUND: it is not known. */
static int
take_over(struct upstream *u, const struct upstream_server *name, const struct upstream *prior)
{
	struct resolver_found found[RESOLVER_FOUND_MAX];
	struct resolver_answer a = { .at = found, .count = recall(prior, name, found) };

	if (a.count == 0)
		return ERR_NOT_FOUND;
	qsort(found, a.count, sizeof(found[0]), compare_ranks);
	return merge_first(u, name, &a);
}

static int
add_declared(struct upstream *u)
{
	u->set = upstream_set_new(u->count);
	if (!u->set)
		return ERR_MEMORY;
	for (unsigned i = 0; i < u->count; i++) {
		struct upstream_server *s = &u->servers[i];

		if (!s->lookup)
			upstream_set_add(
			    u->set, (struct upstream_entry){ .server = s, .weight = s->weight });
	}
	return 0;
}

/* All names that are not known are asked for at the same time. */
static int
find_names(struct upstream *u, struct source *s, struct source_build *b)
{
	const struct source *prior =
	    b->find_prior ? b->find_prior(b->argument, s->ops, s->name) : NULL;
	struct first *all = arena_zalloc(b->arena, u->count, sizeof(*all));
	struct resolver_question **questions = arena_zalloc(b->arena, u->count, sizeof(*questions));
	size_t asked = 0;
	int err = all && questions ? 0 : ERR_MEMORY;

	for (unsigned i = 0; i < u->count && !err; i++) {
		struct upstream_server *name = &u->servers[i];

		if (!name->lookup)
			continue;
		err = take_over(u, name, prior ? prior->state : NULL);
		if (err != ERR_NOT_FOUND)
			continue;
		err = 0;
		all[i] =
		    (struct first){ .upstream = u, .name = name, .source = s, .errors = b->errors };
		all[i].question = (struct resolver_question){ name->lookup, name->kind, name->port,
							      on_first, NULL };
		questions[asked++] = &all[i].question;
	}
	if (!err && asked > 0)
		resolver_run(u->resolver, questions, asked);
	for (unsigned i = 0; i < u->count && !err; i++)
		err = all[i].is_short ? ERR_MEMORY : 0;
	return err;
}

static void
take_set(void *value)
{
	upstream_set_ref(value);
}

static void
drop_set(void *value)
{
	struct upstream_set *set = value;

	upstream_set_unref(&set);
}

static bool
has_names(const struct upstream *u)
{
	for (unsigned i = 0; i < u->count; i++) {
		if (u->servers[i].lookup)
			return true;
	}
	return false;
}

int
upstream_names_load(struct upstream *u, struct source *s, struct source_build *b)
{
	int err = add_declared(u);

	if (!err && has_names(u)) {
		err = find_names(u, s, b);
		if (!err)
			u->board = arena_zalloc(b->arena, 1, sizeof(*u->board));
		if (u->board)
			board_init(u->board, upstream_set_ref(u->set), take_set, drop_set);
		else
			err = ERR_MEMORY;
	}
	if (!err)
		return 0;
	conf_error_at(b->errors, s->section, "servers", "out of memory");
	upstream_names_unload(u);
	return err;
}

void
upstream_names_unload(struct upstream *u)
{
	if (u->board)
		board_fini(u->board);
	u->board = NULL;
	upstream_set_unref(&u->set);
}

/* --- again and again, on one worker ------------------------------------------------------ */

struct watched {
	struct resolver_question question;
	struct timer timer; /* until it is asked again */
	struct upstream_share *share; /* borrowed */
	const struct upstream_server *name; /* borrowed, of the site */
	unsigned failures; /* in a row */
};

struct upstream_names {
	struct upstream_share *share;
	unsigned count;
	struct watched at[];
};

static struct loop *
loop_of(const struct watched *w)
{
	return &w->share->env->loop;
}

/* A timer that has fired is set again without memory. */
static void
ask_in(struct watched *w, uint64_t ns)
{
	if (loop_set_timer(loop_of(w), &w->timer, clock_after(loop_now(loop_of(w)), ns)) != 0)
		log_error("upstream %.*s: no memory to look up %s again",
			  SLICE_PRINT(w->share->upstream->name), w->name->lookup);
}

static void
note_failure(struct watched *w, const char *why, uint64_t least_ns)
{
	unsigned doublings = w->failures < RETRY_DOUBLINGS ? w->failures : RETRY_DOUBLINGS;
	uint64_t wait_ns = RETRY_MAX_S * CLOCK_SEC;

	if (least_ns < wait_ns >> doublings)
		wait_ns = least_ns << doublings;

	count_add(w->share->env->counters, COUNTER_UPSTREAM_NAME_FAILED, 1);
	if (w->failures++ == 0)
		log_warning("upstream %.*s: %s is not found: %s; its servers stay as they are",
			    SLICE_PRINT(w->share->upstream->name), w->name->lookup, why);
	ask_in(w, wait_ns);
}

static void
log_change(const struct watched *w, const struct upstream_set *set,
	   const struct upstream_change *change)
{
	char text[TEXT_BYTES];
	struct writer list = writer_over(text, sizeof(text));
	unsigned count = 0;

	for (unsigned i = 0; i < set->count; i++) {
		const struct upstream_server *s = set->at[i].server;

		if (s->name != w->name)
			continue;
		writer_text(&list, count++ ? ", " : "");
		writer_put(&list, s->label);
	}
	log_notice("upstream %.*s: %s has %u servers: %u came, %u went: %.*s%s",
		   SLICE_PRINT(w->share->upstream->name), w->name->lookup, count, change->added,
		   change->removed, SLICE_PRINT(writer_slice(&list)), list.is_full ? "..." : "");
}

static int
update(struct watched *w, const struct resolver_answer *a)
{
	struct board *board = w->share->upstream->board;
	struct upstream_set *old = board_take(board), *set;
	struct upstream_change change;

	/* Nobody else posts, so that old stays the newest. */
	set = upstream_set_merge(old, w->name, a, &change);
	upstream_set_unref(&old);
	if (!set)
		return ERR_MEMORY;
	if (!change.is_any) {
		upstream_set_unref(&set);
		return 0;
	}
	count_add(w->share->env->counters, COUNTER_UPSTREAM_NAME_CHANGED, 1);
	log_change(w, set, &change);
	board_post(board, set);
	return 0;
}

static void
on_answer(struct resolver_question *q, const struct resolver_answer *a)
{
	struct watched *w = CONTAINER_OF(q, struct watched, question);
	struct counters *counters = w->share->env->counters;

	if (a->err) {
		note_failure(w, a->why, a->ttl_ns);
		return;
	}
	if (update(w, a) != 0) {
		note_failure(w, "out of memory", CLOCK_SEC);
		return;
	}
	if (w->failures > 0)
		log_notice("upstream %.*s: %s is found again",
			   SLICE_PRINT(w->share->upstream->name), w->name->lookup);
	w->failures = 0;
	count_add(counters, COUNTER_UPSTREAM_NAME_FOUND, 1);
	count_add(counters, COUNTER_UPSTREAM_NAME_CUT, a->was_cut);
	ask_in(w, a->ttl_ns);
}

static void
on_time(struct timer *t)
{
	struct watched *w = CONTAINER_OF(t, struct watched, timer);

	if (resolver_ask(w->share->upstream->resolver, &w->question) != 0)
		note_failure(w, "out of memory", CLOCK_SEC);
}

static int
watch(struct upstream_names *all, const struct upstream_server *name)
{
	struct watched *w = &all->at[all->count++];

	w->share = all->share;
	w->name = name;
	w->question =
	    (struct resolver_question){ name->lookup, name->kind, name->port, on_answer, NULL };
	timer_init(&w->timer, on_time);
	return loop_set_timer(loop_of(w), &w->timer, name->known_until_ns);
}

struct upstream_names *
upstream_names_start(struct upstream_share *share)
{
	const struct upstream *u = share->upstream;
	struct upstream_names *all = mem_zalloc(1, sizeof(*all) + u->count * sizeof(all->at[0]));
	int err = 0;

	if (!all)
		return NULL;
	all->share = share;
	if (resolver_bind(u->resolver, &share->env->loop) != 0) {
		mem_free(&all);
		return NULL;
	}
	for (unsigned i = 0; i < u->count && !err; i++) {
		if (u->servers[i].lookup)
			err = watch(all, &u->servers[i]);
	}
	if (err)
		upstream_names_stop(&all);
	return all;
}

void
upstream_names_stop(struct upstream_names **names)
{
	struct upstream_names *all = *names;

	if (!all)
		return;
	for (unsigned i = 0; i < all->count; i++) {
		resolver_forget(&all->at[i].question);
		loop_clear_timer(loop_of(&all->at[i]), &all->at[i].timer);
	}
	resolver_unbind(all->share->upstream->resolver);
	mem_free(names);
}
