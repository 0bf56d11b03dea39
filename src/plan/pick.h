/*
 * Picking: of a result that is an object only some members go on, under names
 * that the joined answer wants; of an array of objects, of each element.
 *
 *   pick = id, total, city = address.city, first = items.0
 *
 * What is not there is left out; a result that is neither object nor array stays as it is.
 */
#ifndef FOREBAY_PLAN_PICK_H
#define FOREBAY_PLAN_PICK_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/err.h"
#include "config/key.h"

enum { PICK_MAX = 32 };

struct pick;

/* NULL for an empty list, with what is wrong told, or without memory: *err. Builder thread. */
const struct pick *pick_compile(struct arena *a, const struct conf_list *list,
				const struct conf_section *section, struct conf_errors *errors,
				int *err) MUST_CHECK;
/* Appends the picked result to `out`, whose err says what went wrong. json has been validated. */
void pick_write(const struct pick *p, struct slice json, struct buffer *out);

#endif
