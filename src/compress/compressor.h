/*
 * The filter that compresses one response (http/filter.h). Whether it does is
 * known with the head; then what the source gives
 *
 *   is small, in all or since the last flush --> encoded on the worker, at once
 *   is more                                  --> jobs of a pool, one at a time
 *
 * and goes on to the client as it comes out. While a job is away or the client
 * is slow the source is held at PIECE_BYTES. Bytes that wait in the encoder for
 * company are flushed after flush_after. On the worker.
 */
#ifndef FOREBAY_COMPRESS_COMPRESSOR_H
#define FOREBAY_COMPRESS_COMPRESSOR_H

#include "compress/rules.h"
#include "compress/shelf.h"
#include "net/lease.h"

/* How the pool counts the jobs of one response. */
struct compressor_charge {
	enum gate_class priority; /* of its route */
	struct slice share; /* as in struct gate_ask; in the exchange's arena */
	uint64_t patience_ns; /* how long requests of its route may take */
};

/* Puts a compressor behind the exchange's filters, before its head. Rules live as long as the
 * lease's site, the shelf as long as the lease. Without memory the response goes as it is, which is
 * counted. */
void compressor_add(struct exchange *x, const struct compress_rules *rules, struct shelf *shelf,
		    struct lease *lease, const struct compressor_charge *charge);

#endif
