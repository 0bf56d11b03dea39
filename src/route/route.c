/*
 * Routes from their sections, and the answer to `forebayd --match`; see
 * route.h. Builder or main thread.
 */
#include "route/route.h"

#include "http/uri.h"

const struct conf_key route_keys[] = {
	{ "match", CONF_TEXT, CONF_FIELD(struct route_conf, match), .flags = CONF_REQUIRED,
	  .help = "METHOD /path with {param} and a last {rest...}; GET|POST for several methods, * "
		  "for any" },
	{ "host", CONF_TEXT, CONF_FIELD(struct route_conf, host),
	  .help = "name without port that the request must be for, or *.suffix; empty: any" },
	{ "max_body", CONF_SIZE, CONF_FIELD(struct route_conf, max_body),
	  .help = "largest request body, 413 above; else that of [limits]" },
	{ "intercept_errors", CONF_BOOL, CONF_FIELD(struct route_conf, intercept_errors),
	  .def = "no",
	  .help = "a source's answers with status 400 and above get the [error_page] of their "
		  "status, where there is one" },
	CONF_KEYS_END
};

static int
tell(struct conf_errors *errors, struct conf_section *section, const char *key, int err,
     struct pattern_fault fault)
{
	if (err == ERR_SYNTAX)
		conf_error_at(errors, section, key, "%s %s", conf_quote(fault.where).text,
			      fault.why);
	return err;
}

int
route_init(struct route *t, struct conf_section *section, const struct route_conf *conf,
	   uint64_t default_max_body, struct arena *a, struct conf_errors *errors)
{
	struct pattern_fault fault = { "", { NULL, 0 } };
	int err, host_err;

	*t = (struct route){ .name = section->name, .section = section };
	t->intercepts_errors = conf->intercept_errors;
	t->max_body = conf_is_set(section, "max_body") ? conf->max_body : default_max_body;
	err = tell(errors, section, "match", pattern_parse(&t->pattern, conf->match, a, &fault),
		   fault);
	host_err = tell(errors, section, "host",
			pattern_parse_host(&t->pattern, conf->host, a, &fault), fault);
	return err ? err : host_err;
}

int
route_add(struct router *r, const struct route *t, struct conf_errors *errors)
{
	const struct route *rival = NULL;
	int err = router_add(r, t, &rival);

	if (err == ERR_CONFLICT)
		conf_error_at(
		    errors, t->section, "match",
		    "takes the same requests as [route %.*s] at %s:%u: one of them never gets any",
		    SLICE_PRINT(rival->name), conf_file_name(rival->section, "match"),
		    conf_line(rival->section, "match"));
	return err;
}

static void
write_route(const struct router_match *m, struct writer *w)
{
	const struct route *t = m->route;

	writer_format(w, "[route %.*s] at %s:%u: %.*s", SLICE_PRINT(t->name),
		      conf_file_name(t->section, "match"), conf_line(t->section, "match"),
		      SLICE_PRINT(t->pattern.match));
	if (t->pattern.host_kind != HOST_ANY)
		writer_format(w, " host %s%.*s", t->pattern.host_kind == HOST_SUFFIX ? "*" : "",
			      SLICE_PRINT(t->pattern.host));
	writer_char(w, '\n');
	for (unsigned i = 0; i < m->captures; i++)
		writer_format(w, "  %.*s = %.*s\n", SLICE_PRINT(t->pattern.capture[i]),
			      SLICE_PRINT(m->capture[i]));
}

/* Up to where a path or a query begins. */
static size_t
authority_len(struct slice s)
{
	size_t slash = slice_find(s, '/'), query = slice_find(s, '?');

	return slash < query ? slash : query;
}

/* Cuts "http://host" off a target, if it is there. */
static struct slice
take_authority(struct slice *target)
{
	size_t scheme = slice_find(*target, ':');
	struct slice rest = slice_after(*target, scheme), authority;

	if (!slice_has_prefix(rest, SLICE("://")))
		return slice_make(NULL, 0);
	rest = slice_after(rest, 3);
	authority = slice_make(rest.at, authority_len(rest));
	*target = slice_after(rest, authority.len);
	return authority;
}

/* The path of a target, decoded as that of a request. */
static int
target_path(struct slice target, struct arena *a, struct slice *path)
{
	struct slice raw = slice_cut(&target, '?');
	char *memory = arena_alloc(a, raw.len + 1);

	if (!memory)
		return ERR_MEMORY;
	if (raw.len == 0)
		raw = SLICE("/");
	return uri_path_decode(raw, memory, path);
}

int
route_explain(const struct router *r, struct slice request, struct arena *a, struct writer *w)
{
	struct slice target = slice_trim(request), method, authority, path;
	struct router_match m;
	int err;

	method = slice_cut(&target, ' ');
	target = slice_trim(target);
	if (target.len == 0) {
		writer_text(w,
			    "not a request: write it as 'GET /path' or 'GET http://host/path'\n");
		return ERR_SYNTAX;
	}
	authority = take_authority(&target);
	err = target_path(target, a, &path);
	/* RFC 9110 9.3.7: asked about the server as a whole, not about a route. */
	if (err && method_of(method) == METHOD_OPTIONS && slice_eq(target, SLICE("*")))
		writer_text(w, "no route: 204, the server itself answers OPTIONS *\n");
	else if (err == ERR_SYNTAX)
		writer_format(w, "%.*s is not a path: such a request is refused with 400\n",
			      SLICE_PRINT(target));
	if (err)
		return err;
	err = router_find(r, method_of(method), authority, path, &m);
	if (err == ERR_UNSUPPORTED) {
		writer_text(w, "no route: 405, the path is there for ");
		router_write_allow(m.allow, w);
		writer_text(w, " only\n");
	} else if (err) {
		writer_text(w, "no route: 404, no route has such a path\n");
	}
	if (err)
		return err;
	err = router_decode(&m, a);
	if (!err)
		write_route(&m, w);
	return err;
}
