/*
 * Sections as text; see section_text.h.
 */
#include "module/section_text.h"

static void
put_lines(struct buffer *b, struct slice value)
{
	buffer_put(b, slice_cut(&value, '\n'));
	while (value.len > 0) {
		buffer_text(b, "\n\t");
		buffer_put(b, slice_cut(&value, '\n'));
	}
}

void
section_text_put(struct buffer *b, const struct conf_section *s)
{
	buffer_text(b, "[module ");
	buffer_put(b, s->name);
	buffer_text(b, "]\n");
	for (const struct conf_entry *entry = s->entries; entry; entry = entry->next) {
		if (entry->is_bad)
			continue;
		buffer_put(b, entry->key);
		buffer_text(b, " = ");
		put_lines(b, entry->raw);
		buffer_char(b, '\n');
	}
}
