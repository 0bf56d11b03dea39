/*
 * The table of all kinds of sources, and what load_part() asks of a part.
 */
#include "source/source.h"

#define SOURCE(name) extern const struct source_ops source_##name;
#include "source/sources.def"
#undef SOURCE

static const struct source_ops *const all[] = {
#define SOURCE(name) &source_##name,
#include "source/sources.def"
#undef SOURCE
};

const struct source_ops *const *
source_all_ops(size_t *count)
{
	*count = sizeof(all) / sizeof(all[0]);
	return all;
}

const struct source_ops *
source_find_ops(struct slice name)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (slice_eq(slice_of(all[i]->name), name))
			return all[i];
	}
	return NULL;
}

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
