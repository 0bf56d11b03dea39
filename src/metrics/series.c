/*
 * The words for how a part ended; see series.h.
 */
#include "metrics/series.h"

static const char *const words[OUTCOME_COUNT] = {
#define OUTCOME(id, word) [OUTCOME_##id] = word,
#include "metrics/outcomes.def"
#undef OUTCOME
};

const char *
outcome_word(enum outcome o)
{
	return words[o];
}
