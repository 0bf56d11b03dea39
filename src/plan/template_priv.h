/*
 * What a template is compiled to, immutable from then on: template.c and template_name.c
 * write it, template_eval.c reads it.
 */
#ifndef FOREBAY_PLAN_TEMPLATE_PRIV_H
#define FOREBAY_PLAN_TEMPLATE_PRIV_H

#include "plan/template.h"

struct suggest;

enum template_kind {
	TEMPLATE_LITERAL,
	TEMPLATE_PARAM,
	TEMPLATE_QUERY,
	TEMPLATE_QUERY_VALUE,
	TEMPLATE_HEADER,
	TEMPLATE_BODY,
	TEMPLATE_BODY_JSON,
	TEMPLATE_REQUEST_ID,
	TEMPLATE_REQUEST_TRACE,
	TEMPLATE_REQUEST_METHOD,
	TEMPLATE_REQUEST_HOST,
	TEMPLATE_REQUEST_SCHEME,
	TEMPLATE_REQUEST_PATH,
	TEMPLATE_REQUEST_USER,
	TEMPLATE_REQUEST_CLAIM,
	TEMPLATE_CLIENT_ADDRESS,
	TEMPLATE_CLIENT_SUBJECT,
	TEMPLATE_ITEM,
	TEMPLATE_FLOW,
	TEMPLATE_PART_WHOLE,
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
	FORM_RAW_HOST, /* {request.host} in a path or URL */
	FORM_RAW_QUERY, /* {query} behind the "?" of a path */
	FORM_FIELD,
	FORM_JSON_STRING, /* between the quotes of a string literal */
	FORM_JSON_VALUE,
	FORM_TYPED,
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

/* What template.c and template_name.c share while they compile one text. */
struct template_compiler {
	struct arena *arena;
	const struct template_names *names;
	struct template_error *error;
	struct template *t;
	struct slice text; /* the arena's copy; variables' names are borrowed from it */
	struct writer literal; /* all literals, one behind the other */
	size_t literal_start; /* of the one that is being written */
	bool is_in_query; /* VALUE_PATH: behind the "?" */
	bool is_in_string, is_escaped; /* VALUE_JSON: where in a string literal */
};

/* Fills the error: `name` is in c->text, or empty when the text as a whole is meant; `near` may
 * be NULL. Returns err. */
int template_fail(struct template_compiler *c, int err, struct slice name, const char *why,
		  struct suggest *near);
int template_fail_memory(struct template_compiler *c);
/* The variable of that name is the whole text. */
bool template_is_alone(const struct template_compiler *c, struct slice name);
/* s starts behind a brace: the length of the name there, 0 if it is not one with a "}" behind. */
size_t template_name_length(const struct template_compiler *c, struct slice s);
/* Fills kind, name, index and path of a segment whose text is a variable's name. */
int template_resolve(struct template_compiler *c, struct template_segment *seg) MUST_CHECK;

/* A path, up to its "?", has no dot segment in any reading; see template.h. */
bool template_path_is_safe(struct slice path);

#endif
