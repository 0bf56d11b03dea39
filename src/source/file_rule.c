/*
 * Which rule of a part is for a file: that of its extension, else of the first
 * word of its media type (text, image), else the one for all. Asked when a file
 * is opened, not for each request.
 */
#include "source/file_conf.h"

/* What follows the last dot of the last segment. */
static struct slice
extension_of(struct slice name)
{
	size_t at = name.len;

	while (at > 0 && name.at[at - 1] != '.' && name.at[at - 1] != '/')
		at--;
	if (at == 0 || name.at[at - 1] != '.')
		return slice_make(name.at, 0);
	return slice_after(name, at);
}

static const struct file_rule *
find(const struct file_conf *c, struct slice which)
{
	for (unsigned i = 0; i + 1 < c->rules && which.len > 0; i++) {
		if (slice_eq_nocase(c->rule[i].which, which))
			return &c->rule[i];
	}
	return NULL;
}

const struct file_rule *
file_rule_of(const struct file_conf *c, struct slice name, struct slice type)
{
	const struct file_rule *rule = find(c, extension_of(name));

	if (!rule)
		rule = find(c, slice_trim(slice_cut(&type, '/')));
	return rule ? rule : &c->rule[c->rules - 1];
}
