/*
 * One value of a key table: text into a field of a struct. For key.c.
 */
#ifndef FOREBAY_CONFIG_FIELD_H
#define FOREBAY_CONFIG_FIELD_H

#include "config/key.h"

enum { FIELD_WHY_BYTES = 384 };

struct field {
	const struct conf_key *key;
	struct conf *conf; /* for memory */
	const struct conf_file *file; /* what paths are relative to */
	void *at; /* the field; cleared before */
	char why[FIELD_WHY_BYTES]; /* what is wrong, once a function failed with ERR_SYNTAX */
};

/* `text` is trimmed, not empty, and lives as long as the tree. 0, ERR_SYNTAX with
 * `why` filled and the field cleared, ERR_MEMORY. */
int field_parse(struct field *f, struct slice text) MUST_CHECK;
/* Is an empty value a value (texts), or the lack of one? */
bool field_takes_empty(enum conf_type type);
/* Is `text` one of the words that stand for themselves where a path may stand? */
bool field_is_word(const struct conf_key *k, struct slice text);
/* ASSERTs that the table's line is sound: width, words, range. */
void field_check(const struct conf_key *k);

#endif
