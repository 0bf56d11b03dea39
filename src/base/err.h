/*
 * The one set of errors. Functions that can fail return 0 or a negative enum
 * err; constructors return NULL. errno never travels as a return value.
 */
#ifndef FOREBAY_BASE_ERR_H
#define FOREBAY_BASE_ERR_H

enum err_index {
	ERR_INDEX_NONE,
#define ERR(name, text) ERR_INDEX_##name,
#include "base/err.def"
#undef ERR
	ERR_COUNT
};

enum err {
	ERR_NONE = 0,
#define ERR(name, text) ERR_##name = -ERR_INDEX_##name,
#include "base/err.def"
#undef ERR
};

#define MUST_CHECK __attribute__((warn_unused_result))

/* A short phrase for a log line; "unknown error" for a value outside the set. */
const char *err_text(int err);

#endif
