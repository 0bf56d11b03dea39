/*
 * Listings as answers; see file_directory.h.
 */
#include "source/file_directory.h"

#include "source/file_missing.h"

bool
file_directory_is_due(const struct subrequest *q, const struct file_choice *c)
{
	const struct file_conf *conf = q->part->conf;
	struct slice path = q->request->path, name = slice_make(c->name, c->name_len);
	size_t len = conf->index.len;

	return conf->has_listing && q->part->passes_through && c->entry &&
	       c->entry->state == FILE_ABSENT && path.len > 0 && path.at[path.len - 1] == '/' &&
	       name.len >= len && slice_eq(slice_after(name, name.len - len), conf->index) &&
	       (name.len == len || name.at[name.len - len - 1] == '/');
}

static int
make_head(struct subrequest *q, bool is_json, size_t bytes)
{
	struct fields *f = &q->response.fields;

	*f = (struct fields){ .at = arena_alloc(q->arena, 3 * sizeof(*f->at)), .cap = 3 };
	q->response.status = 200;
	q->response.framing = BODY_LENGTH;
	q->response.content_length = bytes;
	if (!f->at ||
	    fields_add(f, FIELD_CONTENT_TYPE,
		       is_json ? SLICE("application/json") : SLICE("text/html; charset=utf-8")) !=
		0 ||
	    fields_add(f, FIELD_CACHE_CONTROL, SLICE("no-cache")) != 0 ||
	    fields_add(f, FIELD_VARY, SLICE("Accept")) != 0)
		return ERR_MEMORY;
	return 0;
}

/* Head, body, done. */
static void
send_list(struct subrequest *q, struct chunks *list)
{
	int err = 0;

	subrequest_head(q);
	if (q->state_now == SUBREQUEST_HEAD && list->head)
		err = subrequest_body(q, list);
	if (q->state_now == SUBREQUEST_HEAD)
		subrequest_done(q, err < 0 ? err : 0);
}

void
file_directory_answer(struct subrequest *q, struct file_job *j)
{
	bool is_head_only = q->request->method == METHOD_HEAD;
	struct chunks list;
	int err = j->job.outcome;

	if (err == ERR_NOT_FOUND || err == ERR_FORBIDDEN) {
		file_answer_missing(q, err == ERR_FORBIDDEN ? FILE_FORBIDDEN : FILE_ABSENT,
				    SLICE(""));
		return;
	}
	chunks_init(&list, &q->env->store);
	if (!err)
		err = make_head(q, j->is_json, j->found.got);
	if (!err && !is_head_only) {
		err = chunks_add_heap(&list, j->found.content,
				      slice_make(j->found.content, j->found.got));
		j->found.content = NULL;
	}
	if (err)
		subrequest_done(q, err);
	else
		send_list(q, &list);
	chunks_clear(&list);
}
