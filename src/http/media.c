/*
 * Media types by file name; see media.h.
 */
#include "http/media.h"

#include "base/writer.h"

struct row {
	struct slice extension, type;
};

static const struct row rows[] = {
#define MEDIA(extension, type) { SLICE_INIT(extension), SLICE_INIT(type) },
#include "http/media.def"
#undef MEDIA
};

enum { EXTENSION_BYTES = 11 }; /* of the longest row */

/* What follows the last dot of the last segment, lower case; empty if there is
 * none or it is longer than any row. */
static struct slice
extension_of(struct slice path, char *memory)
{
	struct writer w = writer_over(memory, EXTENSION_BYTES);
	size_t at = path.len;

	while (at > 0 && path.at[at - 1] != '.' && path.at[at - 1] != '/')
		at--;
	if (at == 0 || path.at[at - 1] != '.' || path.len - at > EXTENSION_BYTES)
		return slice_make(memory, 0);
	for (; at < path.len; at++)
		writer_char(&w, ascii_lower(path.at[at]));
	return writer_slice(&w);
}

struct slice
media_type_of(struct slice path)
{
	char memory[EXTENSION_BYTES];
	struct slice extension = extension_of(path, memory);
	size_t low = 0, high = sizeof(rows) / sizeof(rows[0]);

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = slice_compare(extension, rows[middle].extension);

		if (order == 0)
			return rows[middle].type;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return SLICE("application/octet-stream");
}
