/*
 * What scenarios of kept answers begin with: a route with a cache, a first client whose answer may
 * be kept, and more of them who ask later.
 */
#ifndef FOREBAY_TESTS_SCENARIO_KEPT_H
#define FOREBAY_TESTS_SCENARIO_KEPT_H

#include "world.h"

#define ROUTE   "[cache c]\n[route r]\ndeadline = 1h\n"
#define FAKE    "source = upstream fake\n"
#define A(keys) "[subrequest r.a]\n" FAKE keys
#define B(keys) "[subrequest r.b]\n" FAKE keys
#define STALE   "optional = yes\nstale_in = c\nfallback = stale 60s"

/* The first client has asked, with k=1, and has its answer. */
struct world *kept_run(const char *conf);
/* Another client, who asks with that query at that time and has its answer a little later. */
struct client *kept_ask(struct world *w, uint64_t ms, const char *query);
/* Of its response; empty if it is not there. */
struct slice kept_field(const struct client *c, const char *name);
uint64_t kept_counted(struct world *w, enum counter c);

#define ck_assert_field(c, name, literal)                                                          \
	ck_assert_msg(slice_eq(kept_field(c, name), slice_of(literal)), "%s: %.*s", name,          \
		      SLICE_PRINT(kept_field(c, name)))

#endif
