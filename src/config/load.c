/*
 * Reads the main file and its drop-ins into a tree: conf_load and conf_read
 * of conf.h. Runs on the thread that builds a site, so it may block on files.
 */
#include "config/conf.h"

#include "base/mem.h"
#include "config/conf_priv.h"
#include "config/expand.h"
#include "config/ini.h"
#include "config/value.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIPE_WAIT_MS = 5000 }; /* for what writes into a pipe; the server must be able to end */

struct loader {
	struct conf *conf;
	const struct conf_include *include; /* NULL: nothing is included */
	struct conf_errors *errors;
	struct conf_file *file; /* at hand */
	struct conf_section *section; /* at hand; NULL: its keys are dropped */
	bool is_repeated; /* the section at hand was there before */
	bool is_drop_in; /* the file at hand */
};

static int
fail_memory(struct loader *l)
{
	conf_error(l->errors, l->file ? l->file->name : "configuration", 0,
		   "out of memory, or above the %u MiB that a configuration may take",
		   (unsigned)(CONF_MAX_BYTES >> 20));
	return ERR_MEMORY;
}

/* --- items into the tree -------------------------------------------------------- */

static int
take_section(struct loader *l, const struct ini_item *item)
{
	struct conf_section *s = conf_find(l->conf, item->section_kind, item->section_name);

	l->section = s;
	l->is_repeated = s != NULL;
	if (s) {
		conf_error(l->errors, l->file->name, item->line,
			   "[%.*s%s%.*s]: the section is repeated; it began at %s:%u",
			   SLICE_PRINT(s->kind), s->name.len > 0 ? " " : "", SLICE_PRINT(s->name),
			   s->file->name, s->line);
		return 0;
	}
	if (l->conf->section_count >= CONF_MAX_SECTIONS) {
		conf_error(l->errors, l->file->name, item->line, "more than %d sections",
			   CONF_MAX_SECTIONS);
		return ERR_TOO_MANY;
	}
	s = conf_add_section(l->conf, item->section_kind, item->section_name);
	if (!s)
		return fail_memory(l);
	s->file = l->file;
	s->line = item->line;
	l->section = s;
	return 0;
}

static int
expand_entry(struct loader *l, struct conf_entry *entry)
{
	struct expand_fault fault = { .what = NULL };
	int err;

	if (!expand_is_needed(entry->raw))
		return 0;
	err = expand(&l->conf->arena, entry->raw, &entry->value, &fault);
	if (err == ERR_MEMORY)
		return fail_memory(l);
	if (err) {
		entry->is_bad = true;
		conf_error_at(l->errors, l->section, entry->key.at, "%s: %s",
			      conf_quote(fault.text).text, fault.what);
	}
	return 0;
}

static bool
is_include(const struct loader *l, const struct conf_section *s, struct slice key)
{
	return l->include && s->name.len == 0 && slice_eq(s->kind, slice_of(l->include->kind)) &&
	       slice_eq(key, slice_of(l->include->key));
}

/* Reports what speaks against the entry at hand; true: it goes no further. */
static bool
is_refused(struct loader *l, const struct ini_item *item)
{
	const struct conf_entry *first = conf_entry_of(l->section, item->key);
	const char *file = l->file->name;
	unsigned line = item->line;

	if (l->is_drop_in && is_include(l, l->section, item->key)) {
		conf_error(l->errors, file, line, "[%s] %s: an included file cannot include others",
			   l->include->kind, l->include->key);
		return true;
	}
	if (first && !l->is_repeated)
		conf_error(l->errors, file, line,
			   "[%.*s%s%.*s] %.*s: duplicate key; the first is at line %u",
			   SLICE_PRINT(l->section->kind), l->section->name.len > 0 ? " " : "",
			   SLICE_PRINT(l->section->name), SLICE_PRINT(item->key), first->line);
	else if (!first && l->section->count >= CONF_MAX_ENTRIES)
		conf_error(l->errors, file, line, "more than %d keys in one section",
			   CONF_MAX_ENTRIES);
	else
		return first != NULL;
	return true;
}

static int
take_entry(struct loader *l, const struct ini_item *item)
{
	struct conf_entry *entry;

	if (!l->section || is_refused(l, item))
		return 0;
	entry = conf_add_entry(l->section, item->key, item->value);
	if (!entry)
		return fail_memory(l);
	entry->file = l->file;
	entry->line = item->line;
	return expand_entry(l, entry);
}

static int
take_item(struct loader *l, const struct ini_item *item)
{
	switch (item->kind) {
	case INI_SECTION:
		return take_section(l, item);
	case INI_ENTRY:
		return take_entry(l, item);
	case INI_ERROR:
		conf_error(l->errors, l->file->name, item->line, "%s: %s",
			   conf_quote(item->text).text, item->what);
		return 0;
	case INI_END:
		break;
	}
	return 0;
}

static int
take_text(struct loader *l, struct slice text)
{
	char *memory = text.len > 0 ? mem_alloc(text.len) : NULL;
	struct ini_item item;
	struct ini reader;
	int err = 0;

	if (text.len > 0 && !memory)
		return fail_memory(l);
	l->section = NULL;
	ini_init(&reader, text, memory);
	while (err == 0 && ini_next(&reader, &item) != INI_END)
		err = take_item(l, &item);
	mem_free(&memory);
	return err == ERR_TOO_MANY ? 0 : err;
}

/* --- files ---------------------------------------------------------------------- */

/* The absolute directory of a file's name, in `dir` of PATH_MAX bytes. */
static int
find_dir(const char *name, char *dir)
{
	struct writer w = writer_over(dir, PATH_MAX - 1);
	const char *slash = strrchr(name, '/');
	struct slice part = slice_make(name, slash ? (size_t)(slash - name) : 0);

	while (slice_has_prefix(part, SLICE("./")))
		part = slice_after(part, 2);
	if (name[0] != '/') {
		if (!getcwd(dir, PATH_MAX - 1))
			return ERR_SYSTEM;
		w.len = strlen(dir);
		if (part.len > 0 && !slice_eq(part, SLICE(".")) && w.len > 1)
			writer_char(&w, '/');
	}
	if (name[0] == '/' && part.len == 0)
		writer_char(&w, '/');
	if (!slice_eq(part, SLICE(".")))
		writer_put(&w, part);
	if (w.is_full)
		return ERR_TOO_LARGE;
	dir[w.len] = '\0';
	return 0;
}

/* Makes `name` the file at hand. */
static int
begin_file(struct loader *l, const char *name)
{
	char dir[PATH_MAX];
	int err = find_dir(name, dir);

	if (err) {
		conf_error(l->errors, name, 0, "its directory cannot be told: %s",
			   err == ERR_SYSTEM ? strerror(errno) : "the path is too long");
		return err;
	}
	if (l->conf->file_count >= CONF_MAX_FILES) {
		conf_error(l->errors, name, 0, "more than %d files", CONF_MAX_FILES);
		return ERR_TOO_MANY;
	}
	l->file = conf_add_file(l->conf, name, dir);
	return l->file ? 0 : fail_memory(l);
}

/* As read(2); a pipe that stays empty is ETIMEDOUT. */
static ssize_t
read_some(int fd, char *memory, size_t cap)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t got;
	int ready = 1;

	do {
		got = read(fd, memory, cap);
		if (got < 0 && errno == EAGAIN)
			ready = poll(&p, 1, PIPE_WAIT_MS);
	} while (got < 0 && (errno == EINTR || errno == EAGAIN) && ready != 0);
	if (ready == 0)
		errno = ETIMEDOUT;
	return got;
}

/* *text is owned by the caller. 0, ERR_SYSTEM with errno, ERR_TOO_LARGE, ERR_MEMORY. */
static int
read_all(int fd, char **text, size_t *len)
{
	size_t cap = CONF_FILE_BYTES + 1, at = 0;
	char *memory = mem_alloc(cap);
	ssize_t got = 1;

	if (!memory)
		return ERR_MEMORY;
	while (got != 0 && at < cap) {
		got = read_some(fd, memory + at, cap - at);
		if (got < 0) {
			mem_free(&memory);
			return ERR_SYSTEM;
		}
		at += (size_t)got;
	}
	if (at == cap) {
		mem_free(&memory);
		return ERR_TOO_LARGE;
	}
	*text = memory;
	*len = at;
	return 0;
}

/* Remembers which file this is; ERR_CONFLICT if it was read before. */
static int
note_identity(struct loader *l, int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return ERR_SYSTEM;
	for (const struct conf_file *f = l->conf->files; f; f = f->next) {
		if (f->inode == st.st_ino && f->device == st.st_dev)
			return ERR_CONFLICT;
	}
	l->file->device = st.st_dev;
	l->file->inode = st.st_ino;
	return 0;
}

static const char *
explain(int err)
{
	switch (err) {
	case ERR_SYSTEM:
		return strerror(errno);
	case ERR_TOO_LARGE:
		return "it is larger than 1 MiB";
	case ERR_CONFLICT:
		return "it is included twice, or includes itself";
	default:
		return err_text(err);
	}
}

/* Opens and reads the file at hand. What goes wrong is said at `s` (an include) or the file. */
static int
read_file(struct loader *l, const struct conf_section *s, char **text, size_t *len)
{
	int fd = open(l->file->name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int err = fd < 0 ? ERR_SYSTEM : note_identity(l, fd);
	const char *why;

	if (!err)
		err = read_all(fd, text, len);
	why = explain(err);
	if (fd >= 0)
		close(fd);
	if (err && s)
		conf_error_at(l->errors, s, l->include->key, "cannot read %s: %s", l->file->name,
			      why);
	else if (err)
		conf_error(l->errors, l->file->name, 0, "cannot read it: %s", why);
	return err;
}

static int
take_file(struct loader *l, const char *name, const struct conf_section *s)
{
	char *text = NULL;
	size_t len = 0;
	int err = begin_file(l, name);

	if (!err)
		err = read_file(l, s, &text, &len);
	if (!err)
		err = take_text(l, slice_make(text, len));
	mem_free(&text);
	return err;
}

/* --- includes ------------------------------------------------------------------- */

/* A pattern relative to the file's directory; that directory's own * and ? are plain. */
static int
write_pattern(char *memory, const char *file, struct slice item)
{
	const char *slash = strrchr(file, '/');
	struct writer w = writer_over(memory, PATH_MAX - 1);

	for (; item.at[0] != '/' && slash && file <= slash; file++) {
		if (strchr("*?[]\\", *file))
			writer_char(&w, '\\');
		writer_char(&w, *file);
	}
	writer_put(&w, item);
	memory[w.len] = '\0';
	return w.is_full ? ERR_TOO_LARGE : 0;
}

/* A directory that is not there matches nothing; one that cannot be read is an error. */
static int
on_glob_error(const char *path, int code)
{
	(void)path;
	return code != ENOENT && code != ENOTDIR;
}

static int
compare_names(const void *left, const void *right)
{
	const char *const *a = left, *const *b = right;

	return strcmp(*a, *b);
}

static int
take_matches(struct loader *l, glob_t *found, const struct conf_section *s)
{
	int err = 0;

	qsort(found->gl_pathv, found->gl_pathc, sizeof(*found->gl_pathv), compare_names);
	for (size_t i = 0; i < found->gl_pathc && err != ERR_MEMORY; i++)
		err = take_file(l, found->gl_pathv[i], s);
	return err == ERR_MEMORY ? err : 0;
}

static int
take_pattern(struct loader *l, const struct conf_section *s, struct slice item)
{
	char pattern[PATH_MAX];
	glob_t found = { .gl_pathc = 0 };
	bool is_pattern = false;
	int err = 0, code;

	for (size_t i = 0; i < item.len; i++)
		is_pattern = is_pattern || strchr("*?[", item.at[i]);
	if (item.len == 0 || write_pattern(pattern, l->conf->files->name, item) != 0) {
		conf_error_at(l->errors, s, l->include->key, "%s cannot be the name of a file",
			      conf_quote(item).text);
		return 0;
	}
	code = glob(pattern, GLOB_NOSORT, on_glob_error, &found);
	if (code == 0)
		err = take_matches(l, &found, s);
	else if (code == GLOB_NOSPACE)
		err = fail_memory(l);
	else if (code == GLOB_ABORTED)
		conf_error_at(l->errors, s, l->include->key, "cannot list %s",
			      conf_quote(item).text);
	else if (!is_pattern)
		conf_error_at(l->errors, s, l->include->key, "there is no file %s",
			      conf_quote(item).text);
	globfree(&found);
	return err;
}

static int
take_includes(struct loader *l)
{
	const struct conf_section *s;
	struct conf_entry *entry;
	struct slice rest, item;
	int err = 0;

	if (!l->include)
		return 0;
	s = conf_find(l->conf, slice_of(l->include->kind), SLICE(""));
	entry = s ? conf_entry(s, l->include->key) : NULL;
	if (!entry || entry->is_bad)
		return 0;
	l->is_drop_in = true;
	rest = entry->value;
	while (err == 0 && value_next(&rest, &item))
		err = take_pattern(l, s, item);
	return err;
}

/* --- the whole ------------------------------------------------------------------- */

struct conf *
conf_load(const char *path, const struct conf_include *include, struct conf_errors *e)
{
	struct loader l = { .conf = conf_new(), .include = include, .errors = e };
	int err = l.conf ? take_file(&l, path, NULL) : fail_memory(&l);

	if (!err)
		err = take_includes(&l);
	if (err)
		conf_free(&l.conf);
	return l.conf;
}

struct conf *
conf_read(struct slice text, const char *name, struct conf_errors *e)
{
	struct loader l = { .conf = conf_new(), .errors = e };
	int err = l.conf ? begin_file(&l, name) : fail_memory(&l);

	if (!err && text.len > CONF_FILE_BYTES) {
		conf_error(e, name, 0, "cannot read it: it is larger than 1 MiB");
		err = ERR_TOO_LARGE;
	}
	if (!err)
		err = take_text(&l, text);
	if (err)
		conf_free(&l.conf);
	return l.conf;
}
