/*
 * Names of files below a root; see file_path.h.
 */
#include "source/file_path.h"

#include "base/err.h"

static bool
is_dots(struct slice segment)
{
	return slice_eq(segment, SLICE(".")) || slice_eq(segment, SLICE(".."));
}

static bool
is_fit(struct slice segment, bool has_hidden)
{
	if (segment.len == 0 || slice_find(segment, '\0') < segment.len)
		return false;
	return segment.at[0] != '.' || (has_hidden && !is_dots(segment));
}

int
file_path_write(struct writer *w, struct slice path, struct slice index, bool has_hidden)
{
	bool is_first = true;

	while (path.len > 0) {
		bool has_slash = slice_find(path, '/') < path.len;
		struct slice segment = slice_cut(&path, '/');

		if (!is_fit(segment, has_hidden) &&
		    !(is_first && slice_eq(segment, SLICE(".well-known"))))
			return ERR_NOT_FOUND;
		is_first = false;
		writer_put(w, segment);
		if (has_slash)
			writer_char(w, '/');
	}
	if (w->len == 0 || w->at[w->len - 1] == '/') {
		if (!is_fit(index, has_hidden))
			return ERR_NOT_FOUND;
		writer_put(w, index);
	}
	writer_char(w, '\0');
	return w->is_full ? ERR_NOT_FOUND : 0;
}
