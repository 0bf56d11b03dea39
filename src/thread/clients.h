/*
 * How many connections each client has open, for all workers at once: a table of
 * bounded size without locks, in which an entry is one word, half a hash and a count.
 * A client is an address, of IPv6 its /64, which is one customer's. Hashes have a key
 * of the table's own, so that nobody can choose with whom to share a bucket.
 *
 * Where a bucket is full of others, a client is let in and not counted: rather one too
 * many than somebody refused for what others do. Connections that come at the same moment
 * to several workers may all be the last one that is let in.
 *
 * Any thread.
 */
#ifndef FOREBAY_THREAD_CLIENTS_H
#define FOREBAY_THREAD_CLIENTS_H

#include "base/address.h"

struct clients;

enum clients_answer { CLIENTS_COUNTED, CLIENTS_UNCOUNTED, CLIENTS_TOO_MANY };

/* For so many connections. NULL without memory. */
struct clients *clients_new(unsigned connections) __attribute__((warn_unused_result));
/* NULL is allowed; sets *c to NULL. */
void clients_free(struct clients **c);

/* One more, if there are fewer than `limit`, which is from 1 to 65535. Who was counted is given
 * back once. A client without an address, of a unix socket, is never counted. */
enum clients_answer clients_take(struct clients *c, const struct address *who, unsigned limit);
void clients_give(struct clients *c, const struct address *who);

#endif
