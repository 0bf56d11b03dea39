/*
 * A format, compiled once from the configuration into a list of fields with the
 * text between them. Memory of the site; read by every worker.
 *
 *   combined               as Apache and nginx have it
 *   json                   an object with `fields`, one to a line
 *   any other text         a template: GET {request.target} took {duration}
 */
#ifndef FOREBAY_ACCESSLOG_ACCESS_FORMAT_H
#define FOREBAY_ACCESSLOG_ACCESS_FORMAT_H

#include "accesslog/access_conf.h"
#include "accesslog/access_field.h"
#include "base/arena.h"

struct access_item {
	struct slice before; /* text in front of the field */
	const struct access_field *field;
	struct access_header header;
};

struct access_format {
	const struct access_item *item;
	unsigned count;
	struct slice tail; /* text behind the last field */
	bool is_json;
	bool wants_parts;
};

/* Adds what is wrong to e, at the section's lines, and then returns NULL; NULL also without memory,
 * which it says too. */
const struct access_format *access_format_new(struct arena *a, const struct access_conf *c,
					      const struct conf_section *s,
					      struct conf_errors *e) MUST_CHECK;

#endif
