/*
 * What forebayd does with a configuration besides serving it: -t, --dump,
 * --match and --explain. Each returns the process' exit code.
 */
#ifndef FOREBAY_SERVER_CHECK_H
#define FOREBAY_SERVER_CHECK_H

#include <stdbool.h>

/* Every error on standard error, as FILE:LINE: message. */
int check_run(const char *path);
int check_dump(const char *path);
int check_match(const char *path, const char *request);
/* The plan of the route of that name, as text or for Graphviz. */
int check_explain(const char *path, const char *route, bool is_dot);

#endif
