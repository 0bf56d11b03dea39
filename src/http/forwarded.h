/*
 * Who asked, where trusted proxies say so: Forwarded (RFC 7239) and
 * X-Forwarded-For, read from the right. Each proxy appends who asked it, so that what stands at the
 * right was written by the peer, what is left of it by whoever that was, and so on: the
 * first address that is no trusted proxy's is the client's, and everything left of it is
 * the client's own invention and never looked at.
 *
 * Pure; called by the worker when a request begins.
 */
#ifndef FOREBAY_HTTP_FORWARDED_H
#define FOREBAY_HTTP_FORWARDED_H

#include "base/networks.h"
#include "http/exchange.h"

/* What the trusted proxies write. */
enum forwarded_field {
	FORWARDED_AUTO, /* the one that is there; where both are, neither counts */
	FORWARDED_X, /* X-Forwarded-For */
	FORWARDED_RFC7239, /* Forwarded */
};

enum { FORWARDED_HOPS_MAX = 64 }; /* read at most; then the last that was read is the client */

/*
 * Of an exchange that begins: when x->near is in `trusted`, sets x->vouched, and
 * x->client and x->scheme to what the fields say; under FORWARDED_AUTO with both fields, nothing.
 * An identifier that is no address
 * ("unknown", "_hidden", or junk) ends the walk: the client is then who said so. ERR_MEMORY:
 * nothing changed.
 */
int forwarded_apply(struct exchange *x, const struct networks *trusted,
		    enum forwarded_field which) MUST_CHECK;

/* The host that servers are told of beside the authority: a trusted proxy's X-Forwarded-Host, or
 * the authority itself. Borrowed. */
struct slice forwarded_host(const struct request *q, enum field_id vouched);
/*
 * What servers are told of the target on a trusted proxy's word and is neither x->scheme nor the
 * authority, as text that is another when they are told something else: X-Forwarded-Host, or what
 * Forwarded says but for whose request it was. Writes nothing where there is nothing more to know.
 */
void forwarded_write_more(const struct exchange *x, struct writer *w);

#endif
