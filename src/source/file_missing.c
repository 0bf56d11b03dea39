/*
 * Answers about what is not there; see file_missing.h.
 */
#include "source/file_missing.h"

/* A status with one field and its text. */
static void
answer_with(struct subrequest *q, int status, enum field_id id, struct slice value,
	    struct slice text)
{
	struct fields *f = &q->response.fields;

	*f = (struct fields){ .at = arena_alloc(q->arena, 2 * sizeof(*f->at)), .cap = 2 };
	if (!f->at || fields_add(f, id, value) != 0 ||
	    fields_add(f, FIELD_CONTENT_TYPE, SLICE("text/plain")) != 0) {
		subrequest_done(q, ERR_MEMORY);
		return;
	}
	q->response.status = status;
	q->response.framing = BODY_LENGTH;
	q->response.content_length = text.len;
	subrequest_whole(q, text);
}

void
file_answer_method(struct subrequest *q)
{
	answer_with(q, 405, FIELD_ALLOW, SLICE("GET, HEAD"), SLICE("Method Not Allowed"));
}

/* The path as it was sent, with one slash before it - two would begin a host - and one behind. */
static struct slice
location_of(struct subrequest *q)
{
	const struct request *r = q->request;
	struct slice path = r->raw_path;
	size_t room = path.len + r->query.len + 3;
	char *memory = arena_alloc(q->arena, room);
	struct writer w = writer_over(memory, memory ? room : 0);

	while (path.len > 0 && path.at[0] == '/')
		path = slice_after(path, 1);
	writer_char(&w, '/');
	writer_put(&w, path);
	writer_char(&w, '/');
	if (r->has_query) {
		writer_char(&w, '?');
		writer_put(&w, r->query);
	}
	return w.is_full ? slice_make(NULL, 0) : writer_slice(&w);
}

/* Whether the request's own path names the directory: its end is the name. */
static bool
is_named_by_path(const struct subrequest *q, struct slice name)
{
	struct slice path = q->request->path;

	return q->part->passes_through && name.len > 0 && path.len > name.len &&
	       path.at[path.len - name.len - 1] == '/' &&
	       slice_eq(slice_after(path, path.len - name.len), name);
}

static void
redirect(struct subrequest *q)
{
	struct slice location = location_of(q);

	if (location.len > 0)
		answer_with(q, 301, FIELD_LOCATION, location, SLICE("Moved Permanently"));
	else
		subrequest_done(q, ERR_MEMORY);
}

void
file_answer_missing(struct subrequest *q, enum file_state state, struct slice name)
{
	if (state == FILE_DIRECTORY && is_named_by_path(q, name))
		redirect(q);
	else if (state == FILE_FORBIDDEN)
		subrequest_answer(q, 403, SLICE("text/plain"), SLICE("Forbidden"));
	else
		subrequest_answer(q, 404, SLICE("text/plain"), SLICE("Not Found"));
}
