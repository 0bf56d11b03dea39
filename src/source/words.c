/*
 * Splitting into words; see words.h.
 */
#include "source/words.h"

#include "base/writer.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The text without the blanks that it begins with. */
static struct slice
skip_blanks(struct slice text)
{
	while (text.len > 0 && is_blank(text.at[0]))
		text = slice_after(text, 1);
	return text;
}

/* Takes the first word off. */
static int
take_word(struct slice *rest, struct writer *w)
{
	while (rest->len > 0 && !is_blank(rest->at[0])) {
		char c = rest->at[0];

		*rest = slice_after(*rest, 1);
		if (c == '\'' || c == '"') {
			size_t end = slice_find(*rest, c);
			if (end >= rest->len)
				return ERR_SYNTAX;
			writer_put(w, slice_make(rest->at, end));
			*rest = slice_after(*rest, end + 1);
		} else {
			writer_char(w, c);
		}
	}
	return 0;
}

int
words_split(struct words *words, struct slice text, struct arena *a)
{
	/* Words are at least a blank apart, which makes room for the NUL of each but the last. */
	size_t most = text.len / 2 + 1;
	char *memory = arena_alloc(a, text.len + 1);
	struct writer w = writer_over(memory, text.len + 1);
	struct slice rest = skip_blanks(text);

	words->count = 0;
	words->at = arena_zalloc(a, most, sizeof(*words->at));
	if (!memory || !words->at)
		return ERR_MEMORY;
	while (rest.len > 0) {
		size_t start = w.len;
		int err = take_word(&rest, &w);

		if (err)
			return err;
		words->at[words->count++] = slice_make(memory + start, w.len - start);
		writer_char(&w, '\0');
		rest = skip_blanks(rest);
	}
	return 0;
}
