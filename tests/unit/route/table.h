/*
 * A router with routes from texts, for the suites of route/.
 */
#ifndef FOREBAY_TESTS_ROUTE_TABLE_H
#define FOREBAY_TESTS_ROUTE_TABLE_H

#include "base/arena.h"
#include "route/route.h"

enum { TABLE_ROUTES = 512 };

struct table {
	struct store store;
	struct arena arena;
	struct router *router;
	struct route route[TABLE_ROUTES];
	unsigned count;
};

void table_init(struct table *t);
void table_fini(struct table *t);
/* The error of router_add; *rival is the other's index, or -1. The texts must outlive the table. */
int table_add(struct table *t, const char *match, const char *host, int *rival);
/* Adds without a conflict; its index. */
unsigned table_need(struct table *t, const char *match, const char *host);

#endif
