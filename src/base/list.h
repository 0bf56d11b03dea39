/*
 * Intrusive doubly linked list with a sentinel: the link sits in the item,
 * so that putting an item on a list cannot fail.
 */
#ifndef FOREBAY_BASE_LIST_H
#define FOREBAY_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev; /* of a sentinel: first and last */
};

#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
/* The same of what may only be read. */
#define CONTAINER_OF_CONST(pointer, type, member)                                                  \
	((const type *)(const void *)((const char *)(pointer)-offsetof(type, member)))

/* Walks a list; the item at hand may be removed, others may not. */
#define LIST_EACH(item, keep, list)                                                                \
	for ((item) = (list)->next, (keep) = (item)->next; (item) != (list);                       \
	     (item) = (keep), (keep) = (item)->next)

static inline void
list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool
list_is_empty(const struct list *l)
{
	return l->next == l;
}

static inline void
list_append(struct list *l, struct list *item)
{
	item->prev = l->prev;
	item->next = l;
	l->prev->next = item;
	l->prev = item;
}

static inline void
list_prepend(struct list *l, struct list *item)
{
	item->next = l->next;
	item->prev = l;
	l->next->prev = item;
	l->next = item;
}

/* Leaves the item as an empty list, so that removing it twice is harmless. */
static inline void
list_remove(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}

static inline struct list *
list_take(struct list *l)
{
	struct list *first = l->next;

	if (first == l)
		return NULL;
	list_remove(first);
	return first;
}

#endif
