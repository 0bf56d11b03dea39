/*
 * A pond: the filter (http/filter.h) that keeps what a slow client does not take
 * yet of one response, so that a source is done with it at its own pace, and
 * what it holds - a connection to an upstream - is free for others.
 *
 *   source --> [ tail, back ] --write jobs--> file --read jobs--> [ front ] --> client
 *                    '------ as long as nothing is in the file ------^
 *
 * Nothing is kept of what the client takes at once. Above `memory` bytes there is
 * a file, above `file` bytes in it, or where there is none, the source is held up
 * as it is without a pond. A source that fails is passed on as a cut behind what
 * it has said. On the worker that owns the exchange; in its arena.
 */
#ifndef FOREBAY_PLAN_POND_H
#define FOREBAY_PLAN_POND_H

#include "http/exchange.h"
#include "net/lease.h"
#include "thread/gate.h"

struct spool_conf;

/* Of a route. */
struct pond_conf {
	const struct spool_conf *spool; /* where files are, and who writes them; borrowed */
	size_t memory; /* bytes kept in memory, and at most one read of the source more */
	uint64_t file; /* bytes in a file; 0: there is none */
	enum gate_class priority;
};

enum { POND_MEMORY_LEAST = 64 << 10 };

/* Behind the exchange's filters, before its head. Without memory there is none. */
void pond_add(struct exchange *x, struct lease *lease, const struct pond_conf *conf);

#endif
