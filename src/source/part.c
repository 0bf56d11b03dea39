/*
 * What load_part() asks of a part: the texts that it wants evaluated.
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
