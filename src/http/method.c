/*
 * Request methods; see method.h.
 */
#include "http/method.h"

struct row {
	struct slice name;
	unsigned flags;
};

static const struct row rows[METHOD_COUNT] = {
#define METHOD(id, name, flags) [METHOD_##id] = { SLICE_INIT(name), flags },
#include "http/methods.def"
#undef METHOD
};

enum method
method_of(struct slice name)
{
	for (int m = METHOD_OTHER + 1; m < METHOD_COUNT; m++) {
		if (slice_eq(rows[m].name, name))
			return (enum method)m;
	}
	return METHOD_OTHER;
}

struct slice
method_name(enum method m)
{
	return m > METHOD_OTHER && m < METHOD_COUNT ? rows[m].name : SLICE("");
}

unsigned
method_flags(enum method m)
{
	return m > METHOD_OTHER && m < METHOD_COUNT ? rows[m].flags : 0;
}
