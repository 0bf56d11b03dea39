/*
 * A small SQLite database in a directory of its own, and parts on it, for the
 * suites of source `sql`: users (four of them) and orders (a thousand).
 */
#ifndef FOREBAY_TESTS_SOURCE_SHOP_H
#define FOREBAY_TESTS_SOURCE_SHOP_H

#include "rig.h"

extern const struct source_ops source_sql;

enum { SHOP_PATH_BYTES = 64 };

struct shop {
	char dir[SHOP_PATH_BYTES];
	char file[SHOP_PATH_BYTES + 16];
	struct rig rig;
	struct source *source;
};

/* The directory alone. */
void shop_make_dir(struct shop *s);
void shop_open(struct shop *s);
void shop_close(struct shop *s);
/* In a connection of its own. */
void shop_execute(struct shop *s, const char *sql);

/* [database shop] with more keys, and [subrequest r.p] with those of the part. */
struct part *shop_load_with(struct shop *s, const char *database_keys, const char *part_keys);
struct part *shop_load(struct shop *s, const char *part_keys);
/* Asks the part, whose answer that is. */
void shop_expect(struct shop *s, struct part *p, const char *expected);

#endif
