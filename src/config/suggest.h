/*
 * "Did you mean ...?": of all names that would have been right, the nearest
 * one to what was written (edit distance with transpositions; case costs
 * nothing; a name that contains the other is near too).
 *
 *   struct suggest near;
 *   suggest_init(&near, written);
 *   for each declared pool: suggest_offer(&near, its name);
 *   conf_error_at(e, s, "pool", "there is no pool %s%s", conf_quote(written).text,
 *                 suggest_text(&near));
 */
#ifndef FOREBAY_CONFIG_SUGGEST_H
#define FOREBAY_CONFIG_SUGGEST_H

#include "base/slice.h"

enum { SUGGEST_BYTES = 64 }; /* longer names are neither compared nor offered */

struct suggest {
	struct slice written; /* borrowed */
	struct slice best; /* borrowed; empty: nothing is near */
	size_t distance;
	char text[SUGGEST_BYTES + 32];
};

void suggest_init(struct suggest *g, struct slice written);
/* `name` must live until suggest_text. Of equally near names the first offered wins. */
void suggest_offer(struct suggest *g, struct slice name);
/* The list ends with NULL. */
void suggest_offer_words(struct suggest *g, const char *const *words);
/* `; did you mean "x"?`, or "" when nothing is near; lives as long as g. */
const char *suggest_text(struct suggest *g);

#endif
