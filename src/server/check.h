/*
 * What forebayd does with a configuration besides serving it: -t, --dump and
 * --match. Each returns the process' exit code.
 */
#ifndef FOREBAY_SERVER_CHECK_H
#define FOREBAY_SERVER_CHECK_H

/* Every error on standard error, as FILE:LINE: message. */
int check_run(const char *path);
int check_dump(const char *path);
int check_match(const char *path, const char *request);

#endif
