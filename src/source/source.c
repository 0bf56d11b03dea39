/*
 * The table of all kinds of sources.
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
