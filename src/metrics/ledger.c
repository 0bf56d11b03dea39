/*
 * Ledgers; see ledger.h. Pages are only ever added, so that reading them needs
 * no lock.
 */
#include "metrics/ledger.h"

#include "base/mem.h"

#include <stdatomic.h>

struct ledger {
	atomic_uint refs;
	size_t series_bytes;
	_Atomic(struct ledger_page *) pages; /* the last made first */
};

struct ledger *
ledger_new(size_t series_bytes)
{
	struct ledger *l = mem_zalloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->series_bytes = series_bytes;
	atomic_init(&l->refs, 1);
	atomic_init(&l->pages, NULL);
	return l;
}

struct ledger *
ledger_ref(struct ledger *l)
{
	atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
	return l;
}

void
ledger_unref(struct ledger **pointer)
{
	struct ledger *l = *pointer;
	struct ledger_page *page, *next;

	*pointer = NULL;
	if (!l || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (page = atomic_load_explicit(&l->pages, memory_order_relaxed); page; page = next) {
		next = page->next;
		mem_free(&page);
	}
	mem_free(&l);
}

static struct ledger_page *
find_page(struct ledger *l, unsigned worker)
{
	struct ledger_page *page = atomic_load_explicit(&l->pages, memory_order_acquire);

	while (page && page->worker != worker)
		page = page->next;
	return page;
}

static struct ledger_page *
add_page(struct ledger *l, unsigned worker)
{
	struct ledger_page *page = mem_zalloc(1, sizeof(*page) + l->series_bytes);
	struct ledger_page *first = atomic_load_explicit(&l->pages, memory_order_relaxed);

	if (!page)
		return NULL;
	page->worker = worker;
	do {
		page->next = first;
	} while (!atomic_compare_exchange_weak_explicit(
	    &l->pages, &first, page, memory_order_release, memory_order_relaxed));
	return page;
}

void *
ledger_series(struct ledger *l, unsigned worker)
{
	struct ledger_page *page = find_page(l, worker);

	if (!page)
		page = add_page(l, worker);
	return page ? page->series : NULL;
}

const struct ledger_page *
ledger_first(const struct ledger *l)
{
	return atomic_load_explicit(&l->pages, memory_order_acquire);
}
