/*
 * What edits come to, immutable once read: edits_read.c writes it, edits.c reads it.
 */
#ifndef FOREBAY_PLAN_EDITS_PRIV_H
#define FOREBAY_PLAN_EDITS_PRIV_H

#include "plan/edits.h"

struct edits_name {
	struct slice name;
	enum field_id id;
};

struct edits_field {
	struct edits_name of;
	struct slice value; /* without a template */
	const struct template *template; /* NULL: the value is constant */
	const char *key; /* for the log */
};

struct edits {
	struct exchange_edits constant; /* the first; of use when none has a template */
	const struct edits_name *strip; /* what a response loses */
	unsigned strips;
	const struct edits_field *add; /* then gets: all of them */
	unsigned adds;
	const struct edits_field *single; /* those that are not in the block */
	unsigned singles;
	struct field_block block;
	bool varies; /* one has a template */
	bool hides_server;
};

/* exchange_edits.apply of edits.constant. */
int edits_apply_constant(const struct exchange_edits *of, struct exchange *x) MUST_CHECK;
/* exchange_edits.strip of edits.constant. */
void edits_strip_constant(const struct exchange_edits *of, struct fields *f);

#endif
