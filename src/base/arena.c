/*
 * Arenas; see arena.h. Small requests come from pages of the thread's store,
 * large ones from the heap, both linked so that the end frees all.
 */
#include "base/arena.h"

#include "base/err.h"
#include "base/mem.h"

struct page {
	struct page *next;
	max_align_t pad[]; /* what follows is aligned for anything */
};

struct large {
	struct large *next;
	max_align_t at[];
};

void
arena_init(struct arena *a, struct store *store, size_t limit)
{
	*a = (struct arena){ .store = store, .limit = limit };
}

void
arena_fini(struct arena *a)
{
	while (a->cleanups) {
		struct arena_cleanup *c = a->cleanups;
		a->cleanups = c->next;
		c->run(c->argument);
	}
	while (a->large) {
		struct large *l = a->large;
		a->large = l->next;
		mem_free(&l);
	}
	while (a->pages) {
		struct page *p = a->pages;
		a->pages = p->next;
		store_give_page(a->store, p);
	}
	a->at = a->end = NULL;
	a->used = 0;
}

static void *
fail(struct arena *a)
{
	a->is_short = true;
	return NULL;
}

static void *
take_large(struct arena *a, size_t bytes)
{
	struct large *l;
	size_t total;

	if (!mem_add(bytes, sizeof(*l), &total) || total > a->limit - a->used)
		return fail(a);
	l = mem_alloc(total);
	if (!l)
		return fail(a);
	a->used += total;
	l->next = a->large;
	a->large = l;
	return l->at;
}

void *
arena_extend(struct arena *a, size_t bytes)
{
	struct page *p;

	if (bytes > (STORE_PAGE_BYTES - sizeof(*p)) / 4)
		return take_large(a, bytes);
	if (STORE_PAGE_BYTES > a->limit - a->used)
		return fail(a);
	p = store_take_page(a->store);
	if (!p)
		return fail(a);
	a->used += STORE_PAGE_BYTES;
	p->next = a->pages;
	a->pages = p;
	a->at = (char *)p->pad;
	a->end = (char *)p + STORE_PAGE_BYTES;
	return arena_alloc(a, bytes);
}

void *
arena_zalloc(struct arena *a, size_t count, size_t size)
{
	size_t bytes;
	void *at;

	if (!mem_multiply(count, size, &bytes))
		return fail(a);
	at = arena_alloc(a, bytes);
	if (at)
		memset(at, 0, bytes);
	return at;
}

struct slice
arena_copy(struct arena *a, struct slice s)
{
	char *at = arena_alloc(a, s.len + 1);

	if (!at)
		return (struct slice){ NULL, 0 };
	if (s.len)
		memcpy(at, s.at, s.len);
	at[s.len] = '\0';
	return slice_make(at, s.len);
}

int
arena_on_end(struct arena *a, arena_cleanup_fn run, void *argument)
{
	struct arena_cleanup *c = arena_alloc(a, sizeof(*c));

	if (!c)
		return ERR_MEMORY;
	*c = (struct arena_cleanup){ .next = a->cleanups, .run = run, .argument = argument };
	a->cleanups = c;
	return 0;
}
