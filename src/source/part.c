/*
 * What load_part() asks of a part: the texts that it wants evaluated; and what
 * may be asked of one that is loaded.
 */
#include "source/source.h"

static int
want(struct part *p, struct slice text, enum value_coding coding, const char *key, bool is_optional)
{
	if (p->values == PART_VALUES_MAX)
		return ERR_TOO_MANY;
	p->value[p->values] = (struct part_value){
		.text = text,
		.coding = coding,
		.key = key,
		.is_optional = is_optional,
	};
	return (int)p->values++;
}

int
part_want(struct part *p, struct slice text, enum value_coding coding, const char *key)
{
	return want(p, text, coding, key, false);
}

int
part_want_optional(struct part *p, struct slice text, enum value_coding coding, const char *key)
{
	return want(p, text, coding, key, true);
}

struct pool *
part_pool(const struct part *p)
{
	return p->source->ops->pool ? p->source->ops->pool(p) : NULL;
}

struct source_bounds
part_bounds(const struct part *p)
{
	struct source_bounds b = { 0 };

	if (p->source->ops->bounds)
		p->source->ops->bounds(p, &b);
	return b;
}
