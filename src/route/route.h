/*
 * A route: a pattern and the plan it leads to. Built with its site, then only
 * read, by every worker.
 */
#ifndef FOREBAY_ROUTE_ROUTE_H
#define FOREBAY_ROUTE_ROUTE_H

#include "config/key.h"
#include "guard/guard.h"
#include "route/router.h"

struct edits;
struct plan;

/* The keys of a [route NAME] section that are the router's; route_keys fills it. */
struct route_conf {
	struct slice match, host;
	uint64_t max_body;
	bool intercept_errors;
};

extern const struct conf_key route_keys[];

struct route {
	struct slice name;
	struct conf_section *section; /* borrowed from the configuration */
	struct pattern pattern;
	struct guard_list guards; /* set by whoever builds them */
	const struct plan *plan; /* set by whoever compiles plans */
	const struct edits *edits; /* set by whoever reads them; NULL: none */
	uint64_t max_body; /* bytes; of the route, else of [limits] */
	bool intercepts_errors; /* pages take the place of a source's own */
	bool reads_paths; /* a source does that reads them by rules of its own */
	unsigned index; /* in lease->routes; 0 stands for requests without a route */
};

/* Fills a route from its section and conf; what is wrong is added to errors.
 * ERR_SYNTAX: the route must not be added to a router. ERR_MEMORY. */
int route_init(struct route *t, struct conf_section *section, const struct route_conf *conf,
	       uint64_t default_max_body, struct arena *a, struct conf_errors *errors) MUST_CHECK;
/* router_add, with a conflict told to errors, both places named. */
int route_add(struct router *r, const struct route *t, struct conf_errors *errors) MUST_CHECK;

/*
 * Answers `forebayd --match 'GET /x'` (also 'GET http://host/x'; the scheme is
 * not looked at): the route that wins, where it stands, and its captures; or why
 * none does. 0 if one does, ERR_NOT_FOUND, ERR_UNSUPPORTED, ERR_SYNTAX, ERR_MEMORY.
 */
int route_explain(const struct router *r, struct slice request, struct arena *a,
		  struct writer *w) MUST_CHECK;

#endif
