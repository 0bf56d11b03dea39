/*
 * The router: which route takes a request. One tree of segments per host name,
 * compiled once while a site is built, then read by every worker.
 *
 *   host -> node -- literal segment --> node    all literals of a router in one hash table,
 *                -- {param} ---------> node     keyed by (node, segment)
 *                -- {rest...} -------> leaf     a leaf has one route per method
 *
 * The most specific route that matches host, path and method wins: first by
 * host (exact, then the longest *.suffix, then any), then by path (segment by
 * segment from the left: literal, {param}, {rest...}), then by method (named,
 * GET for HEAD, *). A look-up allocates nothing, goes back at most once per node
 * of the tree and needs a stack of PATTERN_SEGMENTS steps, whatever the path.
 */
#ifndef FOREBAY_ROUTE_ROUTER_H
#define FOREBAY_ROUTE_ROUTER_H

#include "base/writer.h"
#include "route/pattern.h"

struct route;
struct router;

struct router_match {
	const struct route *route;
	unsigned captures;
	/* From the left, named by route->pattern.capture[]; borrowed from the path that was looked
	 * up. */
	struct slice capture[PATTERN_CAPTURES];
	struct slice rest; /* what {rest...} took, as in the path; router_decode leaves it. at is
			      NULL without one */
	unsigned allow; /* methods, by bit, of what has this host and path; after ERR_UNSUPPORTED */
};

/* Lives in the arena, as all that is added. NULL without memory. */
struct router *router_new(struct arena *a) MUST_CHECK;
/* Adds a route, whose pattern is parsed and which must outlive the router.
 * ERR_CONFLICT: *rival takes the same requests with the same right, and stays. ERR_MEMORY. */
int router_add(struct router *r, const struct route *route, const struct route **rival) MUST_CHECK;
/* After the last add, before the first find. ERR_MEMORY. */
int router_finish(struct router *r) MUST_CHECK;

/*
 * path: request.path, decoded once; authority: request.authority. 0 with *m
 * filled; ERR_NOT_FOUND: no route has that path (404); ERR_UNSUPPORTED: some
 * have, but not for that method (405, m->allow). Any thread.
 */
int router_find(const struct router *r, enum method method, struct slice authority,
		struct slice path, struct router_match *m) MUST_CHECK;
/*
 * Decodes the captures that still hold escapes into the arena; the others stay.
 * In a {param}, %2F becomes a slash. In a {rest...} it stays %2F: there a slash
 * would separate segments, which the client's did not. After a find that returned 0.
 * ERR_MEMORY; ERR_SYNTAX when the path was not one that uri_path_decode made.
 */
int router_decode(struct router_match *m, struct arena *a) MUST_CHECK;
/* "GET, HEAD, POST": for the Allow field. */
void router_write_allow(unsigned allow, struct writer *w);

#endif
