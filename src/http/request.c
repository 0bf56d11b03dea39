/*
 * A request that outlives the exchange it came with; see request.h.
 */
#include "http/request.h"

#include "base/err.h"

/* What is empty stays what it is: absent or not. */
static int
copy_text(struct slice *s, struct arena *a)
{
	if (s->len == 0)
		return 0;
	*s = arena_copy(a, *s);
	return s->at ? 0 : ERR_MEMORY;
}

static int
copy_fields(struct fields *to, const struct fields *from, struct arena *a)
{
	int err = 0;

	*to = (struct fields){ .cap = from->count };
	to->at = arena_zalloc(a, from->count + 1u, sizeof(*to->at));
	if (!to->at)
		return ERR_MEMORY;
	for (unsigned i = 0; i < from->count && !err; i++) {
		to->at[i] = from->at[i];
		err = copy_text(&to->at[i].name, a);
		if (!err)
			err = copy_text(&to->at[i].value, a);
		to->count++;
	}
	return err;
}

int
request_copy(struct request *to, const struct request *from, struct arena *a)
{
	struct slice *texts[] = { &to->method_name, &to->target, &to->authority,
				  &to->raw_path,    &to->path,   &to->query };
	int err = 0;

	*to = *from;
	to->framing = BODY_NONE;
	to->content_length = 0;
	to->trailers = (struct fields){ 0 };
	to->expects_continue = false;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && !err; i++)
		err = copy_text(texts[i], a);
	return err ? err : copy_fields(&to->fields, &from->fields, a);
}
