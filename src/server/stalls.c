/*
 * The stall record; see stalls.h.
 */
#include "server/stalls.h"

const char *
stall_kind_word(enum stall_kind kind)
{
	static const char *const words[STALL_KINDS] = {
#define STALL_KIND(name, word) [STALL_KIND_##name] = word,
		STALL_KIND_ALL
#undef STALL_KIND
	};

	return words[kind];
}

const char *
stall_cause_word(enum stall_cause cause)
{
	static const char *const words[STALL_CAUSES] = {
#define STALL_CAUSE(name, word) [STALL_CAUSE_##name] = word,
		STALL_CAUSE_ALL
#undef STALL_CAUSE
	};

	return words[cause];
}

struct stall *
stalls_add(struct stalls *s, const struct stall *like)
{
	struct stall *place = &s->at[s->count % STALLS_KEPT];

	*place = *like;
	place->number = ++s->count;
	return place;
}

struct stall *
stalls_find(struct stalls *s, uint64_t number)
{
	struct stall *place;

	if (number == 0 || number > s->count)
		return NULL;
	place = &s->at[(number - 1) % STALLS_KEPT];
	return place->number == number ? place : NULL;
}

const struct stall *
stalls_nth(const struct stalls *s, unsigned i)
{
	if (i >= STALLS_KEPT || i >= s->count)
		return NULL;
	return &s->at[(s->count - 1 - i) % STALLS_KEPT];
}

void
stall_set_text(char to[STALL_TEXT_BYTES], struct slice text)
{
	size_t len = text.len < STALL_TEXT_BYTES ? text.len : STALL_TEXT_BYTES - 1;

	/* Not in the middle of a character (UTF-8). */
	while (len < text.len && len > 0 && ((unsigned char)text.at[len] & 0xc0) == 0x80)
		len--;
	if (len > 0)
		memcpy(to, text.at, len);
	to[len] = '\0';
}
