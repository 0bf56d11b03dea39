/*
 * Source `file`: regular files below a root directory, which no path can
 * leave. Here are its keys and what is checked while a site is built (builder
 * thread; a part owns the root's descriptor); file_reading.c serves.
 */
#include "source/file_open.h"
#include "source/file_reading.h"

#include <unistd.h>

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
	CONF_KEYS_END
};

static void
close_root(void *argument)
{
	struct file_conf *c = argument;

	close(c->root_fd);
	c->root_fd = -1;
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
	c->root_fd = file_open_root(c->root.at);
	if (c->root_fd < 0) {
		/* The whole path, however long: half a path cannot be looked for. */
		conf_error_at(b->errors, p->section, "root", "\"%.*s\" %s", SLICE_PRINT(c->root),
			      root_advice(c->root_fd));
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

static int
file_load_part(struct part *p, struct source_build *b)
{
	struct file_conf *c = p->conf;
	int path_err, err;

	c->root_fd = -1;
	c->pool = b->find_pool(b->argument, SLICE("blocking"));
	if (!c->pool) {
		conf_error_at(b->errors, p->section, NULL, "files need [pool blocking]");
		return ERR_SYNTAX;
	}
	if (slice_find(c->index, '/') < c->index.len) {
		conf_error_at(b->errors, p->section, "index", "is a file name, without /");
		return ERR_SYNTAX;
	}
	path_err = load_path(c, p, b);
	err = c->root.len > 0 ? load_root(c, p, b) : ERR_SYNTAX;
	return path_err ? path_err : err;
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
	.bounds = file_bounds,
	.answer = file_answer,
	.start = file_start,
	.resume = file_resume,
	.cancel = file_cancel,
};
