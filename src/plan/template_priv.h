/*
 * What a template is compiled to: template.c writes it, template_eval.c reads it. Immutable
 * once compiled.
 */
#ifndef FOREBAY_PLAN_TEMPLATE_PRIV_H
#define FOREBAY_PLAN_TEMPLATE_PRIV_H

#include "plan/template.h"

enum template_kind {
	TEMPLATE_LITERAL,
	TEMPLATE_PARAM,
	TEMPLATE_QUERY,
	TEMPLATE_QUERY_VALUE,
	TEMPLATE_HEADER,
	TEMPLATE_BODY,
	TEMPLATE_BODY_JSON,
	TEMPLATE_REQUEST_ID,
	TEMPLATE_REQUEST_METHOD,
	TEMPLATE_CLIENT_ADDRESS,
	TEMPLATE_PART_JSON,
	TEMPLATE_PART_STATUS,
	TEMPLATE_PART_BODY,
	TEMPLATE_PART_HEADER,
	TEMPLATE_KINDS
};

/* How one variable is written; from the template's coding and the text before it. */
enum template_form {
	FORM_AS_IS,
	FORM_ENCODED,
	FORM_REST, /* {rest...} in a path */
	FORM_RAW_QUERY, /* {query} behind the "?" of a path */
	FORM_FIELD,
	FORM_JSON_STRING, /* between the quotes of a string literal */
	FORM_JSON_VALUE,
};

struct template_segment {
	enum template_kind kind;
	enum template_form form;
	struct slice text; /* the literal; of a variable its name as written */
	struct slice name; /* of a query parameter or field */
	unsigned index; /* of a path parameter or part */
	const struct slice *path; /* into JSON */
	unsigned path_count;
	unsigned variable; /* its number among variables */
};

struct template
{
	enum value_coding coding;
	struct template_needs needs;
	unsigned segment_count, variable_count;
	struct template_segment *segments;
};

/* A path, up to its "?", has no dot segment in any reading; see template.h. */
bool template_path_is_safe(struct slice path);

#endif
