/*
 * A queue ordered by deadline, earliest first, equal ones in the order of
 * their coming; and the sum of the work that lies before any deadline.
 *
 * A treap whose nodes sit in the items, each with the sums of its subtree: all
 * but init costs O(log n) expected, and nothing is allocated. The ranks come
 * from a generator of the queue's own, so that no order of deadlines makes it
 * deep. Not for several threads: the gate's queues are under the pool's lock.
 */
#ifndef FOREBAY_THREAD_EDF_H
#define FOREBAY_THREAD_EDF_H

#include <stdbool.h>
#include <stdint.h>

struct edf_node {
	struct edf_node *parent, *child[2];
	uint64_t deadline_ns;
	uint64_t work_ns; /* of this one */
	uint64_t sum_ns; /* of its subtree, itself included */
	unsigned count; /* likewise */
	uint32_t rank; /* not above the parent's */
};

struct edf {
	struct edf_node *root;
	uint64_t state; /* of the ranks */
};

struct edf_sum {
	uint64_t work_ns;
	unsigned count;
};

void edf_init(struct edf *e);
/* n->deadline_ns and n->work_ns are set; neither may change while it is in the queue. */
void edf_insert(struct edf *e, struct edf_node *n);
void edf_remove(struct edf *e, struct edf_node *n);
/* NULL when it is empty. */
struct edf_node *edf_first(const struct edf *e);
struct edf_node *edf_last(const struct edf *e);
/* What would come before one with that deadline. */
struct edf_sum edf_ahead(const struct edf *e, uint64_t deadline_ns);
struct edf_sum edf_all(const struct edf *e);

#endif
