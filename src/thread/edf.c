/*
 * A queue ordered by deadline; see edf.h.
 */
#include "thread/edf.h"

#include <stddef.h>

void
edf_init(struct edf *e)
{
	*e = (struct edf){ .state = UINT64_C(0x9e3779b97f4a7c15) };
}

/* --- the tree ---------------------------------------------------------------------- */

/* Marsaglia, "Xorshift RNGs" (2003): 13, 7, 17. */
static uint32_t
next_rank(struct edf *e)
{
	e->state ^= e->state << 13;
	e->state ^= e->state >> 7;
	e->state ^= e->state << 17;
	return (uint32_t)(e->state >> 32);
}

static void
add_up(struct edf_node *n)
{
	n->sum_ns = n->work_ns;
	n->count = 1;
	for (unsigned i = 0; i < 2; i++) {
		if (!n->child[i])
			continue;
		n->sum_ns += n->child[i]->sum_ns;
		n->count += n->child[i]->count;
	}
}

static struct edf_node **
place_of(struct edf *e, const struct edf_node *n)
{
	if (!n->parent)
		return &e->root;
	return &n->parent->child[n->parent->child[1] == n];
}

/* Exchanges n with its parent; the order of all stays. */
static void
rotate_up(struct edf *e, struct edf_node *n)
{
	struct edf_node *above = n->parent;
	unsigned side = above->child[1] == n;
	struct edf_node *inner = n->child[!side];

	*place_of(e, above) = n;
	n->parent = above->parent;
	above->child[side] = inner;
	if (inner)
		inner->parent = above;
	n->child[!side] = above;
	above->parent = n;
	add_up(above);
	add_up(n);
}

void
edf_insert(struct edf *e, struct edf_node *n)
{
	struct edf_node **place = &e->root, *above = NULL;

	while (*place) {
		above = *place;
		above->sum_ns += n->work_ns;
		above->count++;
		place = &above->child[n->deadline_ns >= above->deadline_ns];
	}
	*place = n;
	n->parent = above;
	n->child[0] = n->child[1] = NULL;
	n->rank = next_rank(e);
	add_up(n);
	while (n->parent && n->rank > n->parent->rank)
		rotate_up(e, n);
}

/* The child that may take the place of its parent. */
static struct edf_node *
heir(const struct edf_node *n)
{
	struct edf_node *left = n->child[0], *right = n->child[1];

	if (!left || !right)
		return left ? left : right;
	return left->rank > right->rank ? left : right;
}

void
edf_remove(struct edf *e, struct edf_node *n)
{
	while (heir(n))
		rotate_up(e, heir(n));
	*place_of(e, n) = NULL;
	for (struct edf_node *above = n->parent; above; above = above->parent)
		add_up(above);
	n->parent = NULL;
}

/* --- questions ---------------------------------------------------------------------- */

static struct edf_node *
outermost(const struct edf *e, unsigned side)
{
	struct edf_node *n = e->root;

	while (n && n->child[side])
		n = n->child[side];
	return n;
}

struct edf_node *
edf_first(const struct edf *e)
{
	return outermost(e, 0);
}

struct edf_node *
edf_last(const struct edf *e)
{
	return outermost(e, 1);
}

struct edf_sum
edf_all(const struct edf *e)
{
	if (!e->root)
		return (struct edf_sum){ 0, 0 };
	return (struct edf_sum){ e->root->sum_ns, e->root->count };
}

struct edf_sum
edf_ahead(const struct edf *e, uint64_t deadline_ns)
{
	struct edf_sum ahead = { 0, 0 };
	const struct edf_node *n = e->root;

	while (n) {
		const struct edf_node *left = n->child[0];
		if (n->deadline_ns > deadline_ns) {
			n = left;
			continue;
		}
		ahead.work_ns += n->work_ns + (left ? left->sum_ns : 0);
		ahead.count += 1 + (left ? left->count : 0);
		n = n->child[1];
	}
	return ahead;
}
