/*
 * Which file answers; see file_choice.h.
 */
#include "source/file_choice.h"

#include "base/assert.h"
#include "http/uri.h"

int
file_choice_name(const struct subrequest *q, char *memory, size_t *len)
{
	const struct file_conf *conf = q->part->conf;
	bool is_request_path = conf->path_value < 0;
	struct slice path = is_request_path ? q->request->path : q->value[conf->path_value];
	struct writer w = writer_over(memory, FILE_PATH_BYTES);
	int err;

	if (is_request_path) {
		path = slice_after(path, 1);
		if (slice_find(path, '%') < path.len) {
			char *decoded = arena_alloc(q->arena, path.len);

			if (!decoded)
				return ERR_MEMORY;
			path = uri_rest_decode(path, decoded);
		}
	}
	err = file_path_write(&w, path, conf->index, conf->has_hidden);
	*len = w.len - 1; /* without its NUL */
	return err;
}

void
file_choice_init(struct file_choice *c, const struct subrequest *q, char *name, size_t name_len)
{
	const struct file_conf *conf = q->part->conf;
	struct coding_weights weights;

	c->name = name;
	c->name_len = name_len;
	c->coding[0] = CODING_IDENTITY;
	c->count = 1;
	c->next = 0;
	c->entry = NULL;
	/* A joined result is for us, not for the client. */
	if (conf->codings == 0 || !q->part->passes_through)
		return;
	weights = coding_weights_of(&q->request->fields);
	c->count += coding_rank(&weights, conf->coding, conf->codings, c->coding + 1);
}

struct slice
file_choice_wanted(struct file_choice *c, enum coding *coding)
{
	struct slice extension;

	ASSERT(c->next < c->count);
	*coding = c->coding[c->next];
	extension = coding_extension(*coding);
	ASSERT(extension.len < FILE_NAME_ROOM);
	memcpy(c->name + c->name_len, extension.at, extension.len);
	c->name[c->name_len + extension.len] = '\0';
	return slice_make(c->name, c->name_len + extension.len);
}

void
file_choice_take(struct file_choice *c, struct file_entry *e)
{
	bool is_first = c->next++ == 0;

	if (!is_first && e->state != FILE_THERE) {
		file_entry_unref(e);
		return;
	}
	if (c->entry)
		file_entry_unref(c->entry);
	c->entry = e;
	/* A sibling does not stand for what is not there; and the first that is there will do. */
	if (!is_first || e->state != FILE_THERE)
		c->next = c->count;
}

int
file_choice_go(struct file_choice *c, struct file_cache *cache)
{
	while (c->next < c->count) {
		enum coding coding;
		struct slice name = file_choice_wanted(c, &coding);
		struct file_entry *e;
		int err = file_cache_look(cache, name, coding, &e);

		if (err)
			return err;
		file_choice_take(c, e);
	}
	return 0;
}
