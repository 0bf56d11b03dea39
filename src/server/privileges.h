/*
 * Dropping root: after the sockets are bound, before anything else is opened.
 * Main thread, before any other is started: what is kept is each thread's own.
 */
#ifndef FOREBAY_SERVER_PRIVILEGES_H
#define FOREBAY_SERVER_PRIVILEGES_H

#include "base/err.h"
#include "base/slice.h"

struct conf_errors;
struct site;

/*
 * Becomes the site's user (a name or a number) for good, groups included; does
 * nothing but say so when not root, or when there is none. CAP_NET_BIND_SERVICE
 * stays if the site has an address with a port below 1024, so that a reload can
 * bind more of them; else it is given up, by whomever it was given. No program
 * started later has it. ERR_NOT_FOUND or ERR_SYSTEM, logged.
 */
int privileges_drop(const struct site *site) MUST_CHECK;

/* Before it: makes a path that root has made the user's who will serve. */
void privileges_give(const struct site *site, const char *path);
/* After it: warns of files of the configuration that only root can read, since a
 * reload will not be root's. */
void privileges_check_files(const struct site *site, struct conf_errors *errors);

#endif
