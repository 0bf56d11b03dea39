/*
 * Source `file`: regular files below a root directory, which no path can
 * leave. Here are its keys and what is checked while a site is built (builder
 * thread; a part owns the root's descriptor); file_reading.c serves.
 */
#include "base/clock.h"
#include "config/value.h"
#include "source/file_cache.h"
#include "source/file_reading.h"

#include <unistd.h>

static const char *const codings[] = { "br", "zstd", "gzip", NULL };

/* By the words above; the same order is that of our liking. */
static const enum coding coding_of_word[] = { CODING_BR, CODING_ZSTD, CODING_GZIP };

static const struct conf_key part_keys[] = {
	{ "root", CONF_PATH, CONF_FIELD(struct file_conf, root), .flags = CONF_REQUIRED,
	  .help = "directory that the files are below" },
	{ "path", CONF_TEMPLATE, CONF_FIELD(struct file_conf, path),
	  .help = "the file, below root; without it {path} if the route has that parameter, else "
		  "the request's path" },
	{ "index", CONF_TEXT, CONF_FIELD(struct file_conf, index), .def = "index.html",
	  .help = "file that stands for a directory, when the path ends with a slash" },
	{ "type", CONF_TEXT, CONF_FIELD(struct file_conf, type),
	  .help = "Content-Type of all files; without it, by the file's name" },
	{ "precompressed", CONF_WORDS, CONF_FIELD(struct file_conf, precompressed),
	  .words = codings,
	  .help = "codings of siblings (name.br, name.zst, name.gz) that are sent in a file's "
		  "place to clients that take them" },
	{ "cache_control", CONF_TEXT, CONF_FIELD(struct file_conf, cache_control),
	  .help = "Cache-Control of all files without a rule of their own" },
	{ "cache_control.", CONF_FAMILY, CONF_FIELD(struct file_conf, cache_controls),
	  .help = "Cache-Control of files with that extension (cache_control.css), or else whose "
		  "media type begins with that word (cache_control.image)" },
	{ "expires", CONF_DURATION, CONF_FIELD(struct file_conf, expires_ns),
	  .help = "Expires of all files without a rule of their own, counted from the answer; "
		  "also as max-age, where there is no cache_control" },
	{ "expires.", CONF_FAMILY, CONF_FIELD(struct file_conf, expirations),
	  .help = "Expires of files by extension or media type, as of cache_control.NAME" },
	{ "symlinks", CONF_BOOL, CONF_FIELD(struct file_conf, has_links), .def = "yes",
	  .help = "whether symbolic links are followed; those that lead out of root never are" },
	{ "hidden", CONF_BOOL, CONF_FIELD(struct file_conf, has_hidden), .def = "no",
	  .help = "whether names that begin with a dot are served; .well-known always is" },
	{ "listing", CONF_BOOL, CONF_FIELD(struct file_conf, has_listing), .def = "no",
	  .help = "whether a directory without an index is answered with what is in it, as a page "
		  "or, to Accept: application/json, as JSON" },
	{ "open_files", CONF_UINT, CONF_FIELD(struct file_conf, open_files), .def = "512",
	  .max = 65536,
	  .help = "files that each worker keeps open or, up to 16k each, in memory; 0: none" },
	{ "open_files_check", CONF_DURATION, CONF_FIELD(struct file_conf, check_ns), .def = "1s",
	  .help = "how long such a file is believed to be as it was, and a missing one to be "
		  "missing" },
	CONF_KEYS_END
};

static void
close_root(void *argument)
{
	struct file_conf *c = argument;

	close(c->beneath.fd);
	c->beneath.fd = -1;
}

static const char *
root_advice(int err)
{
	switch (err) {
	case ERR_NOT_FOUND:
		return "is no directory; make it, or name another";
	case ERR_FORBIDDEN:
		return "may not be searched by this user; grant it x, on every directory above too";
	case ERR_UNSUPPORTED:
		return "cannot be kept safe: openat2 is missing, which Linux has since 5.6; if a "
		       "system call filter is in force, let openat2 pass";
	default:
		return "cannot be opened";
	}
}

static int
load_root(struct file_conf *c, struct part *p, struct source_build *b)
{
	c->beneath.fd = file_open_root(c->root.at);
	if (c->beneath.fd < 0) {
		/* The whole path, however long: half a path cannot be looked for. */
		conf_error_at(b->errors, p->section, "root", "\"%.*s\" %s", SLICE_PRINT(c->root),
			      root_advice(c->beneath.fd));
		return ERR_SYNTAX;
	}
	if (arena_on_end(b->arena, close_root, c) != 0) {
		close_root(c);
		return ERR_MEMORY;
	}
	return 0;
}

static bool
has_param(const struct part *p, struct slice name)
{
	for (unsigned i = 0; i < p->path_param_count; i++) {
		if (slice_eq(p->path_params[i], name))
			return true;
	}
	return false;
}

/* PRODUCT: `match = GET /assets/{path...}` and `root` are enough. */
static int
load_path(struct file_conf *c, struct part *p, struct source_build *b)
{
	struct slice path = c->path;

	if (path.len == 0 && has_param(p, SLICE("path")))
		path = SLICE("{path}");
	c->path_value = -1;
	/* "/a" is a natural way to write it; a slash that comes from a client stays an error. */
	if (path.len > 1 && path.at[0] == '/')
		path = slice_after(path, 1);
	if (path.len > 0) {
		c->path_value = part_want(p, path, VALUE_RAW, "path");
		return c->path_value < 0 ? c->path_value : 0;
	}
	if (p->passes_through)
		return 0;
	conf_error_at(b->errors, p->section, "path",
		      "is needed, for this part is joined and the route has no {path}");
	return ERR_SYNTAX;
}

/* --- rules ----------------------------------------------------------------------------- */

/* The rule of that name, made if there is none. The last one stays free for all others. */
static struct file_rule *
rule_for(struct file_conf *c, struct file_rule *rules, struct slice which)
{
	for (unsigned i = 0; i < c->rules; i++) {
		if (slice_eq_nocase(rules[i].which, which))
			return &rules[i];
	}
	rules[c->rules].which = which;
	return &rules[c->rules++];
}

/* A rule says both, or leaves the other as it is for all. */
static int
load_expiration(struct file_rule *rule, const struct conf_named *named, struct part *p,
		struct source_build *b)
{
	uint64_t ns;

	if (value_duration(slice_trim(named->value), &ns) != 0) {
		conf_error_at(b->errors, p->section, named->entry->key.at,
			      "%s is no duration, such as 30s, 5m, 24h, 365d",
			      conf_quote(named->value).text);
		return ERR_SYNTAX;
	}
	rule->expires_s = ns / CLOCK_SEC;
	return 0;
}

static int
check_value(struct slice value, const char *key, struct part *p, struct source_build *b)
{
	if (field_is_value(value))
		return 0;
	conf_error_at(b->errors, p->section, key, "%s cannot stand in a header field",
		      conf_quote(value).text);
	return ERR_SYNTAX;
}

static int
load_rules(struct file_conf *c, struct part *p, struct source_build *b)
{
	size_t most = c->cache_controls.count + c->expirations.count + 1;
	struct file_rule *rules = arena_zalloc(b->arena, most, sizeof(*rules));
	int err = check_value(c->cache_control, "cache_control", p, b), one;

	if (!rules)
		return ERR_MEMORY;
	c->rules = 0;
	for (size_t i = 0; i < c->cache_controls.count; i++) {
		const struct conf_named *n = &c->cache_controls.at[i];

		one = check_value(n->value, n->entry->key.at, p, b);
		err = one ? one : err;
		rule_for(c, rules, n->name)->cache_control = n->value;
	}
	for (size_t i = 0; i < c->expirations.count; i++) {
		const struct conf_named *n = &c->expirations.at[i];

		one = load_expiration(rule_for(c, rules, n->name), n, p, b);
		err = one ? one : err;
	}
	rules[c->rules++] = (struct file_rule){ .cache_control = c->cache_control,
						.expires_s = c->expires_ns / CLOCK_SEC };
	c->rule = rules;
	return err;
}

/* --- parts ----------------------------------------------------------------------------- */

static void
load_codings(struct file_conf *c)
{
	c->codings = 0;
	for (unsigned i = 0; codings[i]; i++) {
		if (c->precompressed & (1u << i))
			c->coding[c->codings++] = coding_of_word[i];
	}
}

/* Each part has a cache of its own, by its number among all file parts of the site. */
static int
load_number(struct file_conf *c, struct part *p, struct source_build *b)
{
	unsigned *parts = p->source->state;

	if (!parts) {
		parts = arena_zalloc(b->arena, 1, sizeof(*parts));
		p->source->state = parts;
	}
	if (!parts)
		return ERR_MEMORY;
	c->number = (*parts)++;
	return 0;
}

static int
check_index(const struct file_conf *c, struct part *p, struct source_build *b)
{
	if (slice_find(c->index, '/') < c->index.len) {
		conf_error_at(b->errors, p->section, "index", "is a file name, without /");
		return ERR_SYNTAX;
	}
	if (c->has_listing && c->index.len == 0) {
		conf_error_at(b->errors, p->section, "listing",
			      "needs an index to look for before");
		return ERR_SYNTAX;
	}
	return 0;
}

static int
file_load_part(struct part *p, struct source_build *b)
{
	struct file_conf *c = p->conf;
	int err, one;

	c->beneath = (struct file_root){ .fd = -1, .has_links = c->has_links };
	c->pool = b->find_pool(b->argument, SLICE("blocking"));
	if (!c->pool) {
		conf_error_no_section(b->errors, p->section, NULL, "pool", SLICE("blocking"));
		return ERR_SYNTAX;
	}
	load_codings(c);
	err = check_index(c, p, b);
	one = check_value(c->type, "type", p, b);
	err = one ? one : err;
	one = load_rules(c, p, b);
	err = one ? one : err;
	one = load_path(c, p, b);
	err = one ? one : err;
	one = c->root.len > 0 ? load_root(c, p, b) : ERR_SYNTAX;
	err = one ? one : err;
	return err ? err : load_number(c, p, b);
}

static void
file_bounds(const struct part *p, struct source_bounds *b)
{
	const struct file_conf *c = p->conf;

	b->pool = c->pool;
	b->descriptors = 1;
}

const struct source_ops source_file = {
	.name = "file",
	.part_keys = part_keys,
	.part_size = sizeof(struct file_conf),
	.load_part = file_load_part,
	.attach = file_attach,
	.detach = file_detach,
	.bounds = file_bounds,
	.answer = file_answer,
	.start = file_start,
	.resume = file_resume,
	.cancel = file_cancel,
};
