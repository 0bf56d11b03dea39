/*
 * Sets of networks, such as 10.0.0.0/8 and 2001:db8::/32, each with a value:
 * which one an address has is that of the narrowest network that holds it. Immutable once made, so
 * any thread may ask; counted, for who outlives the configuration it stands in.
 *
 * IPv4 and IPv6 are apart: ::/0 holds no IPv4 address, and ::ffff:192.0.2.0/120 is
 * 192.0.2.0/24. The word unix stands for all peers on unix sockets.
 */
#ifndef FOREBAY_BASE_NETWORKS_H
#define FOREBAY_BASE_NETWORKS_H

#include "base/address.h"
#include "base/err.h"

enum { NETWORK_KEY_BYTES = 17 }; /* the family, then the address, zeros behind it */

struct network {
	uint8_t key[NETWORK_KEY_BYTES];
	uint8_t bits; /* of the key that count, those of the family included */
	uint8_t value; /* the caller's; not 0 */
	bool has_host_bits; /* it was written with bits behind its length, which do not count */
};

struct networks;

/* "192.0.2.0/24", "192.0.2.1", "2001:db8::/32", "unix"; sets all but the value. ERR_SYNTAX. */
int network_parse(struct network *n, struct slice text) MUST_CHECK;
/* As it would stand in a configuration. */
void network_write(const struct network *n, struct writer *w);
/* Sorts the list; one that is in it twice with different values, or NULL. */
const struct network *network_find_clash(struct network *list, size_t count);

/* A set of them, with one user. Of what is in the list twice, either. NULL without memory. */
struct networks *networks_new(const struct network *list, size_t count) MUST_CHECK;
struct networks *networks_ref(struct networks *n);
/* NULL is allowed; sets *n to NULL. */
void networks_unref(struct networks **n);
/* The value of the narrowest that holds the address; 0: none does. */
unsigned networks_find(const struct networks *n, const struct address *a);

#endif
