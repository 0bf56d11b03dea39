/*
 * Texts of the one set of errors.
 */
#include "base/err.h"

static const char *const texts[ERR_COUNT] = {
	[ERR_INDEX_NONE] = "no error",
#define ERR(name, text) [ERR_INDEX_##name] = text,
#include "base/err.def"
#undef ERR
};

const char *
err_text(int err)
{
	if (err > 0 || err <= -ERR_COUNT)
		return "unknown error";
	return texts[-err];
}
