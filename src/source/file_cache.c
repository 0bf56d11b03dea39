/*
 * Open files of a worker; see file_cache.h.
 *
 *   slot[hash] -> entry -> entry       each on one of two lists, by its last use:
 *                                      files (open_files), names without one (a quarter)
 */
#include "source/file_cache.h"

#include "base/clock.h"
#include "base/mem.h"
#include "source/source.h"

#include <unistd.h>

enum {
	SLOTS_MIN = 16,
	ABSENT_MIN = 16,
	SWEEP_S = 10, /* between looks for entries that nobody uses */
	UNUSED_S = 30,
	SWEEP_ENTRIES = 256, /* closed in one turn */
	GIVE_WAY = 32, /* closed when descriptors have run out */
};

enum which { FILES, ABSENT, LISTS };

struct file_cache {
	struct env *env; /* borrowed */
	struct loop *loop; /* of env */
	const struct file_conf *conf; /* borrowed: of the site */
	struct file_entry **slot; /* owned array */
	unsigned mask;
	struct list list[LISTS]; /* the latest used first; of file_entry.use */
	unsigned count[LISTS], most[LISTS];
	struct timer sweep;
};

/* What a worker has of the source. */
struct file_caches {
	struct env *env; /* borrowed */
	unsigned count;
	struct file_cache *of[]; /* owned; by file_conf.number */
};

/* --- entries in and out ------------------------------------------------------------ */

/* FNV-1a. Chains stay short whatever the names are: entries are few. */
static uint32_t
hash_of(struct slice name, enum coding coding)
{
	uint32_t hash = 2166136261u ^ (uint32_t)coding;

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)name.at[i]) * 16777619u;
	return hash;
}

static enum which
list_of(const struct file_entry *e)
{
	return e->state == FILE_THERE ? FILES : ABSENT;
}

static struct file_entry *
find(struct file_cache *c, struct slice name, enum coding coding, uint32_t hash)
{
	struct file_entry *e = c->slot[hash & c->mask];

	while (e && !(e->hash == hash && e->coding == coding &&
		      slice_eq(slice_make(e->name, e->name_len), name)))
		e = e->next;
	return e;
}

void
file_cache_drop(struct file_entry *e)
{
	struct file_cache *c = e->cache;
	struct file_entry **at;

	if (!c)
		return;
	at = &c->slot[e->hash & c->mask];
	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	list_remove(&e->use);
	c->count[list_of(e)]--;
	e->cache = NULL;
	file_entry_unref(e);
}

static struct file_entry *
last_used(struct file_cache *c, enum which list)
{
	return CONTAINER_OF(c->list[list].prev, struct file_entry, use);
}

static void
insert(struct file_cache *c, struct file_entry *e, uint32_t hash)
{
	enum which list = list_of(e);

	if (c->most[list] == 0)
		return;
	if (c->count[list] == c->most[list]) {
		file_cache_drop(last_used(c, list));
		if (list == FILES)
			count_add(c->env->counters, COUNTER_FILE_CLOSED_FULL, 1);
	}
	e->hash = hash;
	e->cache = c;
	e->next = c->slot[hash & c->mask];
	c->slot[hash & c->mask] = file_entry_ref(e);
	list_prepend(&c->list[list], &e->use);
	c->count[list]++;
	/* Without memory for the timer the next entry sets it. */
	if (!timer_is_set(&c->sweep) &&
	    loop_set_timer(c->loop, &c->sweep,
			   clock_after(loop_now(c->loop), SWEEP_S * CLOCK_SEC)) != 0)
		timer_init(&c->sweep, c->sweep.on_time);
}

static void
note_use(struct file_cache *c, struct file_entry *e, uint64_t now)
{
	struct list *list = &c->list[list_of(e)];

	e->used_ns = now;
	if (list->next == &e->use)
		return;
	list_remove(&e->use);
	list_prepend(list, &e->use);
}

/* --- what is closed ---------------------------------------------------------------- */

static unsigned
drop_unused(struct file_cache *c, enum which list, uint64_t before, unsigned most)
{
	unsigned dropped = 0;

	while (dropped < most && c->count[list] > 0 && last_used(c, list)->used_ns < before) {
		file_cache_drop(last_used(c, list));
		dropped++;
	}
	return dropped;
}

static void
on_sweep(struct timer *t)
{
	struct file_cache *c = CONTAINER_OF(t, struct file_cache, sweep);
	uint64_t now = loop_now(c->loop);
	uint64_t before = now > UNUSED_S * CLOCK_SEC ? now - UNUSED_S * CLOCK_SEC : 0;

	count_add(c->env->counters, COUNTER_FILE_CLOSED_UNUSED,
		  drop_unused(c, FILES, before, SWEEP_ENTRIES));
	(void)drop_unused(c, ABSENT, before, SWEEP_ENTRIES);
	if (c->count[FILES] + c->count[ABSENT] > 0 &&
	    loop_set_timer(c->loop, t, clock_after(now, SWEEP_S * CLOCK_SEC)) != 0)
		timer_init(t, on_sweep); /* set by the next entry */
}

bool
file_cache_give_way(struct file_cache *c)
{
	unsigned closed = drop_unused(c, FILES, CLOCK_NEVER, GIVE_WAY);

	count_add(c->env->counters, COUNTER_FILE_CLOSED_DESCRIPTORS, closed);
	return closed > 0;
}

/* --- looking ----------------------------------------------------------------------- */

/* Reads a small file, if all of it is in the page cache. */
static void
read_whole(struct file_found *found)
{
	size_t size = (size_t)found->facts.size;
	long n;

	if (found->facts.size > FILE_CONTENT_BYTES || size == 0)
		return;
	found->content = mem_alloc(size);
	if (!found->content)
		return;
	n = file_read_now(found->fd, found->content, size, 0);
	if (n > 0 && (size_t)n == size)
		found->got = size;
	else
		mem_free(&found->content);
}

static int
open_now(struct file_cache *c, const char *name, struct file_found *found)
{
	int fd =
	    c->conf->is_cold ? ERR_BUSY : file_open_now(&c->conf->beneath, name, &found->facts);

	if (fd == ERR_FULL && file_cache_give_way(c))
		fd = file_open_now(&c->conf->beneath, name, &found->facts);
	found->fd = fd < 0 ? -1 : fd;
	found->err = fd < 0 ? fd : 0;
	return fd < 0 && fd != ERR_NOT_FOUND && fd != ERR_FORBIDDEN ? fd : 0;
}

/* Whether what is there now is what the entry was made of. */
static bool
is_unchanged(const struct file_entry *e, const struct file_found *found)
{
	return e->state == FILE_THERE && e->is_settled && found->err == 0 &&
	       file_facts_eq(&e->facts, &found->facts);
}

static struct file_entry *
replace(struct file_cache *c, struct file_entry *old, struct slice name, enum coding coding,
	struct file_found *found)
{
	uint32_t hash = hash_of(name, coding);
	struct file_entry *e;

	if (old && is_unchanged(old, found)) {
		close(found->fd);
		mem_free(&found->content);
		e = file_entry_ref(old);
	} else {
		e = file_entry_new(c->conf, name, coding, found);
		if (old)
			file_cache_drop(old);
		if (!e)
			return NULL;
		insert(c, e, hash);
	}
	e->checked_ns = loop_now(c->loop);
	e->used_ns = e->checked_ns;
	return e;
}

int
file_cache_look(struct file_cache *c, struct slice name, enum coding coding,
		struct file_entry **entry)
{
	struct file_entry *e = find(c, name, coding, hash_of(name, coding));
	struct file_found found = { .fd = -1 };
	uint64_t now = loop_now(c->loop);
	int err;

	if (e && now - e->checked_ns < c->conf->check_ns) {
		note_use(c, e, now);
		count_add(c->env->counters, COUNTER_FILE_KEPT, 1);
		*entry = file_entry_ref(e);
		return 0;
	}
	err = open_now(c, name.at, &found);
	if (err)
		return err;
	count_add(c->env->counters, COUNTER_FILE_OPENED, 1);
	if (found.fd >= 0 && !(e && is_unchanged(e, &found)))
		read_whole(&found);
	*entry = replace(c, e, name, coding, &found);
	return *entry ? 0 : ERR_MEMORY;
}

struct file_entry *
file_cache_take(struct file_cache *c, struct slice name, enum coding coding,
		struct file_found *found)
{
	count_add(c->env->counters, COUNTER_FILE_WAITED, 1);
	return replace(c, find(c, name, coding, hash_of(name, coding)), name, coding, found);
}

/* --- caches ------------------------------------------------------------------------ */

static struct file_cache *
cache_new(struct env *env, const struct file_conf *conf)
{
	struct file_cache *c = mem_zalloc(1, sizeof(*c));
	unsigned slots = SLOTS_MIN;

	if (!c)
		return NULL;
	while (slots < conf->open_files)
		slots *= 2;
	c->slot = mem_zalloc(slots, sizeof(struct file_entry *));
	if (!c->slot) {
		mem_free(&c);
		return NULL;
	}
	c->env = env;
	c->loop = &env->loop;
	c->conf = conf;
	c->mask = slots - 1;
	c->most[FILES] = conf->open_files;
	c->most[ABSENT] = conf->open_files / 4;
	if (conf->open_files > 0 && c->most[ABSENT] < ABSENT_MIN)
		c->most[ABSENT] = ABSENT_MIN;
	for (int i = 0; i < LISTS; i++)
		list_init(&c->list[i]);
	timer_init(&c->sweep, on_sweep);
	return c;
}

static void
cache_free(struct file_cache *c)
{
	for (int i = 0; i < LISTS; i++) {
		while (c->count[i] > 0)
			file_cache_drop(last_used(c, (enum which)i));
	}
	loop_clear_timer(c->loop, &c->sweep);
	mem_free(&c->slot);
	mem_free(&c);
}

struct file_cache *
file_cache_of(const struct lease *l, unsigned source, const struct file_conf *c)
{
	struct file_caches *all = l->attached[source];
	struct file_cache **at = &all->of[c->number];

	if (!*at)
		*at = cache_new(all->env, c);
	return *at;
}

int
file_attach(struct source *s, struct lease *l)
{
	const unsigned *parts = s->state;
	unsigned count = parts ? *parts : 0;
	struct file_caches *all = mem_zalloc(1, sizeof(*all) + count * sizeof(struct file_cache *));

	if (!all)
		return ERR_MEMORY;
	all->env = l->env;
	all->count = count;
	l->attached[s->index] = all;
	return 0;
}

void
file_detach(struct source *s, struct lease *l)
{
	struct file_caches *all = l->attached[s->index];

	for (unsigned i = 0; all && i < all->count; i++) {
		if (all->of[i])
			cache_free(all->of[i]);
	}
	mem_free(&all);
	l->attached[s->index] = NULL;
}
