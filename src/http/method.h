/*
 * Request methods: one table (methods.def).
 */
#ifndef FOREBAY_HTTP_METHOD_H
#define FOREBAY_HTTP_METHOD_H

#include "base/slice.h"

enum method {
	METHOD_OTHER, /* a token that is none of ours */
#define METHOD(id, name, flags) METHOD_##id,
#include "http/methods.def"
#undef METHOD
	METHOD_COUNT
};

enum method_flag { METHOD_SAFE = 1, METHOD_IDEMPOTENT = 2 };

enum method method_of(struct slice name);
struct slice method_name(enum method m); /* of METHOD_OTHER, empty */
unsigned method_flags(enum method m);

#endif
