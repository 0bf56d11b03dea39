/*
 * Directories as pages; see file_listing.h.
 */
#include "source/file_listing.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "http/date.h"
#include "http/uri.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

enum { NAME_BYTES_MAX = 255, PATH_BYTES_MAX = 4096 + NAME_BYTES_MAX + 1 };

struct row {
	const char *name;
	uint64_t size;
	int64_t modified_s;
	bool is_directory;
};

struct rows {
	struct row *at; /* owned */
	unsigned count;
	char *names; /* owned: one behind the other, each with a NUL */
	size_t used;
	bool has_more; /* than are taken */
};

/* --- reading ----------------------------------------------------------------------- */

static int
open_rows(struct rows *r)
{
	r->at = mem_zalloc(LISTING_ENTRIES_MAX, sizeof(*r->at));
	r->names = mem_alloc((size_t)LISTING_ENTRIES_MAX * (NAME_BYTES_MAX + 1));
	return r->at && r->names ? 0 : ERR_MEMORY;
}

static void
close_rows(struct rows *r)
{
	mem_free(&r->at);
	mem_free(&r->names);
}

/* Takes what would be served by its name: files and directories below the root. */
static void
take(struct rows *r, const struct file_listing *l, struct slice name)
{
	char path[PATH_BYTES_MAX];
	struct writer w = writer_over(path, sizeof(path));
	struct file_facts facts;
	char *copy = r->names + r->used;

	writer_text(&w, l->name);
	writer_put(&w, name);
	writer_char(&w, '\0');
	if (w.is_full || name.len > NAME_BYTES_MAX || file_look(l->root, path, &facts) != 0)
		return;
	memcpy(copy, name.at, name.len);
	copy[name.len] = '\0';
	r->used += name.len + 1;
	r->at[r->count++] = (struct row){ .name = copy,
					  .size = facts.size,
					  .modified_s = facts.modified_s,
					  .is_directory = facts.is_directory };
}

static bool
is_shown(const struct file_listing *l, struct slice name)
{
	if (slice_eq(name, SLICE(".")) || slice_eq(name, SLICE("..")))
		return false;
	return l->has_hidden || name.at[0] != '.';
}

static int
read_rows(struct rows *r, const struct file_listing *l, DIR *dir)
{
	const struct dirent *entry;

	while ((entry = readdir(dir)) != NULL) {
		struct slice name = slice_of(entry->d_name);

		if (l->job && job_is_cancelled(l->job))
			return ERR_CANCELLED;
		if (!is_shown(l, name))
			continue;
		r->has_more = r->count == LISTING_ENTRIES_MAX;
		if (r->has_more)
			break;
		take(r, l, name);
	}
	return 0;
}

/* Directories first, then by bytes. */
static int
compare(const void *left, const void *right)
{
	const struct row *a = left, *b = right;

	if (a->is_directory != b->is_directory)
		return a->is_directory ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* --- writing ----------------------------------------------------------------------- */

/* Text between tags, or in an attribute in double quotes; what is no UTF-8 is U+FFFD. */
static void
put_escaped(struct buffer *out, struct slice s)
{
	while (s.len > 0) {
		size_t n = utf8_length(s);

		if (n == 0)
			buffer_text(out, "\xef\xbf\xbd");
		else if (s.at[0] == '&')
			buffer_text(out, "&amp;");
		else if (s.at[0] == '<')
			buffer_text(out, "&lt;");
		else if (s.at[0] == '>')
			buffer_text(out, "&gt;");
		else if (s.at[0] == '"')
			buffer_text(out, "&quot;");
		else if (s.at[0] == '\'')
			buffer_text(out, "&#39;");
		else
			buffer_put(out, slice_make(s.at, n));
		s = slice_after(s, n ? n : 1);
	}
}

static void
put_u64(struct buffer *out, uint64_t value)
{
	struct writer w = buffer_room(out, 24);

	writer_u64(&w, value);
	buffer_wrote(out, &w);
}

/* Every byte that means something in a reference is encoded, the colon of a scheme too. */
static void
put_reference(struct buffer *out, struct slice name)
{
	struct writer w = buffer_room(out, 3 * name.len + 1);

	uri_encode(&w, name);
	buffer_wrote(out, &w);
}

static void
put_page_row(struct buffer *out, const struct row *r)
{
	struct slice name = slice_of(r->name), slash = r->is_directory ? SLICE("/") : SLICE("");
	char date[DATE_BYTES];

	buffer_text(out, "<tr><td><a href=\"");
	put_reference(out, name);
	buffer_put(out, slash);
	buffer_text(out, "\">");
	put_escaped(out, name);
	buffer_put(out, slash);
	buffer_text(out, "</a><td>");
	if (!r->is_directory)
		put_u64(out, r->size);
	buffer_text(out, "<td>");
	date_write(date, r->modified_s);
	buffer_put(out, slice_make(date, sizeof(date)));
	buffer_text(out, "\n");
}

static void
put_page(struct buffer *out, const struct file_listing *l, const struct rows *r)
{
	buffer_text(out, "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<title>Index of ");
	put_escaped(out, l->title);
	buffer_text(out, "</title>\n<style>td { padding: 0 1em 0 0 } "
			 "td:nth-child(2) { text-align: right }</style>\n<h1>Index of ");
	put_escaped(out, l->title);
	buffer_text(out, "</h1>\n<table>\n");
	if (l->name[0])
		buffer_text(out, "<tr><td><a href=\"../\">../</a><td><td>\n");
	for (unsigned i = 0; i < r->count; i++)
		put_page_row(out, &r->at[i]);
	buffer_text(out, "</table>\n");
	if (r->has_more)
		buffer_text(out, "<p>There is more than can be shown.\n");
}

static void
put_json(struct buffer *out, const struct rows *r)
{
	buffer_char(out, '[');
	for (unsigned i = 0; i < r->count; i++) {
		const struct row *row = &r->at[i];
		struct writer w;

		buffer_text(out, i ? ",\n{\"name\":" : "\n{\"name\":");
		buffer_json_string(out, slice_of(row->name));
		buffer_text(out, row->is_directory ? ",\"type\":\"directory\""
						   : ",\"type\":\"file\",\"size\":");
		if (!row->is_directory)
			put_u64(out, row->size);
		buffer_text(out, ",\"modified\":");
		w = buffer_room(out, 24);
		writer_i64(&w, row->modified_s);
		buffer_wrote(out, &w);
		buffer_char(out, '}');
	}
	buffer_text(out, "\n]\n");
}

int
file_listing_write(const struct file_listing *l, struct buffer *out)
{
	struct rows rows = { 0 };
	int fd = file_open_directory(l->root, l->name), err = fd < 0 ? fd : open_rows(&rows);
	DIR *dir = err ? NULL : fdopendir(fd);

	if (!err && !dir)
		err = ERR_MEMORY;
	if (!err)
		err = read_rows(&rows, l, dir);
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	if (!err) {
		qsort(rows.at, rows.count, sizeof(*rows.at), compare);
		if (l->is_json)
			put_json(out, &rows);
		else
			put_page(out, l, &rows);
		err = out->err;
	}
	close_rows(&rows);
	return err;
}
