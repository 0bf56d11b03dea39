/*
 * What a name was found to be: a bounded list of addresses in an order of its
 * own, whatever order they come in, so that the same answer is the same list, and
 * of too many always the same are left.
 */
#ifndef FOREBAY_NET_FOUND_H
#define FOREBAY_NET_FOUND_H

#include "net/resolver.h"

struct found {
	unsigned count;
	bool was_cut;
	struct resolver_found at[RESOLVER_FOUND_MAX];
};

/* Whether it is an address that a server can have: not 0.0.0.0/8, multicast, 240.0.0.0/4, ::,
 * nor one that means nothing without an interface (fe80::/10). */
bool found_is_usable(const struct address *a);
/* Adds one; of two with the same address the one that comes first (RFC 2782) stays. */
void found_add(struct found *f, const struct resolver_found *one);
/* Where there are addresses of both families, leaves out those of a family that this machine has
 * no way to: in a container there may be no IPv6. Asks the kernel; nothing is sent. */
void found_drop_unreachable(struct found *f);

#endif
