/*
 * Templates: texts of the configuration with places for values of a request and of results
 * that other parts gave. Compiled once while a site is built, then evaluated by any worker.
 *
 *   {id}                        the path parameter {id} or {id...} of the route
 *   {query}  {query.NAME}       the raw query; one parameter of it, decoded
 *   {header.NAME}               the first field line of that name
 *   {body}  {body.a.0.b}        the request's body; a path into it as JSON
 *   {request.id} {request.trace} {request.method} {client.address}
 *   {client.subject}            the subject of the client's certificate (RFC 2253)
 *   {request.host}              the name that the request is for, without its port
 *   {request.path}              its path, decoded once
 *   {request.scheme}            http or https
 *   {request.user} {request.claim.NAME}   who asks, and a path into what a token claims
 *   {item} {item.a.0.b}         an element of a list (foreach); a path into it
 *   {flow.NAME}                 what the route's flow has set
 *   {PART}                      another part's result, in a text that is JSON or alone in a
 *                               typed one
 *   {PART.a.0.b}                a path into the JSON of another part's result
 *   {PART:status} {PART:body} {PART:header.NAME}
 *
 * Grammar. "{" starts a variable only before a name and "}"; any other brace is text, so that
 * `{"a": {id}, "b": {}}` means what it looks like. A name is
 *
 *   name  = word                     word  = [a-z][a-z0-9_-]*
 *         / word "." step *("." step)   step  = 1*( letter / digit / one of _-$@[]~ / not ASCII )
 *         / word ":" ("status" / "body" / "header." step *("." step))
 *
 * and also word ":" letters when the word is a part's name, which is then an error. Of n
 * braces in a row before a name and "}", each two are one brace of text, and the last one,
 * if n is odd, starts the variable: `{{id}` is the text `{id}`, `{{{id}` is a brace and the
 * value. Nowhere else are braces doubled, and "}" never is.
 *
 * What a value may do depends on where it goes (enum value_coding); the text around it is
 * never changed, but checked when it is compiled:
 *
 *   VALUE_RAW    nothing is done
 *   VALUE_PATH   percent-encoded; of {rest...} slashes stay, and so do the %2F and %25 that
 *                the client sent; {query} behind a "?" stays. The path as a whole may have no dot
 *                segment, also none that a decoding of %2E, %2F or %5C would bring about.
 *   VALUE_QUERY  percent-encoded
 *   VALUE_FIELD  must be a field value: no CR, LF, NUL or other control (RFC 9110 5.5)
 *   VALUE_JSON   inside a string literal of the text: escaped; outside: a JSON value (a path's
 *                value as it stands, null included, a status as a number, else a string)
 *   VALUE_TYPED  a variable that stands alone and has a type (a path's value, a part's result, a
 *                status) is a JSON value, null included, but of a string the opening quote
 *                and then its plain text, to the end; all else as VALUE_RAW
 */
#ifndef FOREBAY_PLAN_TEMPLATE_H
#define FOREBAY_PLAN_TEMPLATE_H

#include "base/arena.h"
#include "base/err.h"
#include "http/request.h"
#include "source/source.h"

struct template;

enum {
	TEMPLATE_PARTS_MAX = 64,
	TEMPLATE_FLOW_MAX = 32,
	TEMPLATE_NO_REST = -1,
	TEMPLATE_ERROR_BYTES = 256
};

/* Names of {flow.NAME}, each once: whoever uses one adds it. */
struct template_flow {
	struct slice name[TEMPLATE_FLOW_MAX];
	unsigned count;
};

/* What variables may name. Borrowed during template_compile only. */
struct template_names {
	const struct slice *params; /* path parameters of the route */
	unsigned param_count;
	int rest; /* which of them is the {rest...}, or TEMPLATE_NO_REST */
	const struct slice *parts; /* the other parts of the route, in its order */
	unsigned part_count; /* at most TEMPLATE_PARTS_MAX */
	bool has_item; /* {item}: an element of a list */
	bool lacks_user; /* the route asks nobody who they are */
	struct template_flow *flow; /* NULL: the route has no flow */
};

struct template_error {
	int err; /* ERR_SYNTAX, ERR_NOT_FOUND (no such name) or ERR_MEMORY */
	size_t offset; /* in the text */
	char text[TEMPLATE_ERROR_BYTES]; /* one phrase: `there is no ... "x"; did you mean "y"?` */
};

/* What must be there before a template can be evaluated. */
struct template_needs {
	uint64_t parts; /* bit i: the result of names.parts[i] */
	bool has_body; /* the whole body of the request */
	bool has_body_json; /* the same, checked by json_validate */
};

/* The result of a part that has ended. */
struct template_result {
	int status;
	const struct fields *fields; /* NULL: none */
	struct slice body;
	struct slice json; /* the result as JSON, once json_validate passed it; else empty */
};

struct exchange;

/* Where values come from; all of it borrowed. What no template needs may be left out. */
struct template_scope {
	const struct slice *params; /* by names.params, decoded */
	struct slice rest; /* of {rest...}: as in request.path, before decoding; at == NULL: none */
	const struct request *request;
	struct slice request_id, client_address;
	/* Where these two are empty they are made of it once a template asks: few do. NULL: they
	 * are what they are. */
	struct exchange *exchange;
	struct slice user; /* empty: nobody is known */
	struct slice claims; /* a checked JSON text; empty: there are none */
	struct slice item; /* as JSON */
	struct slice body;
	struct slice body_json; /* the same, once json_validate passed it; else empty */
	const struct template_result *const *results; /* by names.parts; NULL: none */
	const struct slice *flow; /* by names.flow; at NULL: not set */
	/* In a text that is JSON, what is absent becomes null, and nothing inside a string, instead
	 * of ERR_MISSING. */
	bool absent_is_null;
};

/*
 * Compiles a text, which may go afterwards. The template lives in the arena. NULL with *e
 * filled: a name that nothing bears, a path or field that could never be sent, or no memory.
 */
struct template *template_compile(struct arena *a, struct slice text, enum value_coding coding,
				  const struct template_names *names,
				  struct template_error *e) MUST_CHECK;

struct template_needs template_needs(const struct template *t);
/* True without variables: then *text is the value for every request. */
bool template_is_constant(const struct template *t, struct slice *text);
/* True of VALUE_TYPED when what is evaluated is a value with its type. */
bool template_is_typed(const struct template *t);
unsigned template_variable_count(const struct template *t);
/* The i-th variable as written, without braces: for logs. */
struct slice template_variable_name(const struct template *t, unsigned i);

/*
 * *result lives as long as the arena, the template and what the scope borrows: a text
 * without variables, and a variable that stands alone and is not encoded, are not copied.
 * ERR_MISSING: a value is absent (a parameter, field or member that is not there, null, a part
 * without result); ERR_SYNTAX: a value cannot stand where it would go. Then *variable is its index
 * for template_variable_name. ERR_TOO_LARGE: over `limit` bytes, which a text that is not copied
 * may be: whoever holds it has bounded it. ERR_MEMORY.
 */
int template_eval(const struct template *t, const struct template_scope *scope, struct arena *a,
		  size_t limit, struct slice *result, unsigned *variable) MUST_CHECK;

#endif
